"""The fence between Goldseam's own faults and the application's call.

Everything that Goldseam does around a call goes through `fenced`: a fault of ours is reported
once per place as a warning and turns into None, and the call goes on as if it had not been
watched. Cancellation and interrupts are the application's and pass.
"""

import contextlib
import functools
import logging
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

_log = logging.getLogger("goldseam.instrumentation")
_reported: Final[set[str]] = set()


def fenced(function: Callable[_P, _R]) -> Callable[_P, _R | None]:
    """Return `function` with its faults reported instead of raised; None stands for a fault."""

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R | None:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the fence is where faults of any kind end
            report(function.__qualname__, error)
            return None

    return guarded


def report(place: str, error: Exception) -> None:
    """Warn once per process that `place` failed.

    Only the kind of the fault and its line are logged: its text may hold what a user wrote.
    """
    if place in _reported:
        return
    _reported.add(place)
    with contextlib.suppress(Exception):
        _log.warning(
            "Goldseam: internal fault in %s (%s at %s). The application's call is not affected; "
            "please report this. Further faults here are not logged.",
            place,
            type(error).__name__,
            _line_of(error),
        )


def _line_of(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown line"
