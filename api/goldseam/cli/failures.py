"""Errors that a person can mend, as one line and exit code 1; everything else is ours."""

import contextlib
import sys
from collections.abc import Iterator

import typer


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Turn the errors that a person can mend into one line and exit code 1."""
    from goldseam.cli.client import ApiError
    from goldseam.cli.demo import DemoError
    from goldseam.cli.serve import OpenBindError, PortInUseError, WorkersFailedError
    from goldseam.collector.spool import SpoolError
    from goldseam.storage.errors import StorageError

    mendable = (
        ApiError,
        DemoError,
        OpenBindError,
        PortInUseError,
        SpoolError,
        StorageError,
        WorkersFailedError,
    )
    try:
        yield
    except mendable as error:
        sys.stderr.write(f"goldseam: {error}\n")
        raise typer.Exit(1) from error
