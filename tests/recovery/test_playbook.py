"""The playbook is polled in the background over real HTTP, and never stands in a call's way."""

import gc
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.recovery.playbook_server import PATTERN, PlaybookServer, document, entry

from goldseam.errors.fingerprint import VERSION
from goldseam.recovery import playbook_http
from goldseam.recovery.corrections import Correction
from goldseam.recovery.extras import PlaybookConfig
from goldseam.recovery.playbook import (
    MIN_APPLICATIONS,
    Playbook,
    likely_share,
    pause_s,
)

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass
class Clock:
    """The wall clock."""

    now: datetime = START

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


@pytest.fixture
def server() -> Iterator[PlaybookServer]:
    """Serve a document."""
    made = PlaybookServer()
    yield made
    made.close()


def found(playbook: Playbook, pattern: str = PATTERN, version: int = VERSION) -> str | None:
    """Return the id of the correction in force."""
    correction = playbook.correction_for(pattern, version)
    return correction.id if correction else None


def in_force(server: PlaybookServer, *corrections: Any, clock: Clock | None = None) -> Playbook:
    """Return a playbook that has fetched these corrections."""
    server.body = document(*corrections)
    playbook = Playbook(PlaybookConfig(url=server.url), now=clock or Clock())
    assert playbook.refresh()
    return playbook


def test_unchanged_document_is_not_sent_again(server: PlaybookServer) -> None:
    """The second poll names the ETag of the first and is answered 304."""
    playbook = in_force(server, entry())

    assert playbook.refresh()

    assert server.statuses == [200, 304]
    assert found(playbook) == "c1"


def test_changed_document_replaces_the_whole(server: PlaybookServer) -> None:
    """A correction that is no longer listed is no longer applied."""
    playbook = in_force(server, entry())
    server.body = document(entry("c2", error_pattern="other"))

    assert playbook.refresh()

    assert (found(playbook), found(playbook, "other")) == (None, "c2")


def test_pattern_and_version_must_match(server: PlaybookServer) -> None:
    """Fingerprints of other rules do not compare."""
    playbook = in_force(server, entry())

    assert found(playbook, PATTERN + "0") is None
    assert found(playbook, version=VERSION + 1) is None


def test_expired_correction_is_ignored(server: PlaybookServer) -> None:
    """A correction ends at its time without anybody asking."""
    clock = Clock()
    expires_at = (START + timedelta(seconds=5)).isoformat()
    playbook = in_force(server, entry(expires_at=expires_at), clock=clock)
    before = found(playbook)

    clock.now += timedelta(seconds=5)

    assert (before, found(playbook)) == ("c1", None)


def test_key_comes_from_the_environment(
    server: PlaybookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings name a variable; only its value is sent, and it stands in no repr."""
    config = PlaybookConfig(url=server.url, api_key_env="PLAYBOOK_KEY")
    monkeypatch.setenv("PLAYBOOK_KEY", "marker-secret")

    Playbook(config).refresh()
    monkeypatch.delenv("PLAYBOOK_KEY")
    Playbook(config).refresh()

    assert [each.get("authorization") for each in server.headers] == ["Bearer marker-secret", None]
    assert "marker-secret" not in repr(config)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b"", "set the key in the variable"),
        (403, b"", "scope playbook:read"),
        (404, b"", "should end in /api/v1/ai/recovery/playbook"),
        (302, b"", "answered 302"),
        (500, b"", "answered 500"),
        (200, b"<html>", "is no JSON"),
        (200, b" " * (playbook_http.MAX_BYTES + 1), "is larger than"),
    ],
    ids=["key", "scope", "address", "redirect", "server", "html", "large"],
)
def test_unusable_answer_leaves_the_last_good_document(
    server: PlaybookServer, caplog: pytest.LogCaptureFixture, status: int, body: bytes, words: str
) -> None:
    """What was in force stays in force, and one line of the log says what to do."""
    playbook = in_force(server, entry())
    server.status, server.body = status, body

    assert [playbook.refresh(), playbook.refresh()] == [False, False]

    assert found(playbook) == "c1"
    (record,) = caplog.records
    assert words in record.getMessage()


def test_server_that_is_away_changes_nothing(
    server: PlaybookServer, caplog: pytest.LogCaptureFixture
) -> None:
    """No server, no fault."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    playbook = Playbook(PlaybookConfig(url=f"http://127.0.0.1:{port}/"))

    assert not playbook.refresh()
    assert playbook.is_empty
    assert "stays as it is" in caplog.text


def test_dribbling_server_is_left(
    server: PlaybookServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The whole answer has a time, however often a byte comes."""
    monkeypatch.setattr(playbook_http, "TOTAL_S", 0.0)

    assert not Playbook(PlaybookConfig(url=server.url)).refresh()
    assert "takes longer than" in caplog.text


def test_unknown_treatment_is_told_once(
    server: PlaybookServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A correction that this version cannot apply is left out with one line of the log."""
    bad = entry("c2", error_pattern="other", config={"strategy": "restart"})
    playbook = in_force(server, entry(), bad)
    server.body += b"\n"

    playbook.refresh()

    assert found(playbook) == "c1"
    (record,) = caplog.records
    assert "correction c2 asks for strategy 'restart'" in record.getMessage()


def test_last_good_document_survives_a_restart(
    server: PlaybookServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a file, corrections are in force before the server answers; a broken file is told."""
    file = tmp_path / "playbook.json"
    server.body = document(entry())
    assert Playbook(PlaybookConfig(url=server.url, file=str(file))).refresh()

    restarted = Playbook(PlaybookConfig(url="http://127.0.0.1:9/", file=str(file)))
    restarted.load()
    file.write_bytes(b"half a docu")
    broken = Playbook(PlaybookConfig(url="http://127.0.0.1:9/", file=str(file)))
    broken.load()

    assert (found(restarted), found(broken)) == ("c1", None)
    assert list(tmp_path.iterdir()) == [file]
    assert "is not used" in caplog.text


def test_file_that_cannot_be_written_changes_nothing(
    server: PlaybookServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The document is in force all the same."""
    server.body = document(entry())
    file = tmp_path / "none" / "playbook.json"
    playbook = Playbook(PlaybookConfig(url=server.url, file=str(file)))

    assert playbook.refresh()
    assert found(playbook) == "c1"
    assert "cannot be kept" in caplog.text


def test_document_is_polled_in_the_background(server: PlaybookServer) -> None:
    """A change arrives without anybody asking, until polling is stopped."""
    playbook = Playbook(PlaybookConfig(url=server.url, interval_s=0.01))
    playbook.start()
    playbook.start()
    server.wait_for(1)
    server.body = document(entry())
    server.wait_for_next()

    assert found(playbook) == "c1"
    names = [each.name for each in threading.enumerate()]
    assert names.count("goldseam-playbook") == 1

    (polling,) = (each for each in threading.enumerate() if each.name == "goldseam-playbook")
    playbook.stop()
    polling.join(5)
    assert not polling.is_alive()
    assert polling.daemon


def test_forked_process_polls_itself(server: PlaybookServer) -> None:
    """A worker forked after the start has a thread of its own."""
    playbook = Playbook(PlaybookConfig(url=server.url, interval_s=60))
    playbook.start()
    server.wait_for(1)

    wakes, wake = os.pipe()
    if (child := os.fork()) == 0:
        os.close(wake)
        os.read(wakes, 1)
        os._exit(0)

    try:
        server.wait_for(2)
    finally:
        playbook.stop()
        os.close(wake)
        os.waitpid(child, 0)
        os.close(wakes)

    assert server.statuses[1] in {200, 304}


def test_dropped_playbook_is_not_kept_by_the_fork_hook() -> None:
    """A hook that cannot be taken back holds nothing."""
    import weakref  # noqa: PLC0415 - for this test only

    playbook = Playbook(PlaybookConfig(url="http://127.0.0.1:9/"))
    seen = weakref.ref(playbook)

    del playbook
    gc.collect()

    assert seen() is None


def correction_of(playbook: Playbook) -> Correction:
    """Return the correction in force."""
    correction = playbook.correction_for(PATTERN, VERSION)
    assert correction is not None
    return correction


def test_correction_that_does_not_help_switches_itself_off(
    server: PlaybookServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten applications without an answer are enough; a changed correction starts anew."""
    playbook = in_force(server, entry())
    correction = correction_of(playbook)

    last = [playbook.applied(correction, success=False) for _ in range(MIN_APPLICATIONS)]

    assert last == [False] * (MIN_APPLICATIONS - 1) + [True]
    assert found(playbook) is None
    assert "correction c1 brought fewer answers than the 50 % it promises" in caplog.text

    server.body = document(entry(config={"strategy": "retry", "delay_s": 2}))
    playbook.refresh()
    assert found(playbook) == "c1"


def test_correction_that_helps_half_of_the_time_stays(server: PlaybookServer) -> None:
    """Bad luck alone switches nothing off."""
    playbook = in_force(server, entry())
    correction = correction_of(playbook)

    switched_off = [playbook.applied(correction, success=n % 2 == 0) for n in range(200)]

    assert not any(switched_off)


def test_correction_that_stops_working_is_noticed(server: PlaybookServer) -> None:
    """Only recent applications count: a good past does not carry a dead correction."""
    playbook = in_force(server, entry())
    correction = correction_of(playbook)
    for _ in range(1_000):
        playbook.applied(correction, success=True)

    later = [playbook.applied(correction, success=False) for _ in range(50)]

    assert sum(later) == 1


@pytest.mark.parametrize(
    ("successes", "of", "share"), [(0, 10, 0.278), (5, 10, 0.763), (10, 10, 1.0), (45, 50, 0.957)]
)
def test_likely_share_is_wilsons(successes: int, of: int, share: float) -> None:
    """The upper end of the 95 % interval."""
    assert round(likely_share(successes, of), 3) == share


@pytest.mark.parametrize(
    ("interval_s", "failures", "draw", "pause"),
    [(30, 0, 0.5, 30), (30, 0, 0.0, 24), (30, 2, 0.5, 120), (30, 9, 0.5, 300), (600, 3, 0.5, 600)],
    ids=["steady", "spread", "doubled", "bounded", "own"],
)
def test_pause_is_spread_and_bounded(
    interval_s: float, failures: int, draw: float, pause: float
) -> None:
    """Processes do not poll in step, and a server that is down is asked less often."""
    assert pause_s(interval_s, failures, draw) == pytest.approx(pause)
