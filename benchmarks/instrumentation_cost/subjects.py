"""What is compared: the bare client, a hand-written floor, Goldseam and its public peers.

Only names, packages and environments stand here, because the orchestrating process imports this
without any of the packages. How a subject is switched on is in `activation`, which runs inside
the subject's own virtual environment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

OPENAI_3: Final = "openai==3.54.0"
OPENAI_2: Final = "openai==2.54.0"
OTEL_SDK: Final = "opentelemetry-sdk==1.45.2"
OLDER_OTEL_SDK: Final = "opentelemetry-sdk==1.45.1"
"""The newest that OpenLIT can be installed with."""

_NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One way of watching the calls of an application.

    Attributes:
        name: What the command line and `activation` call it.
        title: What tables call it.
        environment: Name of its virtual environment, without the `.venv-` in front.
        packages: What it is installed from, beside the client and the OpenTelemetry SDK.
        client: The release of the client that it is measured with.
        sdk: The release of the OpenTelemetry SDK.
        editable: Whether the repository itself is installed.
        variables: Environment variables while it runs.
        is_peer: Whether it is somebody else's library.
        note: What a reader of its figures must know.
    """

    name: str
    title: str
    environment: str
    packages: Sequence[str] = ()
    client: str = OPENAI_3
    sdk: str = OTEL_SDK
    editable: bool = False
    variables: Mapping[str, str] = field(default_factory=lambda: _NO_VARIABLES)
    is_peer: bool = False
    note: str = ""


BARE: Final = Subject(name="bare", title="bare client", environment="base")
FLOOR: Final = Subject(name="floor", title="floor", environment="base")
GOLDSEAM: Final = Subject(
    name="goldseam",
    title="**Goldseam**",
    environment="goldseam",
    editable=True,
    note="content off; prompt hash on",
)

SUBJECTS: Final[tuple[Subject, ...]] = (
    FLOOR,
    Subject(
        name="floor-same",
        title="floor with Goldseam's attributes",
        environment="base",
        note="hand-written, constant values",
    ),
    GOLDSEAM,
    Subject(
        name="goldseam-recovery",
        title="Goldseam, recovery on",
        environment="goldseam",
        editable=True,
        note="content off; prompt hash on",
    ),
    Subject(
        name="goldseam-nohash",
        title="Goldseam, hashing off",
        environment="goldseam",
        editable=True,
        note="content off",
    ),
    Subject(
        name="goldseam-content",
        title="Goldseam, content on",
        environment="goldseam",
        editable=True,
        note="content on spans",
    ),
    Subject(
        name="genai-openai",
        title="opentelemetry-instrumentation-genai-openai",
        environment="genai-openai",
        packages=("opentelemetry-instrumentation-genai-openai==1.3b0",),
        is_peer=True,
        note="content off",
    ),
    Subject(
        name="genai-openai-content",
        title="the same, content on (SPAN_ONLY)",
        environment="genai-openai",
        packages=("opentelemetry-instrumentation-genai-openai==1.3b0",),
        variables={
            "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        },
        is_peer=True,
        note="content on",
    ),
    Subject(
        name="openai-v2",
        title="opentelemetry-instrumentation-openai-v2",
        environment="openai-v2",
        packages=(
            "opentelemetry-instrumentation-openai-v2==2.4b0",
            "opentelemetry-util-genai==0.4b0",
            "httpx==0.28.1",
        ),
        is_peer=True,
        note="content off; runs only with httpx added and util-genai pinned to 0.4b0",
    ),
    Subject(
        name="openllmetry",
        title="OpenLLMetry",
        environment="openllmetry",
        packages=("opentelemetry-instrumentation-openai==0.62.4",),
        variables={"TRACELOOP_TELEMETRY": "false"},
        is_peer=True,
        note="content on",
    ),
    Subject(
        name="openinference",
        title="OpenInference",
        environment="openinference",
        packages=("openinference-instrumentation-openai==0.1.66",),
        is_peer=True,
        note="content on; no metrics",
    ),
    Subject(
        name="openlit",
        title="OpenLIT (openai 2.54)",
        environment="openlit",
        packages=("openlit==1.45.0",),
        client=OPENAI_2,
        sdk=OLDER_OTEL_SDK,
        variables={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        is_peer=True,
        note="content on",
    ),
    Subject(
        name="logfire",
        title="Logfire",
        environment="logfire",
        packages=("logfire==5.2.0",),
        variables={"LOGFIRE_SEND_TO_LOGFIRE": "false"},
        is_peer=True,
        note="content on; no metrics",
    ),
    Subject(
        name="langfuse",
        title="Langfuse",
        environment="langfuse",
        packages=("langfuse==5.0.4",),
        variables={"LANGFUSE_TRACING_ENABLED": "true"},
        is_peer=True,
        note="content on; no metrics",
    ),
)


def named(name: str) -> Subject:
    """Return the subject of that name.

    Raises:
        ValueError: There is none; the message lists those there are.
    """
    found = {subject.name: subject for subject in (BARE, *SUBJECTS)}
    if name not in found:
        raise ValueError(f"no subject {name!r}; there are {', '.join(found)}")
    return found[name]
