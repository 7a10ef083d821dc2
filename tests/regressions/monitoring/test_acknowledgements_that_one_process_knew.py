"""Of two processes with one outage the second reminded of what somebody had seen at the first."""

import pytest

from koo.monitoring import Alert, AlertState, Now, Severity
from koo.monitoring.notify import (
    Acknowledgement,
    Book,
    MuteBook,
    RoutingConfig,
    Silence,
    decide,
)
from koo.monitoring.notify.routing import together
from koo.monitoring.views import Standing, alert_list
from koo.stores import Archive
from koo.testing import FakeClock


def standing(since):
    return Alert(
        id="database:circuit-open", severity=Severity.CRITICAL, component="database", title="T",
        message="m", cause=None, state=AlertState.FIRING, since=since, runbook="r",
    )  # fmt: skip


@pytest.fixture
def books(tmp_path):
    """Those of two processes that share a file; nobody of them is told of anything."""
    archive, clock = Archive(tmp_path / "state.db"), FakeClock()
    return [MuteBook(archive, clock=clock) for _ in range(2)]


async def seen_at_the_first(books, at):
    first, second = books
    await first.acknowledge(Acknowledgement(id="database:circuit-open", at=at, actor="ann"))
    await second.open()
    return second.mutes()


@pytest.mark.parametrize("since", [97.0, 100.0, 103.0, 110.0])
async def test_what_was_seen_at_one_process_is_seen_at_all(books, since):
    mutes = await seen_at_the_first(books, at=110.0)
    [view] = alert_list(Standing((standing(since),), (), mutes), 120.0).alerts
    assert view.acknowledged_by == "ann"


async def test_what_begins_after_it_has_been_seen_by_nobody(books):
    mutes = await seen_at_the_first(books, at=110.0)
    [view] = alert_list(Standing((standing(110.5),), (), mutes), 120.0).alerts
    assert view.acknowledged_by is None


async def test_nobody_is_reminded_of_it_by_the_process_that_tells(books):
    mutes = await seen_at_the_first(books, at=110.0)
    config, book, sent = RoutingConfig(wait=0, interval=10, repeat=60), Book(), 0
    fires = together([standing(103.0)], [standing(97.0)])
    for second in range(600):
        now = Now(float(second), 120.0 + second)
        book, messages = decide(config, fires, mutes, book, now=now)
        sent += len(messages)
    assert sent == 1


async def test_a_silence_is_lifted_where_nobody_has_heard_of_it_yet(books):
    first, second = books
    await second.open()
    clock = FakeClock()
    silence = Silence(
        id="s1", starts=clock.time(), ends=clock.time() + 60, actor="ann", reason="moving"
    )
    await first.silence(silence)
    assert await second.lift("s1") == silence
    assert second.mutes().silences == ()
