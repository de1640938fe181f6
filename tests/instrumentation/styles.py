"""Every way in which the SDKs let one call be made, written once for sync and async clients.

A style is a coroutine that makes one call with a client and returns what the caller saw: the
answer, or the list of a stream's chunks or events.
"""

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any, Final

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from tests.instrumentation.conftest import KEY

from goldseam.instrumentation._sdks import SDKS, sdk_of
from goldseam.recovery.testing import ScriptedProvider

Style = Callable[[Any, str, dict[str, Any]], Awaitable[Any]]

PACKAGES: Final = {sdk.client.lower(): sdk for sdk in SDKS}

VOLATILE: Final = frozenset({"goldseam.log.id", "server.port"})
TIMES: Final = frozenset({"gen_ai.response.time_to_first_chunk"})


def needs(name: str) -> pytest.MarkDecorator:
    """Skip where an SDK is not installed."""
    return pytest.mark.skipif(is_missing(name), reason=f"{PACKAGES[name].package} is not installed")


def is_missing(name: str) -> bool:
    """Tell whether an SDK is not installed."""
    try:
        return find_spec(PACKAGES[name].package) is None
    except ModuleNotFoundError:  # of the package around it
        return True


def sdk_params(names: Iterable[str], *rest: tuple[Any, ...]) -> list[Any]:
    """Return parameters with an SDK's name first, skipped where it is not installed."""
    return [
        pytest.param(name, *more, marks=needs(name), id="-".join([name, *map(str, more)]))
        for name in names
        for more in (rest or ((),))
    ]


def make_client(name: str, provider: ScriptedProvider, *, is_async: bool, **options: Any) -> Any:
    """Return a client of an SDK that asks a scripted provider and does not repeat by itself."""
    sdk = PACKAGES[name]
    made = getattr(
        importlib.import_module(sdk.package), f"Async{sdk.client}" if is_async else sdk.client
    )
    base_url = provider.base_url
    if name not in {"openai", "together"}:  # the other SDKs write the version into the path
        base_url = base_url.removesuffix("/v1")
    return made(
        **{"api_key": KEY, "base_url": base_url, "max_retries": 0, **sdk.client_options, **options}
    )


def method(client: Any, path: str) -> Any:
    """Return an SDK method by its dotted path."""
    for part in path.split("."):
        client = getattr(client, part)
    return client


async def settle(value: Any) -> Any:
    """Return a value, awaited where an async client gave it."""
    return await value if hasattr(value, "__await__") else value


async def read(stream: Any) -> list[Any]:
    """Return every chunk of a stream."""
    if hasattr(stream, "__aiter__"):
        return [chunk async for chunk in stream]
    return list(stream)


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """Enter a context manager of either kind."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def create(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`create`."""
    return await settle(method(client, f"{resource}.create")(**asked))


async def parse(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`parse`."""
    return await settle(method(client, f"{resource}.parse")(**asked))


async def beta_create(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`beta.….create`."""
    return await create(client, f"beta.{resource}", asked)


async def beta_parse(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`beta.….parse`."""
    return await parse(client, f"beta.{resource}", asked)


async def with_options(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`with_options(…).….create`."""
    return await create(client.with_options(timeout=30, **_quiet(client)), resource, asked)


async def copied(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`copy().….create`."""
    return await create(client.copy(**_quiet(client)), resource, asked)


def _quiet(client: Any) -> dict[str, Any]:
    return sdk_of(client).client_options


async def raw_response(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`with_raw_response.create`, parsed."""
    response = await settle(method(client, f"{resource}.with_raw_response.create")(**asked))
    return await settle(response.parse())


async def streaming_response(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`with_streaming_response.create`, parsed."""
    manager = method(client, f"{resource}.with_streaming_response.create")(**asked)
    async with entered(manager) as response:
        return await settle(response.parse())


async def streamed(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`create(stream=True)`."""
    return await read(await create(client, resource, {**asked, "stream": True}))


async def beta_streamed(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`beta.….create(stream=True)`."""
    return await streamed(client, f"beta.{resource}", asked)


async def stream_block(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`create(stream=True)` as a context manager."""
    stream = await create(client, resource, {**asked, "stream": True})
    async with entered(stream):
        return await read(stream)


async def helper(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`stream()`, the SDK's own helper around a stream."""
    async with entered(method(client, f"{resource}.stream")(**asked)) as events:
        return await read(events)


async def beta_helper(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`beta.….stream()`."""
    return await helper(client, f"beta.{resource}", asked)


async def raw_streamed(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`with_raw_response.create(stream=True)`, parsed."""
    return await read(await raw_response(client, resource, {**asked, "stream": True}))


async def streaming_response_streamed(client: Any, resource: str, asked: dict[str, Any]) -> Any:
    """`with_streaming_response.create(stream=True)`, parsed and read inside the block."""
    manager = method(client, f"{resource}.with_streaming_response.create")(
        **{**asked, "stream": True}
    )
    async with entered(manager) as response:
        return await read(await settle(response.parse()))


WHOLE: Final[Mapping[str, Style]] = {
    "create": create,
    "with_options": with_options,
    "copy": copied,
    "raw": raw_response,
    "streaming": streaming_response,
}
STREAMED: Final[Mapping[str, Style]] = {
    "stream": streamed,
    "stream-block": stream_block,
    "raw-stream": raw_streamed,
    "streaming-stream": streaming_response_streamed,
}


def exported(span: ReadableSpan) -> list[str]:
    """Return everything of a span but its times and ids, one fact a line, types visible."""
    told = [f"{span.kind.name} {span.name}", f"status {span.status.status_code.name}"]
    if span.status.description:
        told.append(f"status text {span.status.description!r}")
    told += [f"event {event.name} {dict(event.attributes or {})!r}" for event in span.events]
    told += [f"link {link}" for link in span.links]
    for name, value in sorted((span.attributes or {}).items()):
        told.append(f"{name} = {_shown(name, value)}")
    return told


def _shown(name: str, value: Any) -> str:
    if name in VOLATILE:
        return "…"
    if name in TIMES:
        return type(value).__name__
    return f"{value[:8]}…" if name == "goldseam.prompt.sha256" else repr(value)
