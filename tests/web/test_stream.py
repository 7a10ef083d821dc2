"""The stream shows what the page shows, and ends when it is told to."""

import asyncio
import json
import signal
import threading

import pytest

from koo.testing import FakeClock, run, running_clock
from koo.web import Lifecycle, Phase, Problem
from koo.web.feed import Feed
from koo.web.lifecycle import chain_signals


@pytest.fixture
def feed():
    """A feed whose frames are numbered, on the clock of the running loop."""

    def make(**more):
        numbers = iter(range(1000))
        feed = Feed(lambda: b"%d" % next(numbers), clock=running_clock(), **more)
        feed.begin()
        return feed

    return make


async def data(frames, count):
    found = []
    async for frame in frames:
        if frame.startswith(b"event: dashboard\ndata: "):
            found.append(frame.removeprefix(b"event: dashboard\ndata: ").strip())
        if len(found) == count:
            break
    await frames.aclose()
    return found


async def test_a_frame_comes_every_second(feed):
    clock = running_clock()
    assert await data(feed().frames(), 4) == [b"0", b"1", b"2", b"3"]
    assert clock.monotonic() == 3


async def test_visitors_share_a_fresh_frame(feed):
    shared = feed()
    first, second = await asyncio.gather(data(shared.frames(), 2), data(shared.frames(), 2))
    assert first == second == [b"0", b"1"]


async def test_the_end_ends_every_stream_at_once(feed):
    shared = feed()
    streams = [asyncio.create_task(data(shared.frames(), 100)) for _ in range(5)]
    await asyncio.sleep(2.5)
    assert shared.visitors == 5
    shared.end()
    await asyncio.gather(*streams)
    assert running_clock().monotonic() == 2.5
    assert shared.visitors == 0


async def test_there_are_only_so_many_visitors(feed):
    shared = feed(most=2)
    streams = [shared.frames() for _ in range(2)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(Problem) as refused:
        shared.frames()
    assert (refused.value.status, refused.value.code) == (503, "too_many_streams")
    await streams[0].aclose()
    shared.frames()
    await streams[1].aclose()


async def test_who_has_not_begun_to_read_is_a_visitor_too(feed):
    shared = feed(most=2)
    waiting = [shared.frames(), shared.frames()]
    with pytest.raises(Problem):
        shared.frames()
    waiting.pop()
    assert shared.visitors == 1
    shared.frames()


async def test_no_stream_begins_before_the_start_or_after_the_end(feed):
    ended = feed()
    ended.end()
    for idle in (ended, Feed(bytes)):
        with pytest.raises(Problem):
            idle.frames()
    Feed(bytes).end()


def test_the_route_streams_the_dashboard(stage):
    async def visit():
        stage.console.feed.begin()
        stage.console.lifecycle = None
        visit = asyncio.create_task(
            stage.visit("GET", "/api/v1/monitoring/stream", token="test-key-for-reading")
        )
        await asyncio.sleep(2.5)
        stage.console.feed.end()
        return await visit

    answer = run(visit)
    assert answer.headers["content-type"].startswith("text/event-stream")
    frames = [part for part in answer.body.split(b"\n\n") if part.startswith(b"event")]
    shown = json.loads(frames[0].split(b"data: ")[1])
    assert shown == stage.get("/api/v1/monitoring/dashboard").json


def test_nobody_gets_no_stream(stage):
    assert stage.ask("GET", "/api/v1/monitoring/stream").status == 401


def test_a_stream_before_the_start_is_503(stage):
    answer = stage.get("/api/v1/monitoring/stream")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_an_application_is_ready_inside_running_and_draining_after(stage):
    console = stage.console
    assert console.lifecycle.phase is Phase.STARTING
    answer = await stage.visit("GET", "/startupz")
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, b"starting", "1")
    async with console.running():
        assert console.lifecycle.phase is Phase.READY
        answer = await stage.visit("GET", "/readyz")
        assert (answer.status, answer.body) == (200, b"ready")
    assert console.lifecycle.phase is Phase.DRAINING
    answer = await stage.visit("GET", "/readyz")
    assert (answer.status, answer.body) == (503, b"draining")
    answer = await stage.visit("GET", "/startupz")
    assert (answer.status, answer.body) == (200, b"started")


def test_a_gate_that_is_lost_is_not_ready(make_stage):
    from koo.web import ConsoleConfig

    stage = make_stage(config=ConsoleConfig(gates=("database",)))
    stage.console.lifecycle.phase = Phase.READY
    assert stage.get("/readyz").body == b"ready"
    stage.database.fail()
    answer = stage.get("/readyz")
    assert (answer.status, answer.body) == (503, b"unavailable")


def test_a_lost_database_alone_does_not_make_us_unready(stage):
    stage.console.lifecycle.phase = Phase.READY
    stage.database.fail()
    assert stage.get("/readyz").status == 200


@pytest.mark.parametrize("gate", ["nobody", "ai:gemini"])
def test_a_gate_that_does_not_exist_or_has_no_key_is_not_ready(make_stage, gate):
    from koo.web import ConsoleConfig

    stage = make_stage(config=ConsoleConfig(gates=(gate,)))
    stage.console.lifecycle.phase = Phase.READY
    assert stage.get("/readyz").status == 503


async def test_running_watches_the_alerts(make_stage):
    stage = make_stage(clock=running_clock())
    async with stage.console.running():
        stage.database.fail()
        await asyncio.sleep(1.5)
        stage.database.reset()
        assert [alert.id for alert in stage.monitor.alerts()] == ["database:recovered"]


def test_a_drain_happens_once():
    drained = []
    lifecycle = Lifecycle(lambda: drained.append(1))
    lifecycle.drain()
    lifecycle.drain()
    assert drained == [1]


def test_our_handler_comes_first_and_the_one_before_it_still_runs():
    told = []
    before = signal.signal(signal.SIGTERM, lambda *_: told.append("server"))
    try:
        with chain_signals(lambda: told.append("streams")):
            signal.raise_signal(signal.SIGTERM)
        assert told == ["streams", "server"]
        signal.raise_signal(signal.SIGTERM)
        assert told == ["streams", "server", "server"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_ignored_signal_stays_ignored():
    told = []
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with chain_signals(lambda: told.append("streams")):
            signal.raise_signal(signal.SIGTERM)
        assert told == ["streams"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_default_of_a_signal_is_raised_again(monkeypatch):
    raised = []
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with chain_signals(lambda: None):
            handler = signal.getsignal(signal.SIGTERM)
            monkeypatch.setattr(signal, "raise_signal", raised.append)
            handler(signal.SIGTERM, None)
        assert raised == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_only_the_main_thread_sets_handlers():
    seen = []

    def elsewhere():
        with chain_signals(lambda: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_frame_is_taken_again_when_it_is_half_a_second_old():
    clock = FakeClock()
    numbers = iter(range(9))
    feed = Feed(lambda: b"%d" % next(numbers), clock=clock)
    assert feed._event() is feed._event()
    clock.advance(0.5)
    assert b"1" in feed._event()


@pytest.mark.parametrize("ends", ["signed out", "too long ago"])
def test_a_stream_ends_with_the_sign_in_that_it_was_opened_with(stage, ends):
    _, cookie = stage.access.sign_in("test-key-for-reading")
    headers = {"cookie": f"koo_8000={cookie}"}

    async def visit():
        stage.console.feed.begin()
        stream = asyncio.create_task(
            stage.visit("GET", "/api/v1/monitoring/stream", headers=headers)
        )
        await asyncio.sleep(2.5)
        assert not stream.done()
        if ends == "signed out":
            stage.access.sign_out(cookie)
        else:
            stage.clock.advance(12 * 3600)
        return await stream

    answer = run(visit)
    assert answer.status == 200
    assert answer.body.count(b"event: dashboard") == 3
