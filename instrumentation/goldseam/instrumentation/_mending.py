"""What recovery has for the calls of a process: configuration, clients, and what is known by now.

`_sdk` loads this where recovery is on or observing, so that an application without it does not
carry it, and asks it for the call that a request becomes.
"""

import dataclasses
import time

from goldseam.instrumentation._aids import Aids
from goldseam.instrumentation._call import Call
from goldseam.instrumentation._clients import Clients
from goldseam.instrumentation._formats import Body
from goldseam.instrumentation._invocation import Invocation
from goldseam.instrumentation._mended_call import MendedCall
from goldseam.instrumentation._request import SentRequest
from goldseam.instrumentation._routes import Routes
from goldseam.recovery import RecoveryConfig, Vitals


class Mending:
    """What the calls of one `instrument()` are mended with.

    Args:
        config: How far recovery goes.
        vitals: How the providers do; None starts with healthy ones.
        aids: Kept answers and the playbook.
    """

    def __init__(self, config: RecoveryConfig, *, vitals: Vitals | None, aids: Aids) -> None:
        self.aids = aids
        self.clients = Clients()
        self.vitals = vitals or Vitals(config.providers)
        self._routes = Routes(_with_cache(config, aids))

    def call(self, invocation: Invocation, request: SentRequest, body: Body) -> Call:
        """Return a call that goes as far as the configuration allows for it."""
        if invocation.format.may_repeat(body):
            config = self._routes.of(invocation.format.api, invocation.shared_attributes)
            if config.mode != "off":
                return MendedCall(invocation, request, _fitting(config, invocation), self)
        return Call(invocation, request)

    def budgets(self) -> dict[str, float]:
        """Return the extra attempts that each provider's retry budget still allows."""
        return self.vitals.budgets(time.perf_counter())

    def close(self) -> None:
        """Let go of connections."""
        self.clients.close()
        self.aids.close()


def _with_cache(config: RecoveryConfig, aids: Aids) -> RecoveryConfig:
    """Return the configuration with the cache as its last resort."""
    if aids.cache is None:
        return config
    from goldseam.recovery.cached import CacheStrategy  # noqa: PLC0415 - only with a cache

    return dataclasses.replace(config, strategies=(*config.strategies, CacheStrategy(aids.cache)))


def _fitting(config: RecoveryConfig, invocation: Invocation) -> RecoveryConfig:
    """Return the configuration without providers whose answers could not stand in."""
    any_model_will_do = invocation.format.any_model_will_do and not config.policy.same_model_only
    if any_model_will_do:
        return config
    same = tuple(
        provider.name
        for provider in config.fallback_providers
        if provider.target_for(invocation.model).model == invocation.model
    )
    return dataclasses.replace(config, policy=dataclasses.replace(config.policy, fallback=same))
