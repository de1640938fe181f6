"""The spool keeps bodies in order, within its limits, under one owner, through every fault."""

import random
import sqlite3
from pathlib import Path

import pytest

from goldseam.collector import spool as spools
from goldseam.collector.refusals import SpoolFull
from goldseam.collector.spool import Raw, Spool, SpoolError, SpoolLimits, claim, orphans

LIMITS = SpoolLimits(max_bytes=1_000_000, max_age_s=3600)
ALL = 10**9


def bodies(spool: Spool, *, after: int = 0, limit_bytes: int = ALL) -> list[bytes]:
    """Read what waits."""
    return [kept.unpack().body for kept in spool.oldest(after=after, limit_bytes=limit_bytes)]


def noise(number: int, size_bytes: int = 1_000) -> Raw:
    """Build a body that does not compress."""
    return Raw(random.Random(number).randbytes(size_bytes), "x")  # noqa: S311 - no secret


def test_bodies_come_back_in_order_after_a_restart(tmp_path: Path) -> None:
    """What one process kept, the next one gives, encoding included."""
    with claim(tmp_path, LIMITS) as spool:
        spool.append([Raw(b"one", "application/json"), Raw(b"two", "x")])
        spool.append([Raw(b"three", "x")])

    with claim(tmp_path, LIMITS) as spool:
        assert bodies(spool) == [b"one", b"two", b"three"]
        assert spool.oldest(after=0, limit_bytes=1)[0].media_type == "application/json"
        assert spool.bodies == 3


def test_each_commit_reaches_the_disk(tmp_path: Path) -> None:
    """WAL with full synchronisation: an acknowledgement survives a power cut."""
    with claim(tmp_path, LIMITS) as spool:
        read = [
            spool._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]

    assert read == ["wal", 2]


def test_reading_stops_at_a_number_of_bytes_and_goes_on_behind_an_id(tmp_path: Path) -> None:
    """A spool of any size is read in pieces that fit into memory."""
    with claim(tmp_path, LIMITS) as spool:
        spool.append([Raw(b"x" * 10, "x") for _ in range(5)])

        assert len(bodies(spool, limit_bytes=15)) == 2
        assert len(bodies(spool, limit_bytes=1)) == 1
        assert len(bodies(spool, after=2)) == 3


def test_a_full_spool_takes_nothing_until_something_has_gone(tmp_path: Path) -> None:
    """The limit is one of bytes, and what was kept is never dropped for something new."""
    with claim(tmp_path, SpoolLimits(max_bytes=2_500, max_age_s=3600)) as spool:
        spool.append([noise(1), noise(2)])
        with pytest.raises(SpoolFull, match="GOLDSEAM_SPOOL_BYTES"):
            spool.append([noise(3)])
        assert spool.bodies == 2

        spool.remove([1])
        spool.append([noise(3)])

        assert bodies(spool) == [noise(2).body, noise(3).body]


def test_a_full_disk_refuses_and_forgets_nothing(tmp_path: Path) -> None:
    """SQLite's own limit of pages gives the error that a full disk gives."""
    with claim(tmp_path, LIMITS) as spool:
        spool.append([noise(1)])
        pages = spool._connection.execute("PRAGMA page_count").fetchone()[0]
        spool._connection.execute(f"PRAGMA max_page_count = {pages + 2}")

        with pytest.raises(SpoolFull, match="full"):
            spool.append([noise(n) for n in range(2, 40)])

        assert "full" in str(spool.failing)
        assert bodies(spool) == [noise(1).body]
        spool._connection.execute("PRAGMA max_page_count = 100000")
        spool.append([noise(2)])
        assert (spool.bodies, spool.failing) == (2, None)


def test_a_disk_is_never_filled_so_far_that_the_spool_cannot_be_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing bodies needs room too: below the reserve nothing is taken, and all can go."""
    with claim(tmp_path, LIMITS) as spool:
        spool.append([noise(1)])
        with monkeypatch.context() as changed:
            changed.setattr(spools, "RESERVE_BYTES", 2**60)
            with pytest.raises(SpoolFull, match="make room on the disk"):
                spool.append([noise(2)])
            spool.remove([1])

        spool.append([noise(2)])
        assert bodies(spool) == [noise(2).body]


def test_a_spool_whose_oldest_body_is_too_old_takes_nothing(tmp_path: Path) -> None:
    """Senders learn that nothing is stored; what was acknowledged stays."""
    now = [1000.0]
    with claim(tmp_path, LIMITS, clock=lambda: now[0]) as spool:
        spool.append([noise(1)])
        now[0] += 3601

        with pytest.raises(SpoolFull, match="GOLDSEAM_SPOOL_MAX_AGE_S"):
            spool.append([noise(2)])

        assert (spool.bodies, spool.oldest_age_s) == (1, 3601)


def test_a_body_set_aside_waits_no_longer_and_can_be_inspected(tmp_path: Path) -> None:
    """Its reason stands beside it, also after a restart."""
    with claim(tmp_path, LIMITS) as spool:
        spool.append([Raw(b"bad", "x"), Raw(b"good", "x")])
        spool.set_aside(1, "cannot be read")
        path = spool.path

    with claim(tmp_path, LIMITS) as spool:
        assert (bodies(spool), spool.set_aside_bodies) == ([b"good"], 1)
    with sqlite3.connect(path) as connection:
        query = "SELECT id, set_aside FROM bodies WHERE set_aside IS NOT NULL"
        assert connection.execute(query).fetchall() == [(1, "cannot be read")]
    connection.close()


def test_bodies_set_aside_fill_only_their_share(tmp_path: Path) -> None:
    """Beyond it the oldest of them goes, so that they never keep good ones out."""
    with claim(tmp_path, SpoolLimits(max_bytes=20_000, max_age_s=3600)) as spool:
        spool.append([noise(n) for n in range(4)])
        for id_ in (1, 2, 3, 4):
            spool.set_aside(id_, "bad")

        assert (spool.bodies, spool.set_aside_bodies) == (0, 2)


def test_processes_on_one_folder_have_a_file_each(tmp_path: Path) -> None:
    """A second owner gets the next file, a later one the first that is free."""
    first = claim(tmp_path, LIMITS)
    second = claim(tmp_path, LIMITS)
    first.close()
    third = claim(tmp_path, LIMITS)

    assert [spool.path.name for spool in (first, second, third)] == [
        "spool-0.sqlite",
        "spool-1.sqlite",
        "spool-0.sqlite",
    ]
    second.close()
    third.close()


def test_only_spools_without_an_owner_are_orphans(tmp_path: Path) -> None:
    """The file of a living process is left alone."""
    own, living, dead = (claim(tmp_path, LIMITS) for _ in range(3))
    dead.append([Raw(b"left", "x")])
    dead.close()

    assert [bodies(orphan) for orphan in orphans(tmp_path, LIMITS)] == [[b"left"]]
    own.close()
    living.close()


def test_a_damaged_file_is_put_out_of_the_way(tmp_path: Path) -> None:
    """The collector starts with an empty spool, and the file is still there to look at."""
    (tmp_path / "spool-0.sqlite").write_bytes(b"no database" * 1000)

    with claim(tmp_path, LIMITS) as spool:
        spool.append([Raw(b"new", "x")])
        assert bodies(spool) == [b"new"]

    assert len(list(tmp_path.glob("spool-0.sqlite.damaged-*"))) == 1


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """The message says which option chooses another one."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SpoolError, match="--data-dir"):
        claim(tmp_path / "file" / "spool", LIMITS)


def test_an_emptied_spool_gives_its_disk_back(tmp_path: Path) -> None:
    """After an outage the file is as small as before it."""
    with claim(tmp_path, LIMITS) as spool:
        spool.append([noise(n, 10_000) for n in range(50)])
        spool.remove(range(1, 51))

        assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 100_000
