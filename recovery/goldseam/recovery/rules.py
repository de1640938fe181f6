"""What applies to the calls of one tenant or one module, above what applies to all.

`config` reads rules from `[[recovery.rules]]` and hands out the configuration that they lead to;
the instrumentation asks for it once per tenant and module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

Mode = Literal["off", "observe", "on"]

MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""From doing nothing to doing all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Options for the calls of a tenant, of a module, or of a module for a tenant.

    Attributes:
        tenant: Whose calls; None means everybody's.
        module: Which part's calls; None means all parts'.
        mode: The mode in place of the configuration's; None leaves that.
        policy: The policy's options that differ, by name.
    """

    tenant: str | None = None
    module: str | None = None
    mode: Mode | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)

    def applies_to(self, tenant: str | None, module: str | None) -> bool:
        """Tell whether a call is meant; one without a tenant is nobody's in particular."""
        return self.tenant in (None, tenant) and self.module in (None, module)
