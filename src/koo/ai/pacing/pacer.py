"""The gate that stays within the vendor's own limits, as far as they are known.

    ask --> [the windows its answers told of] --> [the rate its refusals taught] --> Permit
                  not enough left: RateLimited, which may wait in line
    settled: what was spent, what the headers tell, whether it was refused for being too many

So a 429 comes before it is known what is left, after somebody else took it, or not at all.
A window is one key's. With several keys a call gets the one that has room first, or, of those
that have room, the one whose last turn is longest ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, TypeAlias

from ...errors import RateLimited, Rejected
from ...resilience import (
    SYSTEM_CLOCK,
    Ask,
    Clock,
    Failure,
    LimitReached,
    LinedGate,
    Listener,
    Outcome,
    PaceChanged,
    Permit,
    RetryClass,
    RollingCount,
    Success,
    ignore,
    tell,
)
from ...values import quickly_made
from .models import Model, PacedPermit, minus
from .rate import Additive, Ramp
from .told import UNTOLD, PacedAsk, Told, Urge, amounts
from .window import LearnedWindowStats

__all__ = ["Keys", "Pacer", "PacerStats", "one_key"]

#: The places of the keys with which a model may be asked; None: there is only one.
Keys: TypeAlias = Callable[[str], Sequence[int | None]]

#: A minute in seconds: what passed in it is the rate of late.
_MINUTE: Final = 60.0
#: After an idle time, so many seconds' worth of a rate may go at once.
_BURST: Final = 1.0
#: An overload is worth a ramp if it is not the only one of the minute, and of so many calls.
_STRAY: Final = 1
_OVERLOADED_SHARE: Final = 0.1
#: Names come from callers and from headers, so there is a most of them.
_MOST_MODELS: Final = 100
_ONLY: Final = (None,)


@quickly_made
@dataclass(frozen=True, slots=True)
class PacerStats:
    """A photograph of a pacer: the *windows* told, and the calls *per_minute* (None: untaught)."""

    name: str
    windows: tuple[LearnedWindowStats, ...]
    per_minute: float | None
    cause: str | None
    waiting: int
    rejected_total: int
    double_settled_total: int


def one_key(_: str) -> Sequence[int | None]:
    """The only key there is, whatever the model."""
    return _ONLY


class Pacer(LinedGate):
    """A gate that lets in what the vendor's limits leave, in order of arrival.

    It knows them from the :class:`Told` of outcomes, for each model apart, and from refusals.
    """

    __slots__ = (
        "_additive",
        "_due_at",
        "_held_until",
        "_keys",
        "_models",
        "_number",
        "_on_event",
        "_overloads",
        "_pace_cause",
        "_ramp",
        "_seen",
        "_since",
    )

    def __init__(
        self,
        name: str,
        *,
        keys: Keys = one_key,
        clock: Clock = SYSTEM_CLOCK,
        on_event: Listener = ignore,
    ) -> None:
        super().__init__(name, clock)
        self._keys = keys
        self._on_event = on_event
        self._number = 0
        self._seen = RollingCount(_MINUTE)
        self._since: float | None = None
        self.forget()

    def forget(self) -> None:
        """Know nothing of the vendor's limits, as at the beginning."""
        self._models: dict[tuple[str, int | None], Model] = {}
        self._additive, self._ramp = Additive(), Ramp()
        self._overloads = RollingCount(_MINUTE)
        self._due_at = 0.0
        self._held_until = 0.0
        self._pace_cause: str | None = None
        self.serve()

    def admit(self, ask: Ask) -> Permit | Rejected:
        """Let *ask* in if the vendor will, as far as is known; else say when."""
        now = self._monotonic()
        permit = PacedPermit(self, ask, now, self._number + 1).of(self._model(ask, now))
        if self.must_line_up or self._fits_at(permit, now) > now:
            return self._refuse(permit, now)
        self._let_in(permit, now)
        return permit

    def settled(self, permit: Permit, outcome: Outcome) -> None:
        """Learn from how the call ended."""
        if not isinstance(permit, PacedPermit):
            return
        model, told = permit.model, _told_to(permit, outcome)
        model.landed(permit)
        for window in told.windows:
            model.hear(window, told.at, permit)
        if outcome.spent is not None and not told.windows and model.windows:
            model.take_back(permit, minus(permit.counted, amounts(outcome.spent)))
        now = self._monotonic()
        match outcome:
            case Success():
                self._additive.succeeded(permit.generation, permit.interval, now)
            case Failure():
                self._heed(permit, outcome, told, now)
        self.serve()

    def cancelled(self, permit: Permit) -> None:
        """Give everything back."""
        if isinstance(permit, PacedPermit):
            permit.model.landed(permit)
            permit.model.take_back(permit, permit.counted)
            self._seen.take_back(permit.stamp, 1)
            self._due_at -= permit.interval
        self.serve()

    def stats(self) -> PacerStats:
        """A photograph."""
        now = self._monotonic()
        rate = self._rate(now)
        return PacerStats(
            name=self.name,
            windows=tuple(self._window_stats(now)),
            per_minute=None if rate == inf else rate * _MINUTE,
            cause=None if rate == inf else self._pace_cause,
            waiting=self.waiting,
            rejected_total=self._rejected_total,
            double_settled_total=self.double_settled_total,
        )

    # -- letting in ----------------------------------------------------------------------------

    def _model(self, ask: Ask, now: float) -> Model:
        """The model that is asked, with the key that has room first."""
        name = ask.model if isinstance(ask, PacedAsk) else ""
        keys = self._keys(name)
        if len(keys) == 1:
            return self._models.get((name, keys[0])) or self._known(name, keys[0])
        counted, models = amounts(ask), [self._known(name, key) for key in keys or _ONLY]
        return min(models, key=lambda model: (model.fits_at(counted, now), model.turn))

    def _known(self, name: str, key: int | None) -> Model:
        model = self._models.get((name, key))
        if model is None:
            model = Model(name, key)
            if len(self._models) < _MOST_MODELS:
                self._models[name, key] = model
        return model

    def _fits_at(self, permit: PacedPermit, now: float, times: int = 1) -> float:
        """The moment when the call fits, or so many like it."""
        due = now
        if (rate := self._rate(now)) < inf:
            due = max(due, self._due_at + (times - 1) / rate)
        permit.model.lapse(now, permit.generation)
        return max(due, permit.model.fits_at(permit.counted, now, times))

    def _let_in(self, permit: PacedPermit, now: float) -> None:
        self._number += 1
        permit.model.let_in(permit, now)
        self._seen.add(now)
        if self._since is None:
            self._since = now
        if (rate := self._rate(now)) < inf:
            permit.interval = max(1 / rate, self._additive.hold)
            self._due_at = max(self._due_at, now - _BURST) + permit.interval
        elif self._pace_cause is not None:
            self._pace_cause = None
            tell(self._on_event, PaceChanged(self.name, None, "nothing was refused lately"))

    def _refuse(self, permit: PacedPermit, now: float) -> Rejected:
        self._rejected_total += 1
        due = self._fits_at(permit, now)
        refusal = RateLimited(self.name, due - now, self._why(permit, now, due))
        if self.must_line_up:
            # Who joins the line may be served by then; who comes again must find it empty.
            refusal.soonest = refusal.retry_after
            refusal.retry_after = self._fits_at(permit, now, 1 + self.waiting) - now
        return self._may_wait(refusal)

    def _why(self, permit: PacedPermit, now: float, due: float) -> str | None:
        for window in permit.model.windows.values():
            if window.wanted(permit.counted[window.place]) > window.free(now):
                words = window.stats("", None, now).words
                self._hold(words, now, due - now)
                return words
        return self._pace_cause or f"{self.waiting} calls are waiting"

    def _hold(self, words: str, now: float, seconds: float) -> None:
        """Tell of a limit that is reached, once as long as it holds calls back."""
        is_news = now >= self._held_until
        self._held_until = now + max(seconds, _MINUTE)
        if is_news:
            tell(self._on_event, LimitReached(self.name, words, seconds))

    # -- learning ------------------------------------------------------------------------------

    def _heed(self, permit: PacedPermit, failure: Failure, told: Told, now: float) -> None:
        """Slow down, if the refusal asks for it."""
        match told.urge:
            case Urge.GROW_SLOWLY:
                self._begin_ramp(permit, told.urge, now)
            case Urge.EASE:
                self._overloads.add(now)
                if self._is_overloaded(now):
                    self._begin_ramp(permit, told.urge, now)
            case Urge.NONE if failure.retry_class is RetryClass.THROTTLED:
                if not permit.model.explain(told.windows, permit):
                    self._cut(permit, failure, now)

    def _begin_ramp(self, permit: PacedPermit, urge: Urge, now: float) -> None:
        number = permit.generation
        if self._ramp.begin(urge, self._lately(now), self._number, number=number, now=now):
            self._pace(urge.value, now)

    def _cut(self, permit: PacedPermit, failure: Failure, now: float) -> None:
        lately, number, wait = self._lately(now), permit.generation, failure.retry_after
        if self._additive.cut(lately, newest=self._number, number=number, wait=wait, now=now):
            if wait is None:
                interval = max(1 / self._rate(now), self._additive.hold)
                self._due_at = max(self._due_at, now + interval)
            self._pace("it refuses calls without a limit that explains it", now)

    def _pace(self, cause: str, now: float) -> None:
        rate = self._rate(now)
        self._pace_cause = f"{rate * _MINUTE:.1f} calls per minute, because {cause}"
        tell(self._on_event, PaceChanged(self.name, rate * _MINUTE, cause))

    def _lately(self, now: float) -> float:
        """Calls a second in the last minute, or since the first of them."""
        span = min(_MINUTE, max(1.0, now - (self._since or 0.0)))
        return self._seen.total(now) / span

    def _is_overloaded(self, now: float) -> bool:
        overloads = self._overloads.total(now)
        return overloads > _STRAY and overloads >= _OVERLOADED_SHARE * self._seen.total(now)

    def _rate(self, now: float) -> float:
        if self._additive.rate is None and now >= self._ramp.ends_at:
            return inf
        return min(self._additive.at(now), self._ramp.at(now))

    def _window_stats(self, now: float) -> Iterator[LearnedWindowStats]:
        for model in self._models.values():
            for window in model.windows.values():
                yield window.stats(model.name, model.key, now)


def _told_to(permit: PacedPermit, outcome: Outcome) -> Told:
    """What the answer tells; of the windows only those that let the call in."""
    told = outcome.advice if isinstance(outcome.advice, Told) else UNTOLD
    return told if told.key == permit.model.key else Told(at=told.at, urge=told.urge)
