"""Answers are kept under exact keys, for a time, within a bound, in memory or in a real Redis."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from goldseam.recovery.cache import (
    REST_AFTER_FAULT_S,
    AnswerCache,
    CachedAnswer,
    CacheError,
    cache_key,
    open_cache,
)
from goldseam.recovery.cache_memory import ENTRY_OVERHEAD_BYTES, MemoryStore
from goldseam.recovery.cache_redis import PREFIX, RedisStore, open_redis
from goldseam.recovery.extras import CacheConfig

CONFIG = CacheConfig(ttl_s=10, stale_if_error_s=100)
ASKED: dict[str, Any] = {
    "tenant_id": "acme",
    "provider": "openai",
    "base_url": "https://api.openai.com/v1",
    "operation": "chat /chat/completions",
    "account": ("key",),
    "request": {"model": "m", "messages": [{"role": "user", "content": "?"}], "temperature": 0},
}


@dataclass
class Clock:
    """A clock that the test sets."""

    now_s: float = 1_000.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now_s


@dataclass(frozen=True)
class Server:
    """A Redis server of the tests."""

    url: str
    process: "subprocess.Popen[bytes]"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a real Redis server on a Unix socket."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server here; install it (Debian: apt-get install redis-server)")
    pytest.importorskip("redis", reason="the package redis is not installed here")
    folder = tmp_path_factory.mktemp("r")
    path = folder / "s"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([binary, *options], stdout=subprocess.PIPE)
    assert process.stdout is not None
    while b"ready to accept" not in (line := process.stdout.readline()):
        assert line, "redis-server ended"
    yield Server(f"unix://{path}", process)
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def redis_store(redis_server: Server) -> Iterator[RedisStore]:
    """Give an empty store in the server."""
    store = open_redis(redis_server.url)
    store._client.flushall()
    yield store
    store.close()


@pytest.fixture(params=["memory", "redis"])
def cache(request: pytest.FixtureRequest) -> tuple[AnswerCache, Clock, Callable[[], None]]:
    """Give a cache on each back end, its clock, and a wait for what is being written."""
    clock = Clock()
    if request.param == "memory":
        return AnswerCache(CONFIG, MemoryStore(max_bytes=10_000), now=clock), clock, lambda: None
    store = request.getfixturevalue("redis_store")
    return AnswerCache(CONFIG, store, now=clock), clock, store.flush


Cache = tuple[AnswerCache, Clock, Callable[[], None]]


def test_answer_ages_from_fresh_to_stale_to_gone(cache: Cache) -> None:
    """An answer is as good as new for `ttl_s`, stale for `stale_if_error_s`, and then no more."""
    kept, clock, written = cache
    kept.keep("k", b'{"a": 1}')
    written()

    found = []
    for age_s in (0, 10, 11, 110, 111):
        clock.now_s = 1_000.0 + age_s
        found.append(kept.find("k"))

    assert found == [
        CachedAnswer(b'{"a": 1}', 0.0, is_stale=False),
        CachedAnswer(b'{"a": 1}', 10.0, is_stale=False),
        CachedAnswer(b'{"a": 1}', 11.0, is_stale=True),
        CachedAnswer(b'{"a": 1}', 110.0, is_stale=True),
        None,
    ]


def test_unknown_key_finds_nothing(cache: Cache) -> None:
    """What was never kept is not there."""
    kept, _clock, written = cache
    kept.keep("k", b"{}")
    written()

    assert kept.find("other") is None


def test_later_answer_replaces_the_earlier(cache: Cache) -> None:
    """The newest answer to a request counts."""
    kept, clock, written = cache
    kept.keep("k", b'"old"')
    clock.now_s += 5
    kept.keep("k", b'"new"')
    written()

    assert kept.find("k") == CachedAnswer(b'"new"', 0.0, is_stale=False)


def test_large_answer_is_not_kept(cache: Cache) -> None:
    """One answer cannot take the cache for itself."""
    kept, _clock, written = cache
    kept.keep("k", b"x" * (CONFIG.max_entry_bytes + 1))
    written()

    assert kept.find("k") is None


def test_memory_lets_go_of_the_least_recently_used() -> None:
    """The bound holds in bytes, overhead included, and reading counts as use."""
    store = MemoryStore(max_bytes=2 * (100 + ENTRY_OVERHEAD_BYTES))
    for key in ("a", "b"):
        store.put(key, b"x" * 100, keep_s=9)
    store.get("a")

    store.put("c", b"x" * 100, keep_s=9)

    assert [key for key in "abc" if store.get(key)] == ["a", "c"]
    assert store.size_bytes == 2 * (100 + ENTRY_OVERHEAD_BYTES)


def test_memory_forgets_what_expired() -> None:
    """An entry past its time takes no room once it is asked for."""
    clock = Clock()
    store = MemoryStore(max_bytes=10_000, clock=clock)
    store.put("k", b"x", keep_s=5)
    clock.now_s += 5

    assert (store.get("k"), store.size_bytes) == (None, 0)


@given(
    some.lists(
        some.tuples(some.sampled_from("abcd"), some.binary(max_size=900), some.booleans()),
        max_size=40,
    )
)
def test_memory_counts_its_bytes(steps: list[tuple[str, bytes, bool]]) -> None:
    """After any puts and gets the count is exact and within the bound."""
    store = MemoryStore(max_bytes=2_000)

    for key, entry, is_read in steps:
        if is_read:
            store.get(key)
        else:
            store.put(key, entry, keep_s=9)

    held = [entry for _expires_s, entry in store._entries.values()]
    assert store.size_bytes == sum(map(len, held)) + ENTRY_OVERHEAD_BYTES * len(held) <= 2_000


def test_redis_forgets_by_itself(redis_store: RedisStore) -> None:
    """An entry carries its time of expiry into the server."""
    redis_store.put("k", b"x", keep_s=100)
    redis_store.flush()

    assert 99_000 < redis_store._client.pttl(PREFIX + "k") <= 100_000


def test_redis_entry_of_another_version_is_none(redis_store: RedisStore) -> None:
    """What another program or version wrote there is not read."""
    redis_store._client.set(PREFIX + "k", b"something else entirely")

    assert AnswerCache(CONFIG, redis_store).find("k") is None


def test_writer_starts_in_a_forked_process(redis_store: RedisStore) -> None:
    """A fork after the first entry writes its own."""
    redis_store.put("parent", b"x", keep_s=9)
    redis_store.flush()

    if (child := os.fork()) == 0:
        redis_store.put("child", b"y", keep_s=9)
        redis_store.flush()
        os._exit(0)
    os.waitpid(child, 0)

    assert redis_store.get("child") == b"y"


def test_absent_redis_changes_nothing_and_then_rests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that is away finds nothing, says so once, and is left alone for a while."""
    pytest.importorskip("redis")
    clock = Clock()
    store = open_redis(f"unix://{tmp_path}/none")
    kept = AnswerCache(CONFIG, store, now=clock)

    assert [kept.find("k"), kept.find("k")] == [None, None]
    kept.keep("k", b"{}")
    assert store._waiting.empty()
    assert len(caplog.records) == 1

    clock.now_s += REST_AFTER_FAULT_S
    assert kept.find("k") is None
    kept.close()


def test_frozen_redis_costs_at_most_its_time_out(redis_server: Server) -> None:
    """A server that hangs ends in a fault of ours; nobody waits for ever."""
    store = open_redis(redis_server.url)
    os.kill(redis_server.process.pid, signal.SIGSTOP)
    try:
        asking = threading.Thread(target=AnswerCache(CONFIG, store).find, args=("k",), daemon=True)
        asking.start()
        asking.join(5)
        assert not asking.is_alive()
    finally:
        os.kill(redis_server.process.pid, signal.SIGCONT)
        store.close()


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": "other"},
        {"provider": "azure"},
        {"base_url": "https://eu.api.openai.com/v1"},
        {"operation": "chat /other"},
        {"account": ("another key",)},
        {"request": {**ASKED["request"], "temperature": 0.1}},
        {"request": {**ASKED["request"], "tools": []}},
        {"request": {**ASKED["request"], "messages": [{"role": "user", "content": "!"}]}},
    ],
    ids=["tenant", "provider", "address", "operation", "account", "temperature", "tools", "text"],
)
def test_key_is_exact(change: dict[str, Any]) -> None:
    """Whatever differs gives another key; the same gives the same."""
    assert cache_key(**ASKED) == cache_key(**ASKED)
    assert cache_key(**{**ASKED, **change}) != cache_key(**ASKED)


def test_key_cannot_be_shifted_between_its_parts() -> None:
    """A tenant's name that ends like a provider's does not meet another tenant's key."""
    first = cache_key(**{**ASKED, "tenant_id": 'a","b', "provider": "c"})
    second = cache_key(**{**ASKED, "tenant_id": "a", "provider": 'b","c'})

    assert first != second


def test_request_that_is_no_json_has_no_key() -> None:
    """Uploads and other objects are not cached."""
    assert cache_key(**{**ASKED, "request": {"file": object()}}) is None


def test_redis_needs_its_address() -> None:
    """The message names the variable to set."""
    with pytest.raises(CacheError, match="GOLDSEAM_REDIS_URL is not set"):
        open_cache(CacheConfig(backend="redis"), {})


def test_redis_address_is_checked() -> None:
    """The message says how an address begins, and does not repeat it: it may hold a password."""
    pytest.importorskip("redis")
    with pytest.raises(CacheError, match="must begin with redis://") as raised:
        open_cache(CacheConfig(backend="redis"), {"GOLDSEAM_REDIS_URL": "http://:marker@host"})

    assert "marker" not in str(raised.value)


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the message says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(CacheError, match=r"goldseam\[redis\]"):
        open_cache(CacheConfig(backend="redis"), {"GOLDSEAM_REDIS_URL": "redis://127.0.0.1"})


def test_memory_needs_nothing() -> None:
    """The default back end is ready at once."""
    kept = open_cache(CacheConfig(), {})
    kept.keep("k", b"{}")

    assert kept.find("k") is not None
    kept.close()
    assert kept.find("k") is None
