"""What a fault may tell in a log: its kind and its place, never a value of a row or of a question.

PostgreSQL quotes rows in its details, and values in its messages about data; so do drivers and
validators. Used wherever the server side logs an error that it did not foresee.
"""

from typing import Final

import psycopg

_ABOUT_VALUES: Final = ("22", "23")
"""Classes of SQLSTATE whose messages quote what they are about: data and integrity."""


class Fault(Exception):  # noqa: N818 - it is one, and never raised
    """Stands in a log for an error whose own text may quote what was stored or asked."""


def loggable(error: BaseException) -> Fault:
    """Return what to log as `exc_info` for `error`: the same traceback, and a text without values.

    What it was raised from is left out.
    """
    return Fault(told(error)).with_traceback(error.__traceback__)


def told(error: BaseException) -> str:
    """Return kind and SQLSTATE of an error, and the database's words unless they quote values."""
    own = getattr(error, "orig", None) or error  # SQLAlchemy's has the driver's
    kind = type(own).__name__
    if not isinstance(own, psycopg.Error) or own.sqlstate is None:
        return kind
    if own.sqlstate.startswith(_ABOUT_VALUES):
        return f"{kind} ({own.sqlstate})"
    return f"{kind} ({own.sqlstate}): {own.diag.message_primary}"
