"""How the platform treats a failing AI service: each one behind a policy of its own.

    query --> circuit breaker, rate limits, daily budget, retries (koo.ai) --> the vendor

The errors are koo's, the numbers those of `core.config`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from koo.ai import AIService, PriceTable, ServiceConfig, Sessions, connect
from koo.errors import ExternalServiceError
from koo.monitoring import redacted, views
from koo.resilience import SYSTEM_CLOCK, Clock, Listener, Store

from .answers import ServiceHealth
from .config import get_settings
from .events import listener, redact
from .state import store

__all__ = ["AIErrorHandler", "ExternalServiceError", "ai_error_handler"]


class AIErrorHandler:
    """The protected services by their names. They share connections and the price table."""

    def __init__(
        self,
        configs: Iterable[ServiceConfig],
        *,
        on_event: Listener,
        store: Store | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        sessions, prices = Sessions(), PriceTable()
        self._clock = clock
        self.services: Mapping[str, AIService] = {
            config.name: AIService(
                config,
                connect(config, sessions=sessions, clock=clock),
                prices=prices,
                store=store,
                clock=clock,
                on_event=on_event,
            )
            for config in configs
        }

    def get_service_status(self, service: AIService) -> ServiceHealth:
        """The health of *service*. Only looks."""
        report = redacted(service.report(), redact)
        view = views.service_health(report, self._clock.time())
        health: ServiceHealth = views.plain(view)
        return health

    def get_all_services_status(self) -> dict[str, ServiceHealth]:
        """The health of every service by its name. Only looks."""
        return {name: self.get_service_status(one) for name, one in self.services.items()}


ai_error_handler: Final = AIErrorHandler(get_settings().services, on_event=listener, store=store)
