"""`AIService`: ask a model in one line, stored and mended if a database is given.

```python
from goldseam.instrumentation.service import AIService, AITask

response = await AIService.query(
    task=AITask.ANALYSIS, prompt="…", db=session, module="copilot", tenant_id="acme"
)
print(response.error if response.is_error else response.content)
```

Which providers are asked is set, not said: Ollama, then OpenAI with
`GOLDSEAM_ENVIRONMENT=development` (the default), OVHcloud, then OpenAI with `production`, or those
of `GOLDSEAM_CONFIG`. What a provider does wrong comes back as a response; only a wrong use or a
wrong setting raises. The other modules of this package need no database and no SDK; this one needs
the extra `openai`, and with `db=` the extra `server`.
"""

import asyncio
import concurrent.futures
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from goldseam.instrumentation import _service_call
from goldseam.instrumentation._context import CallContext, annotate, context
from goldseam.instrumentation._service_answers import (
    AIResponse,
    Mending,
    with_answer,
    with_data,
    with_kind,
    with_spans,
)
from goldseam.instrumentation._settings import SettingsError
from goldseam.semconv import attributes as names

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from goldseam.collector.exporter import Recorder

__all__ = ["AIResponse", "AIService", "AITask", "CallOptions", "Mending"]

TIMEOUT_S: Final = 60.0
"""Of one request, where neither the call nor the provider's settings say otherwise."""

STORE_WAIT_S: Final = 2.0
"""A row is stored before the response is returned, unless the database takes longer than this."""


class AITask(StrEnum):
    """What a model is asked for."""

    ANALYSIS = "analysis"
    CLASSIFICATION = "classification"


class CallOptions(TypedDict, total=False):
    """Options that all calls share; `AIService.query` describes them."""

    db: object
    module: str | None
    tenant_id: object
    user_id: object
    request_id: object
    enable_recovery: bool
    max_tokens: int | None
    temperature: float | None
    timeout_s: float | None


class AIService:
    """Asks the providers of the settings."""

    @classmethod
    async def query(
        cls,
        *,
        task: AITask | str,
        prompt: str,
        db: object = None,
        module: str | None = None,
        tenant_id: object = None,
        user_id: object = None,
        request_id: object = None,
        enable_recovery: bool = True,
        max_tokens: int | None = None,
        temperature: float | None = None,
        timeout_s: float | None = None,
    ) -> AIResponse:
        """Ask a model.

        Args:
            task: What for; stored with the call.
            prompt: The question.
            db: Where the call is stored: a SQLAlchemy session, connection or engine, synchronous or
                not, or a URL of a PostgreSQL with Goldseam's tables. Rows are written over a
                connection of their own. None stores nothing, unless the process is instrumented.
            module: Part of the application that asks.
            tenant_id: Whose data and costs the call is.
            user_id: Who asked.
            request_id: The application's own correlation id.
            enable_recovery: Whether a failed call is mended if it can be. Needs `db` or an
                instrumented process; with `db` it does not matter what `GOLDSEAM_RECOVERY` says.
            max_tokens: Longest answer.
            temperature: How freely the model answers.
            timeout_s: Time for everything; None takes the provider's, or 60.

        Raises:
            SettingsError: An extra, a key or a model is missing; the message says which.
            TypeError: `db` is no database.
        """
        return await _ask(
            [{"role": "user", "content": prompt}],
            task=task,
            options={
                "db": db,
                "module": module,
                "tenant_id": tenant_id,
                "user_id": user_id,
                "request_id": request_id,
                "enable_recovery": enable_recovery,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "timeout_s": timeout_s,
            },
        )

    @classmethod
    async def classify_document(
        cls, *, document_content: str, expected_types: Sequence[str], **options: Unpack[CallOptions]
    ) -> AIResponse:
        """Ask what a document is; the answer is in `kind` and `confidence`.

        Args:
            document_content: The document's text.
            expected_types: What it may be, for example `invoice` and `order`.
            options: As of `query`.

        Raises:
            SettingsError: As `query`.
            TypeError: As `query`.
        """
        return await _ask(
            [
                {
                    "role": "system",
                    "content": _CLASSIFY.format(types=json.dumps([*expected_types])),
                },
                {"role": "user", "content": document_content},
            ],
            task=AITask.CLASSIFICATION,
            options=options,
            read=lambda response: with_kind(with_data(response), expected_types),
        )

    @classmethod
    async def analyze_incident(
        cls, *, incident_type: str, description: str, **options: Unpack[CallOptions]
    ) -> AIResponse:
        """Ask what is behind an incident; the answer is in `data` and `confidence`.

        Args:
            incident_type: For example `error`.
            description: What was seen.
            options: As of `query`.

        Raises:
            SettingsError: As `query`.
            TypeError: As `query`.
        """
        return await _ask(
            [
                {"role": "system", "content": _ANALYSE},
                {"role": "user", "content": f"Type: {incident_type}\n\n{description}"},
            ],
            task=AITask.ANALYSIS,
            options=options,
            read=with_data,
        )

    @classmethod
    async def aclose(cls) -> None:
        """Close the connections of the running event loop, and those to databases.

        Nothing has to be closed: a later call opens what it needs again.
        """
        await _service_call.aclose()
        exporter = sys.modules.get("goldseam.collector.exporter")
        if exporter is not None:
            await asyncio.to_thread(exporter.close_recorders)


_CLASSIFY: Final = """\
You classify documents. Answer with one JSON object and nothing else:
{{"type": one of {types} or null if none fits, "confidence": a number from 0 to 1, \
"reason": one short sentence}}"""

_ANALYSE: Final = """\
You analyse incidents of a software system. Answer with one JSON object and nothing else:
{"summary": one sentence, "probable_cause": one sentence, \
"severity": "low", "medium", "high" or "critical", "suggested_actions": a list of short sentences, \
"confidence": a number from 0 to 1}"""


async def _ask(
    messages: list[dict[str, str]],
    *,
    task: AITask | str,
    options: CallOptions,
    read: Callable[[AIResponse], AIResponse] = lambda response: response,
) -> AIResponse:
    """Make one call, and store it if a database is given.

    Args:
        messages: What is asked.
        task: What for.
        options: As of `AIService.query`.
        read: Adds to the response what stands in its content.
    """
    db = options.get("db")
    recorder = _recorder(db) if db is not None else None
    openai_error = _openai().OpenAIError
    watching = _service_call.watching(
        is_stored=recorder is not None, enable_recovery=options.get("enable_recovery", True)
    )
    provider, model = _service_call.first_provider(watching.config)
    limits = {key: options.get(key) for key in ("max_tokens", "temperature")}
    started_s = time.perf_counter()
    response = AIResponse(provider=provider.name, model=model, processing_time_ms=0)
    with _who(task, options):
        with _service_call.kept_spans() as spans:
            try:
                completion = await _service_call.ask(
                    watching,
                    provider,
                    model=model,
                    messages=messages,
                    timeout=options.get("timeout_s") or provider.timeout_s or TIMEOUT_S,
                    **{key: value for key, value in limits.items() if value is not None},
                )
            except openai_error as error:
                response = replace(response, is_error=True, error=str(error))
            except BaseException:
                if recorder is not None:
                    recorder.record(spans)
                raise
            else:
                response = with_answer(response, completion)
        elapsed_ms = (time.perf_counter() - started_s) * 1000
        response = read(with_spans(replace(response, processing_time_ms=elapsed_ms), spans))
        if response.confidence is not None:  # a stored row has it from the response
            annotate(confidence=response.confidence)
    if recorder is not None:
        await _store(recorder, spans, response)
    return response


def _who(task: AITask | str, options: CallOptions) -> CallContext:
    return context(
        tenant_id=options.get("tenant_id"),
        module=options.get("module"),
        user_id=options.get("user_id"),
        request_id=options.get("request_id"),
        task=str(task),
    )


async def _store(recorder: "Recorder", spans: "list[ReadableSpan]", response: AIResponse) -> None:
    """Store a call, and wait for it unless the database is away."""
    confidence = response.confidence
    further = {} if confidence is None else {names.CONFIDENCE_SCORE: confidence}
    done = recorder.record(spans, further)
    if done is not None and not recorder.is_away:
        await asyncio.to_thread(concurrent.futures.wait, [done], STORE_WAIT_S)


def _openai() -> Any:
    try:
        import openai  # noqa: PLC0415 - an extra; the application may not have it
    except ImportError as error:
        raise SettingsError(
            "AIService asks through the openai SDK, which is missing. Install it: "
            "pip install 'goldseam[openai]'"
        ) from error
    return openai


def _recorder(db: object) -> "Recorder":
    """Return what stores calls in `db`.

    The only place where the application side reaches for the server side: with a database, an
    application is its own collector.
    """
    try:
        from goldseam.collector.exporter import recorder_of  # noqa: PLC0415 - an extra, as above
    except ImportError as error:
        raise SettingsError(
            f"db= stores calls with the collector's own parts, and {error.name} is missing. "
            "Install it: pip install 'goldseam[server]'"
        ) from error
    return recorder_of(db)
