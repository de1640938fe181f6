"""The `goldseam` command.

`run` and `doctor` work with what an application carries; every other command needs the server side
and says so when it is not installed. Nothing heavy is imported before the command is known.
"""

import importlib.util
import sys

__all__ = ["main"]

_SERVER_SIDE = ("typer", "rich", "fastapi", "uvicorn", "sqlalchemy", "psycopg")


def main() -> None:
    """Run the command line in `sys.argv`."""
    if sys.argv[1:2] == ["run"]:
        from goldseam.cli import run  # noqa: PLC0415 - only this command's modules

        sys.exit(run.main(sys.argv[2:]))
    if sys.argv[1:2] == ["doctor"]:
        from goldseam.cli import doctor  # noqa: PLC0415 - as above

        sys.exit(doctor.main(sys.argv[2:]))
    missing = [name for name in _SERVER_SIDE if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"goldseam: this command needs the server side ({', '.join(missing)} not installed).\n"
            "Install it with:  pip install 'goldseam[server,embedded]'\n"
            "`goldseam run -- python app.py` works without it."
        )
    try:
        from goldseam.cli.app import app  # noqa: PLC0415 - as above
    except KeyboardInterrupt:  # it takes a second
        sys.exit(130)
    app(prog_name="goldseam")
