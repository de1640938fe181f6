"""Poll the playbook in the background, and tell which correction is for a failure.

The instrumentation makes one `Playbook` if an address is set. A daemon thread asks the server
every half minute or so and swaps the whole document; calls only ever look into a dictionary. It
promises: nothing of it is on a call's path, a document that cannot be used leaves the last good one
in force, a correction that does not keep what it promises is switched off in this process.
"""

import logging
import math
import os
import random
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from goldseam.recovery.corrections import EMPTY, Correction, Document, PlaybookError, read_document
from goldseam.recovery.extras import PlaybookConfig
from goldseam.recovery.forks import renew_in_child

_log: Final = logging.getLogger("goldseam.recovery")

JITTER: Final = 0.2
"""Polls come this share earlier or later, so that many processes do not ask at once."""

MAX_INTERVAL_S: Final = 300.0
"""Upper bound of the pause, which doubles while the server does not answer."""

RECENT: Final = 50
"""Applications of a correction that are remembered: what helped last month does not count."""

MIN_APPLICATIONS: Final = 10
"""Fewer say nothing about a correction."""

_Z: Final = 1.96
"""Of the interval around the measured share: switched off by 95 % certainty, not by bad luck."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Playbook:
    """The corrections in force in this process."""

    def __init__(
        self,
        config: PlaybookConfig,
        *,
        now: Callable[[], datetime] = _utc_now,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Begin empty; `start` fetches.

        Args:
            config: Where the document comes from.
            now: Wall-clock time, for expiry.
            jitter: Draws from [0, 1).
        """
        self._config = config
        self._now = now
        self._jitter = jitter
        self._document: Document = EMPTY
        self._etag: str | None = None
        self._record = Record()
        self._stopped: threading.Event | None = None
        self._told: set[str] = set()
        renew_in_child(self._renew)

    @property
    def is_empty(self) -> bool:
        """Whether there is no correction at all."""
        return not self._document.corrections

    def start(self) -> None:
        """Begin to poll in the background. A second call changes nothing."""
        if self._stopped is None:
            self._stopped = threading.Event()
            threading.Thread(
                target=self._run, args=(self._stopped,), name="goldseam-playbook", daemon=True
            ).start()

    def stop(self) -> None:
        """End polling; what is in force stays."""
        if self._stopped is not None:
            self._stopped.set()
            self._stopped = None

    def correction_for(self, pattern: str, normaliser_version: int) -> Correction | None:
        """Return the correction in force for an error pattern, None where there is none."""
        found = self._document.corrections.get((pattern, normaliser_version))
        if found is None or self._record.is_off(found):
            return None
        if found.expires_at is not None and found.expires_at <= self._now():
            return None
        return found

    def applied(self, correction: Correction, *, success: bool) -> bool:
        """Take note of an application; return whether it has just switched the correction off."""
        is_last = self._record.note(correction, success=success)
        if is_last:
            _log.warning(
                "Goldseam: correction %s brought fewer answers than the %.0f %% it promises and "
                "is off in this process until it is changed",
                correction.id,
                100 * correction.treatment.expected_success,
            )
        return is_last

    def refresh(self) -> bool:
        """Ask the server once, in this thread; return whether it answered as it should."""
        from goldseam.recovery.playbook_http import ask  # noqa: PLC0415 - TLS takes long to import

        key = os.environ.get(self._config.api_key_env) or None
        try:
            answer = ask(self._config.url, key=key, etag=self._etag)
            if answer.body is not None:
                self._take(read_document(answer.body))
                self._etag = answer.etag
                self._save(answer.body)
        except Exception as fault:  # noqa: BLE001 - the fence: a broken playbook changes nothing
            self._tell(f"Goldseam: the playbook stays as it is: {fault}")
            return False
        return True

    def load(self) -> None:
        """Take the last good document from the file, if one is configured and there."""
        if self._config.file is None or not self.is_empty:
            return
        try:
            self._take(read_document(Path(self._config.file).read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, PlaybookError) as fault:
            self._tell(f"Goldseam: the playbook's file {self._config.file} is not used: {fault}")

    def _run(self, stopped: threading.Event) -> None:
        self.load()
        failures = 0
        while not stopped.is_set():
            failures = 0 if self.refresh() else failures + 1
            stopped.wait(pause_s(self._config.interval_s, failures, self._jitter()))

    def _take(self, document: Document) -> None:
        self._document = document
        for reason in document.refused:
            self._tell(f"Goldseam: a correction of the playbook is left out: {reason}")

    def _save(self, body: bytes) -> None:
        """Keep a good document for the next start; half a file is never seen."""
        if self._config.file is None:
            return
        path = Path(self._config.file)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            unfinished.write_bytes(body)
            unfinished.replace(path)
        except OSError as fault:
            self._tell(f"Goldseam: the playbook cannot be kept in {path}: {fault}")

    def _tell(self, message: str) -> None:
        """Log once per message: a server that is away is asked again and again."""
        if message not in self._told:
            self._told.add(message)
            _log.warning("%s", message)

    def _renew(self) -> None:
        """Poll in a forked process too: threads do not follow."""
        if self._stopped is not None:
            self._stopped = None
            self.start()


class Record:
    """How corrections have done in this process."""

    def __init__(self) -> None:
        self._recent: dict[Correction, deque[bool]] = {}
        self._off: set[Correction] = set()

    def is_off(self, correction: Correction) -> bool:
        """Tell whether a correction, word for word, was switched off."""
        return correction in self._off

    def note(self, correction: Correction, *, success: bool) -> bool:
        """Take note of an application; return whether the correction is off from now on."""
        recent = self._recent.setdefault(correction, deque(maxlen=RECENT))
        recent.append(success)
        if correction in self._off or len(recent) < MIN_APPLICATIONS:
            return False
        if likely_share(sum(recent), len(recent)) >= correction.treatment.expected_success:
            return False
        self._off.add(correction)
        return True


def likely_share(successes: int, of: int) -> float:
    """Return the highest share that `successes` of `of` still speak for (Wilson, 95 %)."""
    share, z2 = successes / of, _Z * _Z
    middle = share + z2 / (2 * of)
    spread = _Z * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return (middle + spread) / (1 + z2 / of)


def pause_s(interval_s: float, failures: int, draw: float) -> float:
    """Return the pause before the next poll: spread by `JITTER`, doubled with each failure."""
    longest_s = max(interval_s, MAX_INTERVAL_S)
    base_s = min(interval_s * 2.0 ** min(failures, 10), longest_s)
    return base_s * (1 - JITTER + 2 * JITTER * draw)
