"""What must be made anew in a forked process: locks that may be held, threads that did not follow.

Called by what keeps either: the caches and the playbook.
"""

import os
from collections.abc import Callable
from weakref import WeakMethod


def renew_in_child(method: Callable[[], object]) -> None:
    """Call a bound method in every process forked from now on, as long as its object lives."""
    if not hasattr(os, "register_at_fork"):  # Windows does not fork
        return
    weak = WeakMethod(method)

    def renew() -> None:
        if (alive := weak()) is not None:
            alive()

    os.register_at_fork(after_in_child=renew)
