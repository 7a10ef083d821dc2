"""How many connections to open now: what the line costs against what a connection costs.

    somebody waits --dials fail?--> one, and only after the back-off
                     +-in doubt---> one, to see whether the server is there
                     +-none lent--> for everybody, up to what is kept
                     +-the line is young, or will be served before a connection would be there,
                     | or that it will not is seen for a moment only--> one
                     +-else--> for everybody

The line is served in (waiting x hold) / lent seconds, where hold is what a
connection was held for lately, or, if they are held longer now, the mean age of
the loans. A pool that dials for everybody who waits a millisecond makes fifty
connections for a burst that five would have served before the first was there.
What the loans before it took says little of a burst, so it is watched for a moment.
Where the loop itself stood still, all have waited and held for as long, which is no news of
the server: what is heard in the next moment decides.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Growth"]

_WEIGHT: Final = 0.1
_CONNECT_WEIGHT: Final = 0.3
_UNKNOWN: Final = 0.05
_CONNECTS_OF_YOUTH: Final = 8
_FIRST_BACKOFF: Final = 0.05
_LONGEST_BACKOFF: Final = 0.4
_LEAST_PATIENCE: Final = 0.2
_CONNECTS_PER_PING: Final = 2.0
_ANSWERS_PER_PING: Final = 8.0


class Growth:
    """What connecting and holding cost lately (seconds), and how dialing has gone.

    A failed dial *is_known* once a caller has heard of it. *believed_from* is when a line that has
    looked too dear, at each look since, is taken for it.
    """

    __slots__ = (
        "believed_from",
        "connect_time",
        "failures",
        "hold_time",
        "is_in_doubt",
        "is_known",
        "kept",
        "resumes",
    )

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.connect_time = _UNKNOWN
        self.hold_time = 0.0
        self.failures = 0
        self.is_in_doubt = True
        self.is_known = False
        self.believed_from = float("inf")
        self.resumes = float("-inf")

    # -- what is learnt -------------------------------------------------------------

    def held(self, seconds: float) -> None:
        """A connection came back after *seconds*."""
        self.hold_time += (seconds - self.hold_time) * _WEIGHT

    def connected(self, seconds: float) -> None:
        """A dial succeeded in *seconds*."""
        known = self.connect_time != _UNKNOWN
        weight = _CONNECT_WEIGHT if known else 1.0
        self.connect_time += (seconds - self.connect_time) * weight
        self.is_in_doubt = False
        self.forgive()

    def failed(self, now: float) -> None:
        """A dial failed. Those that were under way together count once."""
        if now >= self.resumes:
            self.resumes = now + self.backoff
            self.failures += 1

    def told(self) -> None:
        """A caller has heard that dials fail."""
        self.is_known = self.failures > 0

    def forgive(self) -> None:
        """The server is there: dial again at once."""
        self.failures = 0
        self.is_known = False
        self.resumes = float("-inf")

    # -- what follows from it -------------------------------------------------------

    @property
    def youth(self) -> float:
        """For how long a line is young, and what it costs is not believed, in seconds."""
        return self.connect_time / _CONNECTS_OF_YOUTH

    def patience(self, quickest: float) -> float:
        """How long a connection may take to answer a ping whose *quickest* answer took so long.

        As long as a few connects, which are several round trips; but a connect that waited for
        a name, or for a machine that was just starting, says nothing of the way.
        """
        usual = min(_CONNECTS_PER_PING * self.connect_time, _ANSWERS_PER_PING * quickest)
        return max(usual, _LEAST_PATIENCE)

    @property
    def backoff(self) -> float:
        """How long nobody dials after the next failure."""
        return min(_FIRST_BACKOFF * 2.0 ** min(self.failures, 10), _LONGEST_BACKOFF)

    def blocked_for(self, now: float) -> float:
        """How long nobody may dial: 0 if somebody may now."""
        return max(0.0, self.resumes - now)

    def dials(
        self,
        now: float,
        *,
        unserved: int,
        waiting: int,
        waited: float,
        dialing: int,
        lent: int,
        age: float,
        room: int,
    ) -> int:
        """How many connections to open now; each call is a look, which the next remembers.

        *unserved* are those in line (*waiting* in all, the first for *waited*
        seconds) for whom nothing is under way; *age* is the mean age of the *lent*;
        *room* is how many more may be.
        """
        if not unserved or not room:
            return 0
        one = 0 if dialing else 1
        if self.failures or self.is_in_doubt:
            return one
        if not lent:
            return max(one, min(unserved, room, self.kept - dialing))
        if waited < self.youth or waiting * max(self.hold_time, age) / lent <= self.connect_time:
            self.believed_from = float("inf")
            return one
        self.believed_from = min(self.believed_from, now + self.youth)
        return one if now < self.believed_from else min(unserved, room)
