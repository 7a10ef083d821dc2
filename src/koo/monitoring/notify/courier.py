"""What decides, writes down, and delivers, without ever making the event loop wait.

    every second: attend --leads?--> standing alerts, of all --decide()--> outbox (in a thread)
    each channel: claim --> send --> settle, or postpone: 1 s, 2 s, 4 s ... 15 min, for a day

Of all processes that share the file one leads and tells; the others say what they see. While
the file can't be had, nobody knows who leads, and Alertmanagers are told by each. If that lasts
for as long as an absence, each tells all channels what it sees, from memory: better twice than
not at all when the disk is full.

A channel that hangs delays nobody but itself: each has a task of its own. The courier
is a component as well: what cannot be delivered is an alert, on the page and by the
other channels.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from ...resilience import RANDOM, SYSTEM_CLOCK, Clock, Health, Random, Reading, Report
from ...stores import MemoryArchive, StoreError
from ..alerts import Alert, Now
from ..naming import NOTIFICATIONS
from .channels import Channel
from .mutes import Mutes
from .outbox import Letter, Outbox
from .posting import failure_of
from .retelling import Retelling
from .routing import Book, RoutingConfig, decide, together

__all__ = ["Courier", "CourierConfig", "CourierStats"]

_FIRST_PAUSE: Final = 1.0
_TROUBLING: Final = 60.0
_OUTBOX: Final = "outbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierConfig:
    """How deliveries are tried, in seconds.

    *every*: between two looks. *timeout*: for one attempt. *lease*: after which
    an attempt that nobody settled is made again; longer than the timeout.
    *longest_pause*: between two attempts. *give_up*: after which a letter is dead.
    *absence*: after which a courier that shows no sign of life leads no more.
    """

    every: float = 1.0
    timeout: float = 10.0
    lease: float = 30.0
    longest_pause: float = 900.0
    give_up: float = 86_400.0
    absence: float = 10.0

    def __post_init__(self) -> None:
        for name in ("every", "timeout", "lease", "longest_pause", "give_up", "absence"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"CourierConfig: {name} must be a number of seconds above 0")
        if self.lease <= self.timeout:
            raise ValueError("CourierConfig: lease must be longer than timeout")
        if self.absence <= self.every:
            raise ValueError("CourierConfig: absence must be longer than every")


@dataclass(frozen=True, slots=True)
class CourierStats:
    """What became of attempts since the start, and the last error of any."""

    sent_total: int
    failed_total: int
    buried_total: int
    outbox_errors_total: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What has failed since which monotonic second, and how it did last."""

    since: float
    error: str


class Courier:
    """Tells *channels* of what *standing* gives, through *outbox*, and runs *retellings*.

    A Component: how telling goes is a report, and an alert where it does not go.
    """

    name = NOTIFICATIONS

    def __init__(
        self,
        standing: Callable[[], Iterable[Alert]],
        outbox: Outbox,
        channels: Iterable[Channel],
        *,
        retellings: Iterable[Retelling] = (),
        routing: RoutingConfig | None = None,
        config: CourierConfig | None = None,
        mutes: Callable[[], Mutes] = Mutes,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = RANDOM,
    ) -> None:
        self._standing = standing
        self._outbox = outbox
        self._channels = {channel.name: channel for channel in channels}
        self._retellings = tuple(retellings)
        self._routing = routing or RoutingConfig()
        self._config = config or CourierConfig()
        self._mutes = mutes
        self._clock = clock
        self._random = random
        self._token = secrets.token_hex(6)
        self._leads = self._follows = False
        self._elsewhere: tuple[Alert, ...] = ()
        self._book: Book | None = None
        self._in_memory: Outbox | None = None
        self._sent = self._failed = self._buried = self._outbox_errors = 0
        self._last_error: str | None = None
        self._failing: dict[str, _Trouble] = {}

    def stats(self) -> CourierStats:
        """A photograph."""
        return CourierStats(
            self._sent, self._failed, self._buried, self._outbox_errors, self._last_error
        )

    def report(self) -> Report:
        """How it is doing. Only looks."""
        now = self._clock.monotonic()
        troubles = self._troubles()
        failing = max((now - trouble.since for trouble in troubles), default=0.0)
        return Report(
            component=self.name,
            kind=NOTIFICATIONS,
            state=Health.UNHEALTHY if failing >= _TROUBLING else Health.HEALTHY,
            cause=", ".join(trouble.error for trouble in troubles) or None,
            readings=(
                Reading("failing_for", failing),
                Reading("leads", int(self._book is not None)),
                Reading("sent_total", self._sent),
                Reading("failed_total", self._failed),
                Reading("buried_total", self._buried),
            ),
        )

    async def check(self) -> Report:
        """The same as :meth:`report`: nobody is written to in order to see whether it works."""
        return self.report()

    def half_open(self) -> None:
        """Nothing: it has no circuit."""

    def reset(self) -> None:
        """Forget what failed; what waits is tried when it is due."""
        self._failing.clear()
        self._last_error = None

    async def run(self) -> None:
        """Decide and deliver until cancelled; then let another lead."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._repeat(_OUTBOX, self.decide))
                for channel in self._channels.values():
                    deliver = partial(self.deliver, channel)
                    group.create_task(self._repeat(f"{_OUTBOX} of {channel.name}", deliver))
                for retelling in self._retellings:
                    group.create_task(self._retell(retelling))
        finally:
            with suppress(StoreError):
                await self._outbox.aside(self._outbox.leave, self._me)

    async def decide(self) -> None:
        """Attend; if this courier leads, write down what is to be told now of what all see."""
        now, here = Now.of(self._clock), tuple(self._standing())
        try:
            await self._decide(self._outbox, here, now)
        except StoreError:
            self._follows = False
            if self._is_cut_off(now):
                self._in_memory = self._in_memory or Outbox(MemoryArchive())
                await self._decide(self._in_memory, here, now)
            raise
        self._leads = self._book is not None
        if not self._leads:
            self._in_memory = None

    async def deliver(self, channel: Channel) -> None:
        """Send what is due for *channel*, one letter after the other, if this courier leads."""
        for outbox in filter(None, (self._in_memory, self._outbox)):
            while self._book is not None and (letter := await self._claim(outbox, channel)):
                await self._send(outbox, channel, letter)

    @property
    def _me(self) -> str:
        # With the process, because a fork would lead beside its parent under one name.
        return f"{os.getpid()}-{self._token}"

    def _is_cut_off(self, now: Now) -> bool:
        """Whether the file could not be had for so long that nobody waits for it any more."""
        trouble = self._failing.get(_OUTBOX)
        return trouble is not None and now.monotonic - trouble.since >= self._config.absence

    async def _decide(self, outbox: Outbox, here: tuple[Alert, ...], now: Now) -> None:
        absence = self._config.absence
        attendance = await outbox.aside(outbox.attend, self._me, here, now.wall, absence)
        self._follows, self._elsewhere = not attendance.leads, attendance.elsewhere
        self._book = await self._decided(outbox, here, now) if attendance.leads else None

    async def _decided(self, outbox: Outbox, here: Iterable[Alert], now: Now) -> Book | None:
        """What is told by now; None if another leads by now."""
        told = self._book
        if told is None or (outbox is self._outbox and not self._leads):
            ends_from = now.monotonic + self._routing.interval
            known = await outbox.aside(outbox.book, now, ends_from)
            # What it told by itself, while there was no file, is not all that was told.
            told = known if told is None else known.joined(told)
        standing = together(here, self._elsewhere)
        book, messages = decide(self._routing, standing, self._mutes(), told, now=now)
        if not messages:
            return book
        post = partial(outbox.post, self._channels, messages, book, now, courier=self._me)
        return book if await outbox.aside(post) else None

    async def _retell(self, retelling: Retelling) -> None:
        while True:
            if not self._follows:
                await retelling.tell(self._elsewhere)
            await self._clock.sleep(retelling.every)

    async def _claim(self, outbox: Outbox, channel: Channel) -> Letter | None:
        config, now = self._config, self._clock.time()
        claim = partial(outbox.claim, longest_pause=config.longest_pause)
        return await outbox.aside(claim, channel.name, now, config.lease)

    async def _send(self, outbox: Outbox, channel: Channel, letter: Letter) -> None:
        if self._clock.time() - letter.posted >= self._config.give_up:
            self._buried += 1
            await outbox.aside(outbox.bury, letter, f"{channel.name}: it was not told in time")
            return
        error = await failure_of(channel.send(letter.message), self._config.timeout)
        if error is None:
            self._sent += 1
            self._failing.pop(channel.name, None)
            await outbox.aside(outbox.settle, letter)
        else:
            self._failed += 1
            self._note(channel.name, error)
            await self._try_later(outbox, letter, f"{channel.name}: {error}")

    async def _try_later(self, outbox: Outbox, letter: Letter, error: str) -> None:
        longest = min(self._config.longest_pause, _FIRST_PAUSE * 2 ** min(letter.attempt - 1, 30))
        due = self._clock.time() + longest * (1 + self._random()) / 2
        await outbox.aside(outbox.postpone, letter, due, error)

    async def _repeat(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                self._failing.pop(name, None)
            except Exception as error:  # noqa: BLE001 - a full disk or not, telling must go on
                self._outbox_errors += 1
                self._note(name, _words(error))
            await self._clock.sleep(self._config.every)

    def _note(self, who: str, error: str) -> None:
        self._last_error = f"{who}: {error}"
        known = self._failing.get(who)
        since = self._clock.monotonic() if known is None else known.since
        self._failing[who] = _Trouble(since, self._last_error)

    def _troubles(self) -> tuple[_Trouble, ...]:
        told = (
            _Trouble(one.failing_since, f"{one.name}: {one.last_error}")
            for one in self._retellings
            if one.failing_since is not None
        )
        return *self._failing.values(), *told


def _words(error: Exception) -> str:
    return error.cause if isinstance(error, StoreError) else type(error).__name__
