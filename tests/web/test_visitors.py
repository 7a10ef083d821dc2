"""A visitor who goes away gives the call up, wherever it stands."""

import asyncio
import json

import pytest

from koo.testing import After, Pieces

from .test_calls import CALL, QUERY, STREAM, door

__all__ = ["door"]


class Visitor:
    """Somebody who asks at *path* and goes when `goes` says so; what is sent to them is slow."""

    def __init__(self, path):
        self.goes, self.heard = asyncio.Event(), []
        sent = json.dumps({"service": "claude", "prompt": "x"}).encode()
        self._messages = [{"type": "http.request", "body": sent, "more_body": False}]
        self._scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1", "method": "POST", "scheme": "http", "path": path,
            "raw_path": path, "query_string": b"", "root_path": "",
            "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 8000),
            "headers": [
                (b"host", b"127.0.0.1:8000"),
                (b"authorization", f"Bearer {CALL}".encode()),
                (b"content-type", b"application/json"),
            ],
        }  # fmt: skip

    async def visit(self, stage):
        """Until the application has done with them."""
        async with asyncio.timeout(30):
            await stage.app(self._scope, self._receive, self._send)

    async def _receive(self):
        if self._messages:
            return self._messages.pop(0)
        await self.goes.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        self.heard.append(message)
        if b"event: text" in message.get("body", b""):
            self.goes.set()
            await asyncio.Event().wait()


def _assert_given_up(stage):
    """What was reserved is debited, and nothing stays reserved."""
    report = stage.manager.services["claude"].report()
    assert report.value("budget.reserved") == 0 < report.value("budget.spent")
    assert report.value("successes_total") == 0
    assert report.breaker.outcomes == 0


async def test_a_visitor_who_goes_away_amid_the_answer_gives_it_up(door):
    stage = door(Pieces(*"abc"))
    await Visitor(STREAM).visit(stage)
    _assert_given_up(stage)


@pytest.mark.parametrize("path", [QUERY, STREAM])
async def test_a_visitor_who_goes_away_before_the_answer_begins_gives_it_up(door, path):
    stage, visitor = door(After(10**6, "too late")), Visitor(path)
    [provider] = stage.providers
    visiting = asyncio.create_task(visitor.visit(stage))
    while not provider.requests:
        await asyncio.sleep(0)
    visitor.goes.set()
    await visiting
    _assert_given_up(stage)
    assert visitor.heard[0]["status"] == 499


@pytest.mark.parametrize("path", [QUERY, STREAM])
async def test_a_server_that_stops_gives_the_answer_up(door, path):
    stage = door(After(10**6, "too late"))
    [provider] = stage.providers
    visiting = asyncio.create_task(Visitor(path).visit(stage))
    while not provider.requests:
        await asyncio.sleep(0)
    visiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await visiting
    _assert_given_up(stage)
