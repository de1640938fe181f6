"""Which recovery applies to a call: by API, tenant and module, worked out once for each of them.

`_sdk` asks for every call. Without rules for tenants or modules the API alone decides.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from opentelemetry.util.types import AttributeValue

from goldseam.recovery import RecoveryConfig
from goldseam.semconv import attributes as names

MAX_KNOWN: Final = 1000
"""An application with more tenants than this has them worked out anew from time to time."""

_Key: TypeAlias = tuple[str, str | None, str | None]


class Routes:
    """The configurations that follow from one."""

    def __init__(self, config: RecoveryConfig) -> None:
        self._config = config
        self._known: dict[_Key, RecoveryConfig] = {}

    def of(self, api: str, caller: Mapping[str, AttributeValue]) -> RecoveryConfig:
        """Return what applies to a call.

        Args:
            api: The API that its request is written in; other providers speak another.
            caller: The attributes that name tenant and module.
        """
        key: _Key = (api, None, None)
        if self._config.rules:
            key = api, _text(caller.get(names.TENANT_ID)), _text(caller.get(names.MODULE))
        return self._known.get(key) or self._worked_out(key)

    def _worked_out(self, key: _Key) -> RecoveryConfig:
        api, tenant, module = key
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        found = self._known[key] = self._config.of(tenant, module).speaking(api)
        return found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
