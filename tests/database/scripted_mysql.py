"""As much of a MySQL server as a login and a few statements need, on loopback."""

import asyncio
import contextlib
import struct

AUTOCOMMIT, MORE_RESULTS = 2, 8
LONG_PASSWORD, PROTOCOL_41, SECURE, PLUGIN_AUTH = 1, 1 << 9, 1 << 15, 1 << 19
CAPABILITIES = LONG_PASSWORD | PROTOCOL_41 | SECURE | PLUGIN_AUTH
QUIT, QUERY, PING = 1, 3, 14


class ScriptedMysql:
    """*answers*: the only value that a statement returns; what is not among them is "ok"."""

    def __init__(self, version, answers):
        self.said = []
        self.thread_id = 7
        self._version = version
        self._answers = answers
        self._tasks = set()
        self._server = None

    @contextlib.asynccontextmanager
    async def listening(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks)

    async def hears(self, statement):
        """Wait until somebody says so."""
        while statement not in self.said:
            await asyncio.sleep(0.005)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        leaving = (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError)
        with contextlib.suppress(*leaving):
            _send(writer, 0, self._greeting())
            await _packet(reader)
            _send(writer, 2, _ok())
            while (command := await _packet(reader))[0] != QUIT:
                await self._answer(writer, command)
        writer.close()

    async def _answer(self, writer, command):
        statements = command[1:].decode().split("; ") if command[0] == QUERY else ["ping"]
        self.said += statements
        place = 1
        for number, statement in enumerate(statements, 1):
            answer = self._answers.get(statement, "ok")
            if answer is None:
                return
            if answer is ConnectionError:
                raise answer
            if isinstance(answer, int):
                _send(writer, place, _error(answer))
                return
            status = MORE_RESULTS if number < len(statements) else 0
            packets = [_ok(status)] if answer == "ok" else _rows(answer, status)
            for packet in packets:
                _send(writer, place, packet)
                place += 1

    def _greeting(self):
        return b"".join(
            (
                bytes([10]) + self._version.encode() + b"\0",
                struct.pack("<I", self.thread_id) + b"12345678\0",
                struct.pack("<HBH", CAPABILITIES & 0xFFFF, 45, 0),
                struct.pack("<HB", CAPABILITIES >> 16, 21) + bytes(10),
                b"123456789012\0mysql_native_password\0",
            )
        )


async def _packet(reader):
    header = await reader.readexactly(4)
    return await reader.readexactly(int.from_bytes(header[:3], "little"))


def _send(writer, place, body):
    writer.write(len(body).to_bytes(3, "little") + bytes([place]) + body)


def _ok(status=0):
    return struct.pack("<BBBHH", 0, 0, 0, status, 0)


def _error(number):
    return struct.pack("<BH", 0xFF, number) + b"#HY000said the server"


def _eof(status):
    return struct.pack("<BHH", 0xFE, 0, status)


def _rows(values, status):
    """One row of text."""
    column = _text("def") + _text("") * 3 + _text("name") * 2
    column += struct.pack("<BHIBHBH", 12, 45, 64, 253, 0, 0, 0)
    columns = [column] * len(values)
    return [
        bytes([len(values)]),
        *columns,
        _eof(status),
        b"".join(map(_text, values)),
        _eof(status),
    ]


def _text(text):
    return bytes([len(text)]) + text.encode()
