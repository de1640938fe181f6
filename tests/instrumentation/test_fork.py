"""Processes that are forked after Goldseam was switched on: each goes on by itself."""

import os
import subprocess
import sys

import openai
import pytest
from tests.instrumentation.conftest import mending

from goldseam.instrumentation import _clients
from goldseam.recovery.testing import ScriptedProvider

PROGRAM = """
import multiprocessing, os, sys, threading
import openai
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from goldseam.instrumentation import instrument

exporter = InMemorySpanExporter()
tracer_provider = TracerProvider(shutdown_on_exit=False)
tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
instrument(tracer_provider=tracer_provider, recovery="on")

def call():
    with openai.OpenAI(api_key="key", base_url=sys.argv[1]) as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])

def child():
    exporter.clear()
    call()
    stream_count = len(exporter.get_finished_spans())
    os._exit(0 if stream_count == 1 else 1)

call()
if sys.argv[2] == "fork":
    pids = []
    for _ in range(4):
        pid = os.fork()
        if not pid:
            child()
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
elif sys.argv[2] == "multiprocessing":
    processes = [multiprocessing.get_context("fork").Process(target=child) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    codes = [process.exitcode for process in processes]
else:  # workers are forked while a thread of the parent makes calls
    stop = threading.Event()
    def go_on():
        while not stop.is_set():
            call()
    thread = threading.Thread(target=go_on)
    thread.start()
    codes = []
    for _ in range(6):
        pid = os.fork()
        if not pid:
            child()
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    stop.set()
    thread.join()
call()
print(codes)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("manner", ["fork", "multiprocessing", "busy parent"])
def test_children_go_on(manner: str, provider: ScriptedProvider) -> None:
    """Each child makes its call with one span of its own, and none waits for ever."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, provider.base_url, manner],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    codes = done.stdout.strip()
    assert set(codes.strip("[]").split(", ")) == {"0"}, codes


def test_child_does_not_write_into_its_parents_connections(
    provider: ScriptedProvider, backup: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clients that calls fall back to are made anew in another process."""
    config = mending(provider, backup)
    clients = _clients.Clients()
    with openai.OpenAI(api_key="key", base_url=provider.base_url) as asking:
        first = clients.sync_client(config.providers["backup"], asking)
        assert clients.sync_client(config.providers["backup"], asking) is first
        monkeypatch.setattr(os, "getpid", lambda: -1)
        second = clients.sync_client(config.providers["backup"], asking)

    assert second is not first
    first.close()
    second.close()
