"""Who is measured: names, packages and environments. How each is set up is in `clients`."""

from typing import Final

from instrumentation_cost.subjects import OPENAI_2, Subject

_OFFLINE: Final = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "OPENAI_API_KEY": "test"}
"""Importing LiteLLM reaches for the network otherwise."""

BARE: Final = Subject(name="bare", title="openai SDK alone", environment="base")
GOLDSEAM: Final = Subject(
    name="goldseam", title="**Goldseam**", environment="goldseam", editable=True
)

SUBJECTS: Final[tuple[Subject, ...]] = (
    BARE,
    Subject(
        name="litellm",
        title="LiteLLM Router",
        environment="recovery-litellm",
        packages=("litellm==1.106.2",),
        client=OPENAI_2,
        variables=_OFFLINE,
        is_peer=True,
        note="num_retries=2, one fallback group",
    ),
    Subject(
        name="pydantic-ai",
        title="pydantic-ai FallbackModel",
        environment="recovery-pydantic-ai",
        packages=("pydantic-ai-slim[openai]==2.68.0",),
        variables=_OFFLINE,
        is_peer=True,
        note="the SDK's own two repeats in front of the fallback",
    ),
    GOLDSEAM,
)


def named(name: str) -> Subject:
    """Return a subject by its name.

    Raises:
        ValueError: There is none.
    """
    for subject in SUBJECTS:
        if subject.name == name:
            return subject
    names = ", ".join(each.name for each in SUBJECTS)
    raise ValueError(f"there is no subject {name!r}; choose from {names}")
