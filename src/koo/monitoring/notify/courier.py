"""What decides, writes down, and delivers, without ever making the event loop wait.

    every second: attend --leads?--> standing alerts, of all --decide()--> outbox (in a thread)
    each channel: claim --> send --> settle, or postpone: 1 s, 2 s, 4 s ... 15 min, for a day

Of all processes that share the file one leads and tells; the others say what they see.

    LOST ------------attend()--> LEADS if it came first, else FOLLOWS     the file is had
    LEADS, FOLLOWS ------------> LOST --for an absence--> ALONE           the file can't be had
    ALONE -----------attend()--> LEADS or FOLLOWS                         the file is had again

                tells channels                    tells Alertmanagers
    LOST        nothing, it waits for the file    yes, as nobody knows who leads
    LEADS       the letters of the file           yes
    FOLLOWS     nothing                           no
    ALONE       from memory, of what it sees      yes

Better twice than not at all when the disk is full. Who follows after it was alone still ends
what it told by itself, until who leads has told it as well: nobody else knows of it.

A channel that hangs delays nobody but itself: each has a task of its own. The courier
is a component as well: what cannot be delivered is an alert, on the page and by the
other channels. Who follows delivers nothing, and so is in no trouble but for the file's.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from ...resilience import RANDOM, SYSTEM_CLOCK, Clock, Health, Random, Reading, Report
from ...stores import MemoryArchive, StoreError
from ..alerts import Alert, Now
from ..naming import NOTIFICATIONS
from .channels import Channel
from .mutes import Mutes
from .outbox import Letter, Outbox
from .posting import DeliveryError, failure_of
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
    """What became of letters since the start, and the last error of any.

    *errors_total*: of the outbox, of Alertmanagers, and of what was to be told.
    """

    sent_total: int
    failed_total: int
    buried_total: int
    errors_total: int
    last_error: str | None


class _Place(Enum):
    """Where a courier stands among those that share its file; drawn at the top."""

    LOST = "lost"
    LEADS = "leads"
    FOLLOWS = "follows"
    ALONE = "alone"


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
        self._place = _Place.LOST
        self._lost_since: float | None = None
        self._led_at = float("-inf")
        self._elsewhere: tuple[Alert, ...] = ()
        self._book: Book | None = None
        self._memory: Outbox | None = None
        self._sent = self._failed = self._buried = self._errors = 0
        self._last_error: str | None = None
        self._failing: dict[str, _Trouble] = {}

    def stats(self) -> CourierStats:
        """A photograph."""
        return CourierStats(self._sent, self._failed, self._buried, self._errors, self._last_error)

    def report(self) -> Report:
        """How it is doing. Only looks."""
        now, troubles = self._clock.monotonic(), tuple(self._failing.values())
        failing = max((now - trouble.since for trouble in troubles), default=0.0)
        return Report(
            component=self.name,
            kind=NOTIFICATIONS,
            state=Health.UNHEALTHY if failing >= _TROUBLING else Health.HEALTHY,
            cause=", ".join(trouble.error for trouble in troubles) or None,
            readings=(
                Reading("failing_for", failing),
                Reading("leads", int(self._place in {_Place.LEADS, _Place.ALONE})),
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
                for name, work, every in self._works():
                    group.create_task(self._repeat(name, work, every))
        finally:
            with suppress(StoreError):
                await self._outbox.aside(self._outbox.leave, self._me)

    async def decide(self) -> None:
        """Attend; if this courier leads, write down what is to be told now of what all see."""
        now, here = Now.of(self._clock), tuple(self._standing())
        try:
            await self._decide_together(here, now)
            self._lost_since = None
        except StoreError:
            self._lose(now)
            if self._place is _Place.ALONE:
                await self._decide_alone(here, now)
            raise

    async def deliver(self, channel: Channel) -> None:
        """Send what is due for *channel*, one letter after the other, if that is its to send."""
        if (memory := self._memory) is not None:
            while letter := await self._claim(memory, channel):
                await self._send(memory, channel, letter)
        while self._place is _Place.LEADS and (letter := await self._claim(self._outbox, channel)):
            await self._send(self._outbox, channel, letter)

    def _works(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]], float]]:
        """What is done again and again: its name, the work, and how often."""
        every = self._config.every
        yield _OUTBOX, self.decide, every
        for channel in self._channels.values():
            yield f"{_OUTBOX} of {channel.name}", partial(self.deliver, channel), every
        for retelling in self._retellings:
            yield retelling.name, partial(self._retell, retelling), retelling.every

    @property
    def _me(self) -> str:
        # With the process, because a fork would lead beside its parent under one name.
        return f"{os.getpid()}-{self._token}"

    def _lose(self, now: Now) -> None:
        """The file can't be had; after an absence nobody waits for it any more."""
        if self._lost_since is None:
            self._lost_since = now.monotonic
        is_long = now.monotonic - self._lost_since >= self._config.absence
        self._place = _Place.ALONE if is_long else _Place.LOST

    async def _decide_together(self, here: tuple[Alert, ...], now: Now) -> None:
        outbox, absence = self._outbox, self._config.absence
        attendance = await outbox.aside(outbox.attend, self._me, here, now.wall, absence)
        self._elsewhere = attendance.elsewhere
        standing = together(here, attendance.elsewhere)
        if not (attendance.leads and await self._lead(standing, now)):
            await self._follow(standing, now)
        await self._forget_memory()

    async def _lead(self, standing: Iterable[Alert], now: Now) -> bool:
        """Decide for all; false if another leads by now."""
        told = self._book
        if told is None or now.monotonic - self._led_at >= self._config.absence:
            known = await self._outbox.aside(self._outbox.book, now, self._ends_from(now))
            # What it told by itself, while there was no file, is not all that was told.
            told = known if told is None else known.joined(told)
        book = await self._decided(self._outbox, standing, told, now)
        if book is None:
            return False
        self._book, self._place, self._led_at = book, _Place.LEADS, now.monotonic
        return True

    async def _follow(self, standing: Iterable[Alert], now: Now) -> None:
        """Leave telling to another, but for the ends of what only this one has told."""
        self._place, self._led_at = _Place.FOLLOWS, float("-inf")
        if self._memory is None or self._book is None:
            self._book = None
            return
        known = await self._outbox.aside(self._outbox.book, now, now.monotonic)
        mine = self._book.beyond(known)
        still = [alert for alert in standing if alert.id in mine.told]
        self._book = await self._decided(self._memory, still, mine, now) if mine.told else None

    async def _decide_alone(self, here: Iterable[Alert], now: Now) -> None:
        self._memory, self._elsewhere = self._memory or Outbox(MemoryArchive()), ()
        told = self._book or Book(ends_from=self._ends_from(now))
        self._book = await self._decided(self._memory, here, told, now)

    def _ends_from(self, now: Now) -> float:
        return now.monotonic + self._routing.interval

    async def _decided(
        self, outbox: Outbox, standing: Iterable[Alert], told: Book, now: Now
    ) -> Book | None:
        """What is told by now; None if another leads by now."""
        book, messages = decide(self._routing, standing, self._mutes(), told, now=now)
        if not messages:
            return book
        post = partial(outbox.post, self._channels, messages, book, now, courier=self._me)
        return book if await outbox.aside(post) else None

    async def _forget_memory(self) -> None:
        """Once nothing is left in it; who follows then delivers nothing, and fails at nothing."""
        memory, follows = self._memory, self._place is _Place.FOLLOWS
        if memory is not None and not (follows and self._book is not None):
            stats = await memory.aside(memory.stats)
            self._memory = memory if stats.waiting else None
        if follows and self._memory is None:
            for name in self._failing.keys() - {_OUTBOX}:
                del self._failing[name]

    async def _retell(self, retelling: Retelling) -> None:
        if self._place is not _Place.FOLLOWS:
            await retelling.tell(self._elsewhere)

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

    async def _repeat(self, name: str, work: Callable[[], Awaitable[None]], every: float) -> None:
        while True:
            try:
                await work()
                self._failing.pop(name, None)
            except Exception as error:  # noqa: BLE001 - a full disk or not, telling must go on
                self._errors += 1
                self._note(name, _words(error))
            await self._clock.sleep(every)

    def _note(self, who: str, error: str) -> None:
        self._last_error = f"{who}: {error}"
        known = self._failing.get(who)
        since = self._clock.monotonic() if known is None else known.since
        self._failing[who] = _Trouble(since, self._last_error)


def _words(error: Exception) -> str:
    match error:
        case StoreError():
            return error.cause
        case DeliveryError():
            return str(error)
    return type(error).__name__
