"""The provider that all ask: a process of its own that answers at once, or after some milliseconds.

    http://127.0.0.1:PORT/200/v1/chat/completions      answers after 200 ms
    http://127.0.0.1:PORT/0/v1/messages                answers at once
    http://127.0.0.1:PORT/0/koo/v1/chat/completions    the same; whose question it was is remembered
    http://127.0.0.1:PORT/~count                       how many questions it has answered
    http://127.0.0.1:PORT/~arrivals                    the path and the second of the last of them

It speaks just enough HTTP/1.1 that it is never who is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar
from urllib.parse import urlsplit

import uvloop
from aiohttp import ClientSession
from lab.processors import apart

from koo.testing import free_port

__all__ = ["TEXT", "Upstream", "upstream"]

TEXT = "Hello there, this is a short answer from the server."

_CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt-5-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 20, "completion_tokens": 100, "total_tokens": 120},
}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 20, "output_tokens": 100},
}
_GENERATED = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP"}
    ],
    "usageMetadata": {
        "promptTokenCount": 20,
        "candidatesTokenCount": 100,
        "totalTokenCount": 120,
    },
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """A running one."""

    port: int
    session: ClientSession

    def url(self, delay_ms: int = 0) -> str:
        """Where answers come after so many milliseconds; so they do below it."""
        return f"http://127.0.0.1:{self.port}/{delay_ms}"

    async def count(self) -> int:
        """How many questions have been answered, or are about to be."""
        async with self.session.get(f"http://127.0.0.1:{self.port}/~count") as response:
            return int(await response.text())

    async def arrivals(self, url: str) -> Sequence[float]:
        """The monotonic seconds at which questions came to *url* or below, of the last 10,000."""
        async with self.session.get(f"http://127.0.0.1:{self.port}/~arrivals") as response:
            arrived = await response.json()
        return [at for path, at in arrived if path.startswith(urlsplit(url).path)]


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    """One on a processor of its own, if there are two."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "asking.upstream", str(port), cwd=sys.path[0]
    )
    try:
        async with ClientSession() as session:
            running = Upstream(port, session)
            await _listening(running)
            with apart(process.pid):
                yield running
    finally:
        process.terminate()
        await process.wait()


async def _listening(running: Upstream) -> None:
    for _ in range(400):
        try:
            await running.count()
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise TimeoutError("the upstream does not listen")


#: What vendors tell of their limits with each answer; there is plenty.
_LIMITS = (
    "x-ratelimit-limit-requests: 1000000000",
    "x-ratelimit-remaining-requests: 999999999",
    "x-ratelimit-reset-requests: 6ms",
    "x-ratelimit-limit-tokens: 1000000000000",
    "x-ratelimit-remaining-tokens: 999999999880",
    "x-ratelimit-reset-tokens: 6ms",
)


def _reply(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return "\r\n".join((head, *_LIMITS, "", "")).encode() + body


_ANSWERS = {
    b"chat/completions": _reply(json.dumps(_CHAT).encode()),
    b"messages": _reply(json.dumps(_MESSAGE).encode()),
    b"generateContent": _reply(json.dumps(_GENERATED).encode()),
}


class _Connection(asyncio.Protocol):
    answered = 0
    arrived: ClassVar[deque[tuple[str, float]]] = deque(maxlen=10_000)

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, rest = self._received[:end].lower(), self._received[end + 4 :]
            length = _length(head)
            if len(rest) < length:
                return
            path = self._received.split(b" ", 2)[1]
            self._received = rest[length:]
            self._answer(path)

    def _answer(self, path: bytes) -> None:
        if path == b"/~count":
            self._transport.write(_reply(str(_Connection.answered).encode()))
            return
        if path == b"/~arrivals":
            self._transport.write(_reply(json.dumps([*_Connection.arrived]).encode()))
            return
        _Connection.answered += 1
        _Connection.arrived.append((path.decode(), monotonic()))
        reply = next(reply for ending, reply in _ANSWERS.items() if ending in path)
        delay_ms = int(path.split(b"/", 2)[1])
        if delay_ms:
            loop = asyncio.get_running_loop()
            loop.call_later(delay_ms / 1000, self._write, reply)
        else:
            self._write(reply)

    def _write(self, reply: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)


def _length(head: bytes) -> int:
    _, _, found = head.partition(b"content-length:")
    return int(found.split(b"\r\n", 1)[0]) if found else 0


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        uvloop.run(_serve(int(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(0)
