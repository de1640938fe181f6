"""What went wrong with a provider call, in sixteen codes.

Both sides use this package: the application with live exceptions, the server with spans. It names
the failure (`classify`), makes its text fit to leave the process (`redact`), groups texts with the
same cause (`fingerprint`) and says what usually helps (`fix_for`). Pure: no clock, no network, no
state.
"""

from goldseam.errors.classify import Classification, Evidence, classify, evidence_from_exception
from goldseam.errors.codes import ErrorCode
from goldseam.errors.fingerprint import Fingerprint, error_pattern, fingerprint
from goldseam.errors.fixes import Fix, fix_for
from goldseam.errors.redact import redact

__all__ = [
    "Classification",
    "ErrorCode",
    "Evidence",
    "Fingerprint",
    "Fix",
    "classify",
    "error_pattern",
    "evidence_from_exception",
    "fingerprint",
    "fix_for",
    "redact",
]
