"""{10 faults} x {10 phases} x {3 endings} x {2 doors} on each driver, and what may come of each.

A third of them ask for nothing in particular, a third for an isolation level, and a third only
read. With asyncmy nothing is said to begin a transaction; what is asked of it is said before, by
statements of their own, where with the others it travels with BEGIN, and is taken back afterwards.
Nor does asyncmy ask for the rows of a stream: they come by themselves, with the first answer.
Besides, each fault meets the ROLLBACK of a call whose time ends between two statements.
"""

import random
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product

from koo.testing import LinkFault, Phase

DRIVERS = ("asyncpg", "psycopg", "asyncmy")

AT_ONCE = {LinkFault.RESET, LinkFault.END, LinkFault.REFUSE}
"""Of these the client is told; all others are silence."""
PASSING = {LinkFault.STALL, LinkFault.BLACK_HOLE, LinkFault.DRIP}
"""After these everything flows on, and nothing is lost."""
DEAF = {LinkFault.HALF_OPEN, LinkFault.SILENCE}
"""What met these was lost, and the connection is reset when they end."""
EVERYBODY = {LinkFault.BLACK_HOLE, LinkFault.SILENCE, LinkFault.REFUSE}
"""These befall new connections too."""
NEWS = {LinkFault.RESET, LinkFault.END, LinkFault.REFUSE, LinkFault.DRIP}
NEWS |= {LinkFault.DROP_REQUEST, LinkFault.DROP_REPLY}
"""Through these the server hears at once that its client has gone, and leaves no backend behind.

Of the others it hears when they are healed: only then can it be asked for what was left behind.
"""
COMMITTING = {Phase.COMMIT_REQUEST, Phase.COMMIT_REPLY}


class Asked(Enum):
    """What a call asks of its transaction."""

    NOTHING = "nothing in particular"
    LEVEL = "another isolation level"
    READONLY = "to be read-only"


class Ending(Enum):
    """How a call that met a fault ends."""

    FINISH = "the fault passes before the deadline"
    TIMEOUT = "the fault outlasts the deadline"
    CANCEL = "the caller gives up"


class Result(Enum):
    """What the caller got."""

    DONE = "what the function returned"
    MINE = "the function's own error"
    LOST = "an error: the connection broke, or the server can't be reached"
    LATE = "an error: no answer in time"
    UNKNOWN = "CommitOutcomeUnknown"
    CANCELLED = "its own cancellation"


@dataclass(frozen=True)
class Case:
    number: int
    driver: str
    fault: LinkFault
    phase: Phase
    ending: Ending
    is_transact: bool
    takes_back: bool = False
    """Whether it meets the SET after its transaction, and not the one before."""
    is_elsewhere: bool = False
    """Whether its time ends between two statements, before the ROLLBACK that meets the fault."""

    @property
    def asked(self):
        """Another one for each neighbour, whatever they differ by; something, to be said by SET."""
        asked = list(Asked)[(self.number + self.number // 6) % 3]
        is_to_be_said = self.phase is Phase.SET and asked is Asked.NOTHING
        return Asked.LEVEL if is_to_be_said or self.takes_back else asked

    @property
    def options(self):
        """What the call is given."""
        match self.asked:
            case Asked.LEVEL if self.driver == "asyncmy":
                return {"isolation_level": "READ COMMITTED"}
            case Asked.LEVEL:
                return {"isolation_level": "REPEATABLE READ"}
            case Asked.READONLY:
                return {"readonly": True}
        return {}

    @property
    def is_committing(self):
        """Whether it meets a COMMIT that matters."""
        return self.phase in COMMITTING and self.asked is not Asked.READONLY

    def __str__(self):
        door = "transact" if self.is_transact else "scope"
        call = f"{self.driver}, {door}, {self.asked.name}"
        moment = f"the last {self.phase.name}" if self.takes_back else self.phase.name
        moment = f"a deadline before {moment}" if self.is_elsewhere else moment
        return f"{self.fault.name} at {moment}, {self.ending.name}, {call}"

    def expected(self):
        """The results that are right."""
        if self.is_elsewhere:
            return {Result.CANCELLED if self.ending is Ending.CANCEL else Result.LATE}
        if self.phase is Phase.CLOSE or self.takes_back:
            return {Result.DONE} | ({Result.CANCELLED} if self.ending is Ending.CANCEL else set())
        if self.is_committing and self.is_transact:
            return self._found_out()
        told = self._told() if self.fault in AT_ONCE else set()
        if self.ending is Ending.CANCEL:
            return told | {Result.CANCELLED} | self._done_before_the_cancellation()
        if self.phase is Phase.ROLLBACK:
            return {Result.MINE} if self._passes_in_time() else {Result.MINE, Result.LATE}
        return told or self._silenced()

    def _found_out(self):
        """What a lost COMMIT has done is found out, if there is anybody to ask and the time."""
        known = {Result.DONE} if self.phase is Phase.COMMIT_REPLY else {Result.LOST}
        told = known if self.fault in AT_ONCE - EVERYBODY else set()
        if self.ending is Ending.CANCEL:
            return told | {Result.CANCELLED}
        if self.ending is Ending.FINISH and self.fault in PASSING:
            return {Result.DONE}
        if self.ending is Ending.FINISH and self.fault in AT_ONCE | DEAF:
            return known
        return told or {Result.UNKNOWN}

    def _passes_in_time(self):
        return self.ending is Ending.FINISH and self.fault in PASSING | DEAF | AT_ONCE

    def _told(self):
        if self.phase is Phase.ROLLBACK:
            return {Result.MINE}
        if self.is_committing:
            return {Result.UNKNOWN}
        if self.phase is Phase.PING and self.fault not in EVERYBODY:
            return {Result.DONE}
        return {Result.LOST}

    def _silenced(self):
        if self.ending is Ending.FINISH and self.fault in PASSING:
            return {Result.DONE}
        if self.is_committing:
            return {Result.UNKNOWN}
        if self.phase is Phase.PING and self.fault not in EVERYBODY:
            return {Result.DONE}
        if self.ending is Ending.FINISH and self.fault in DEAF:
            return {Result.DONE} if self.phase is Phase.PING else {Result.LOST}
        return {Result.LATE}

    def _done_before_the_cancellation(self):
        """A ping that stays unanswered is given up and replaced, perhaps sooner than the caller."""
        return {Result.DONE} if self.phase is Phase.PING else set()


def all_cases(driver):
    unsaid = {Phase.BEGIN, Phase.FETCH} if driver == "asyncmy" else {Phase.SET}
    phases = [phase for phase in Phase if phase not in unsaid]
    drawn = product(LinkFault, phases, Ending, (True, False))
    cases = [Case(number, driver, *parts) for number, parts in enumerate(drawn)]
    said = [case for case in cases if case.phase is Phase.SET]
    cases += [replace(case, takes_back=True) for case in said]
    cases += [replace(case, is_elsewhere=True) for case in cases if _can_be_elsewhere(case)]
    return [replace(case, number=number) for number, case in enumerate(cases)]


def _can_be_elsewhere(case):
    """A scope has no time of its own, only its statements have."""
    is_cut = case.ending is Ending.CANCEL or (case.ending is Ending.TIMEOUT and case.is_transact)
    return case.phase is Phase.ROLLBACK and is_cut


def chosen(driver, scale, seed):
    """All cases, or a seeded share of them."""
    cases = all_cases(driver)
    return random.Random(seed).sample(cases, round(len(cases) * scale))
