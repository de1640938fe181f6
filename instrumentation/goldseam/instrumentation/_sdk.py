"""The one place where SDK calls pass: the `request` method of the SDK's base clients.

`_patch` puts a `ChokePoint` there. Every method of the SDK comes through, sync or async,
parsed, raw or streamed, whatever the client's copies and options are. A call that is no AI call,
or that comes while instrumentation is suppressed, passes untouched; any other becomes a `Call`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current

from goldseam.instrumentation._aids import Aids
from goldseam.instrumentation._call import Call
from goldseam.instrumentation._endpoint import Endpoints
from goldseam.instrumentation._formats import Body, format_of, other_of
from goldseam.instrumentation._guard import fenced
from goldseam.instrumentation._invocation import Invocation
from goldseam.instrumentation._others import is_told_by_others
from goldseam.instrumentation._request import SentRequest, options_of
from goldseam.instrumentation._sdks import OWN_CLIENT
from goldseam.instrumentation._settings import Settings
from goldseam.instrumentation._streams import end_collected
from goldseam.instrumentation._suppressed import is_suppressed
from goldseam.instrumentation._telemetry import Telemetry

if TYPE_CHECKING:
    from goldseam.instrumentation._mending import Mending
    from goldseam.recovery import Vitals

_Wrapped = Callable[..., Any]
_Args = tuple[Any, ...]
_Kwargs = Mapping[str, Any]


class ChokePoint:
    """Watches the requests of SDK clients; one per `instrument()`.

    Args:
        telemetry: Where calls are written to.
        settings: Providers and recovery.
        vitals: How the providers do; None starts with healthy ones.
        aids: Kept answers and the playbook; None has neither.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        settings: Settings,
        *,
        vitals: "Vitals | None" = None,
        aids: Aids | None = None,
    ) -> None:
        self.is_active = True
        self._telemetry = telemetry
        self._mending = _mending(settings, vitals, aids)
        self._endpoints = Endpoints(settings.providers)

    def request(self, wrapped: _Wrapped, client: Any, args: _Args, kwargs: _Kwargs) -> Any:
        """Stand in for `SyncAPIClient.request`."""
        call = self._begin(wrapped, client, args, kwargs)
        return wrapped(*args, **kwargs) if call is None else call.send()

    async def async_request(
        self, wrapped: _Wrapped, client: Any, args: _Args, kwargs: _Kwargs
    ) -> Any:
        """Stand in for `AsyncAPIClient.request`."""
        call = self._begin(wrapped, client, args, kwargs)
        return await (wrapped(*args, **kwargs) if call is None else call.asend())

    def budgets(self) -> dict[str, float]:
        """Return the extra attempts that each provider's retry budget still allows."""
        return self._mending.budgets() if self._mending is not None and self.is_active else {}

    @fenced
    def close(self) -> None:
        """Watch nothing any more and let go of connections."""
        self.is_active = False
        end_collected()
        if self._mending is not None:
            self._mending.close()

    async def aclose(self) -> None:
        """Close the connections that recovery opened in the event loop that runs."""
        if self._mending is not None:
            await self._mending.clients.aclose()

    @fenced
    def _begin(self, wrapped: _Wrapped, client: Any, args: _Args, kwargs: _Kwargs) -> "Call | None":
        """Start watching a call, or return None for one that is none of our business."""
        end_collected()
        options = options_of(args, kwargs)
        body = options.json_data
        format_ = format_of(options.method, options.url) if isinstance(body, dict) else None
        if format_ is None:
            format_ = other_of(options.method, options.url)
            body = body if isinstance(body, dict) else {}
        if format_ is None or not self._watches(client):
            return None
        if options.extra_json:
            body = {**body, **options.extra_json}
        request = SentRequest(wrapped, client, args, kwargs)
        endpoint = self._endpoints.of(client)
        invocation = Invocation(
            self._telemetry, format_, endpoint, body, secrets=request.private_texts
        )
        try:
            return self._call(invocation, request, body)
        except Exception:
            invocation.stop_with(None)
            raise

    def _call(self, invocation: Invocation, request: SentRequest, body: Body) -> Call:
        if self._mending is None:
            return Call(invocation, request)
        return self._mending.call(invocation, request, body)

    def _watches(self, client: Any) -> bool:
        """Tell whether a call is ours to watch; one that is told by others only to mend it."""
        context = get_current()
        return (
            self.is_active
            and not is_suppressed(context)
            and not hasattr(client, OWN_CLIENT)
            and (self._mending is not None or not is_told_by_others(context))
        )


def _mending(settings: Settings, vitals: "Vitals | None", aids: Aids | None) -> "Mending | None":
    """Return what mends calls; None, and nothing of it is loaded, where recovery is off."""
    config = settings.recovery
    if config is None or not config.is_ever_on:
        return None
    from goldseam.instrumentation._mending import Mending  # noqa: PLC0415 - see above

    return Mending(config, vitals=vitals, aids=aids or Aids())
