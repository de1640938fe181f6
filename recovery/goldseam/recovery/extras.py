"""Settings of what recovery may have besides providers: kept answers and a playbook.

Part of `config`, apart from `cache` and `playbook`, which only applications that use them load.
"""

from dataclasses import dataclass
from typing import Literal

Backend = Literal["memory", "redis"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """What is kept, where and for how long.

    Attributes:
        backend: `memory` of this process, or `redis`, shared by processes.
        ttl_s: An answer younger than this is as good as new.
        stale_if_error_s: How much older an answer may be when it stands in for a failed call.
        answer_first: A repeated request is answered from the cache, if as good as new, and the
            provider is not asked.
        max_bytes: Upper bound of all answers in `memory`; Redis has its own `maxmemory`.
        max_entry_bytes: Larger answers are not kept.
        url_env: Name of the environment variable that holds the address of the Redis server.
    """

    backend: Backend = "memory"
    ttl_s: float = 300.0
    stale_if_error_s: float = 86_400.0
    answer_first: bool = False
    max_bytes: int = 64 * 1024 * 1024
    max_entry_bytes: int = 1024 * 1024
    url_env: str = "GOLDSEAM_REDIS_URL"

    @property
    def keep_s(self) -> float:
        """How long an answer is of any use."""
        return self.ttl_s + self.stale_if_error_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookConfig:
    """Where the playbook comes from.

    Attributes:
        url: Address of the document, for example
            `https://goldseam.example/api/v1/ai/recovery/playbook`.
        api_key_env: Name of the environment variable that holds the bearer key; an unset one
            sends none.
        file: Where the last good document is kept for the next start; None keeps it nowhere.
        interval_s: Seconds between two polls, on average.
    """

    url: str
    api_key_env: str = "GOLDSEAM_API_KEY"
    file: str | None = None
    interval_s: float = 30.0
