"""Many AI services behind one door, and the checks that look after them.

query("claude", ...)  --> the service of that name, or the first of several that will do
                          --> text or ExternalServiceError; ask() tells more of it
stream("claude", ...) --> the first of several that begins --> text, text, ...
start() --> per configured service: check, sleep the interval, check ...  --> close()
"""

from __future__ import annotations

from asyncio import Task, gather, get_running_loop
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ..errors import ExternalServiceError
from ..resilience import RANDOM, SYSTEM_CLOCK, Clock, Listener, Random, Store, detached, ignore
from .answering import Response, Worth, ask_in_turn, is_worth_another
from .asking import Prompt
from .config import ServiceConfig
from .pricing import PriceTable
from .providers import Sessions, connect
from .questions import complaint, put_to_each
from .sdk import Estimate, SDKCall
from .service import AIService
from .streaming import AIStream, Telling, Times, relay

__all__ = ["AIManager"]

#: Checks of several services are spread over this share of the interval.
_SPREAD: Final = 0.1
_LONGEST_NAME: Final = 40
#: Every limit as the first service's settings say.
_AS_SET: Final = Times()


class AIManager:
    """Asks services by their names and checks them in the background."""

    def __init__(
        self,
        services: Iterable[AIService],
        *,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = RANDOM,
    ) -> None:
        by_name = {service.config.name: service for service in services}
        self.services: Mapping[str, AIService] = MappingProxyType(by_name)
        self._clock = clock
        self._random = random
        self._checkers: list[Task[None]] = []

    @classmethod
    def from_configs(
        cls,
        configs: Iterable[ServiceConfig],
        *,
        store: Store | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = RANDOM,
        on_event: Listener = ignore,
    ) -> AIManager:
        """A manager of the services in *configs*, over HTTP.

        They share one session per event loop and one price table; nothing is opened or read
        before the first query. *store* remembers limits and money; None: this process does.
        """
        sessions, prices = Sessions(), PriceTable()
        services = (
            AIService(
                config,
                connect(config, sessions=sessions, clock=clock),
                prices=prices,
                store=store,
                clock=clock,
                random=random,
                on_event=on_event,
            )
            for config in configs
        )
        return cls(services, clock=clock, random=random)

    async def query(
        self,
        service: str,
        prompt: str | Prompt,
        *,
        fallback: Sequence[str] = (),
        fallback_on: Worth = is_worth_another,
        timeout: float | None = None,
    ) -> str:
        """The text of :meth:`ask`."""
        response = await self.ask(
            service, prompt, fallback=fallback, fallback_on=fallback_on, timeout=timeout
        )
        return response.text

    async def ask(
        self,
        service: str,
        prompt: str | Prompt,
        *,
        fallback: Sequence[str] = (),
        fallback_on: Worth = is_worth_another,
        timeout: float | None = None,
    ) -> Response:
        """What *service* answers to *prompt*: text, usage, cost, who it was, after what.

        After an error or an answer that *fallback_on* finds worth it, the services named in
        *fallback* are asked in turn, each for its own model, with an equal share of the time
        that is left, and from its own budget. If none will do, the last answer counts. Every
        failure, an unknown service too, is an :class:`~koo.errors.ExternalServiceError`.
        """
        parts = put_to_each(prompt, [self.find(name) for name in (service, *fallback)])
        first, question = parts[0]
        if len(parts) == 1 or complaint(question, timeout):
            return await first.answer(question, timeout)
        total = first.config.timeout if timeout is None else timeout
        return await ask_in_turn(parts, fallback_on, total=total, clock=self._clock)

    def stream(
        self,
        service: str,
        prompt: str | Prompt,
        *,
        fallback: Sequence[str] = (),
        fallback_on: Worth = is_worth_another,
        times: Times = _AS_SET,
    ) -> AIStream:
        """The text that *service* answers to *prompt*, as it comes.

        If it fails before its first text, with an error that *fallback_on* finds worth it,
        the services named in *fallback* are asked in turn, each for its own model; after it,
        the failure is raised. Every failure is an
        :class:`~koo.errors.ExternalServiceError`, and its ``partial`` is what had come.
        """
        parts = put_to_each(prompt, [self.find(name) for name in (service, *fallback)])
        first, question = parts[0]
        telling = Telling(service, question.model)
        if len(parts) == 1 or complaint(question, *times):
            return AIStream(telling, first.tell(telling, question, times))
        total = first.config.timeout if times.timeout is None else times.timeout
        times = times._replace(timeout=total)
        relayed = relay(telling, parts, times, worth=fallback_on, clock=self._clock)
        return AIStream(telling, relayed)

    def permit(self, service: str, estimate: Estimate, *, timeout: float | None = None) -> SDKCall:
        """Leave for one request to *service* that another client makes; see `AIService.permit`."""
        return self.find(service).permit(estimate, timeout=timeout)

    def find(self, service: str) -> AIService:
        """The service called *service*; ExternalServiceError naming the known ones otherwise."""
        found = self._known(service)
        if found is None:
            known = ", ".join(sorted(self.services)) or "none"
            raise ExternalServiceError(_shown(service), f"no such service; known are: {known}")
        return found

    def reset_service_errors(self, service: str) -> bool:
        """Reset the service; False if there is none of that name."""
        found = self._known(service)
        if found is None:
            return False
        found.reset()
        return True

    def start(self) -> None:
        """Check the configured services in the background of the running loop, until closed."""
        ours, others = self._checkers_here()
        if any(not task.done() for task in ours):
            return
        checkers = (
            detached(self._keep_checking(service), name=f"{service.name} checks")
            for service in self.services.values()
            if service.config.is_configured
        )
        self._checkers = [*others, *checkers]

    async def close(self) -> None:
        """End the checks and let go of the connections of the running loop."""
        tasks, self._checkers = self._checkers_here()
        for task in tasks:
            task.cancel()
        await gather(*tasks, return_exceptions=True)
        for service in self.services.values():
            await service.close()

    def _known(self, name: object) -> AIService | None:
        return self.services.get(name) if isinstance(name, str) else None

    def _checkers_here(self) -> tuple[list[Task[None]], list[Task[None]]]:
        """The checks of the running loop, and those of others that still turn."""
        loop = get_running_loop()
        ours = [task for task in self._checkers if task.get_loop() is loop]
        others = [task for task in self._checkers if task.get_loop() is not loop]
        return ours, [task for task in others if not task.get_loop().is_closed()]

    async def _keep_checking(self, service: AIService) -> None:
        interval = service.config.check_interval
        while True:
            await service.check_unless_busy()
            await self._clock.sleep(interval * (1 + _SPREAD * self._random()))


def _shown(name: object) -> str:
    """A name that callers made up, short and harmless enough for a message."""
    if isinstance(name, str) and name.isidentifier() and len(name) <= _LONGEST_NAME:
        return name
    return "ai"
