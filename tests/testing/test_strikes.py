"""What a proxy does to one connection, at a phase of its conversation."""

import asyncio
import contextlib
import struct

import pytest

from koo.testing import FaultProxy, LinkFault, Phase

from .waiting import a_while, until

pytestmark = pytest.mark.integration

STARTUP = struct.pack("!II", 8, 196_608)


def query(text):
    return b"Q" + struct.pack("!I", 5 + len(text)) + text + b"\0"


BEGIN, COMMIT = query(b"BEGIN"), query(b"COMMIT")


class Server:
    """Echoes, and remembers what it heard and how each client left."""

    def __init__(self):
        self.heard = b""
        self.left = []

    async def serve(self, reader, writer):
        try:
            while said := await reader.read(1000):
                self.heard += said
                writer.write(said)
            self.left.append("politely")
        except ConnectionResetError:
            self.left.append("reset")
        finally:
            writer.close()


@pytest.fixture
def served():
    """`async with served() as (proxy, server)`."""

    @contextlib.asynccontextmanager
    async def served():
        server = Server()
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            async with FaultProxy("127.0.0.1", port) as proxy:
                yield proxy, server

    return served


class Client:
    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def say(self, text):
        """What comes back for *text*: an echo, "reset" or "end"."""
        self.writer.write(text)
        return await self.hear(len(text))

    async def hear(self, size):
        try:
            async with asyncio.timeout(30.0):
                return await self.reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return "end"
        except ConnectionResetError:
            return "reset"

    async def say_in_vain(self, text):
        """No whole answer comes back for *text* in a while."""
        self.writer.write(text)
        await a_while()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.reader.readexactly(len(text)), 0.1)


@contextlib.asynccontextmanager
async def client(proxy, *, begun=True):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    one = Client(reader, writer)
    try:
        if begun:
            assert await one.say(STARTUP) == STARTUP
        yield one
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    ("fault", "said", "left"),
    [
        (LinkFault.RESET, "reset", "reset"),
        (LinkFault.END, "end", "politely"),
        (LinkFault.REFUSE, "reset", "reset"),
    ],
)
async def test_an_end_is_noticed_by_both_sides(served, fault, said, left):
    async with served() as (proxy, server), client(proxy) as one, client(proxy) as other:
        proxy.strike(fault, Phase.BEGIN)
        assert await one.say(query(b"SELECT 2")) == query(b"SELECT 2")
        assert not proxy.struck.is_set()
        assert await one.say(BEGIN) == said
        assert proxy.struck.is_set()
        await until(lambda: server.left == [left])
        assert BEGIN not in server.heard
        assert await other.say(BEGIN) == BEGIN


async def test_who_is_refused_can_come_again_once_it_is_healed(served):
    async with served() as (proxy, _):
        proxy.strike(LinkFault.REFUSE, Phase.CONNECT)
        assert proxy.struck.is_set()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.heal()
        async with client(proxy):
            pass


async def test_what_is_held_in_a_black_hole_flows_on_and_new_ones_fall_into_it(served):
    async with served() as (proxy, server), client(proxy) as one, client(proxy) as other:
        proxy.strike(LinkFault.BLACK_HOLE, Phase.BEGIN)
        await one.say_in_vain(BEGIN)
        await other.say_in_vain(BEGIN)
        async with client(proxy, begun=False) as new:
            await new.say_in_vain(STARTUP)
            assert BEGIN not in server.heard
            await proxy.heal()
            assert await one.hear(len(BEGIN)) == BEGIN
            assert await new.hear(len(STARTUP)) == STARTUP


async def test_one_that_stalls_flows_on_and_the_others_never_stop(served):
    async with served() as (proxy, server), client(proxy) as one, client(proxy) as other:
        proxy.strike(LinkFault.STALL, Phase.BEGIN)
        await one.say_in_vain(BEGIN)
        assert await other.say(BEGIN) == BEGIN
        assert server.heard.count(BEGIN) == 1
        await proxy.heal()
        assert await one.hear(len(BEGIN)) == BEGIN


async def test_a_half_open_connection_is_dead_and_neither_side_is_told(served):
    async with served() as (proxy, server), client(proxy) as other:
        async with client(proxy) as one:
            proxy.strike(LinkFault.HALF_OPEN, Phase.BEGIN)
            await one.say_in_vain(BEGIN)
            await one.say_in_vain(BEGIN)
            assert await other.say(BEGIN) == BEGIN
        await a_while()
        assert server.left == []
        await proxy.heal()
        await until(lambda: server.left == ["reset"])
        assert await other.say(BEGIN) == BEGIN


async def test_silence_is_for_everybody_and_the_new_never_reach_the_server(served):
    async with served() as (proxy, server), client(proxy) as one, client(proxy) as other:
        proxy.strike(LinkFault.SILENCE, Phase.BEGIN)
        await one.say_in_vain(BEGIN)
        await other.say_in_vain(BEGIN)
        async with client(proxy, begun=False) as new:
            await new.say_in_vain(STARTUP)
            assert len(proxy.traffic.ports) == 2
            await proxy.heal()
            assert [await each.hear(1) for each in (one, other, new)] == ["reset"] * 3
        async with client(proxy) as next_one:
            assert await next_one.say(BEGIN) == BEGIN
        assert server.heard.count(BEGIN) == 1


async def test_a_dripping_connection_says_everything_late_until_it_is_healed(served):
    async with served() as (proxy, _), client(proxy) as one:
        proxy.drip = 0.2
        proxy.strike(LinkFault.DRIP, Phase.BEGIN)
        await one.say_in_vain(BEGIN)
        assert await one.say(b"") == b""
        await proxy.heal()
    async with served() as (proxy, _), client(proxy) as one:
        proxy.strike(LinkFault.DRIP, Phase.BEGIN)
        one.writer.write(BEGIN)
        await proxy.struck.wait()
        assert await one.hear(1) == BEGIN[:1]
        await proxy.heal()
        assert await one.hear(len(BEGIN) - 1) == BEGIN[1:]


async def test_a_lost_request_is_the_only_thing_that_is_lost(served):
    async with served() as (proxy, server), client(proxy) as one:
        proxy.strike(LinkFault.DROP_REQUEST, Phase.BEGIN)
        await one.say_in_vain(BEGIN)
        assert server.heard == STARTUP
        assert await one.say(BEGIN) == BEGIN


async def test_a_lost_reply_was_heard_by_the_server(served):
    async with served() as (proxy, server), client(proxy) as one:
        proxy.strike(LinkFault.DROP_REPLY, Phase.BEGIN)
        await one.say_in_vain(BEGIN)
        assert server.heard == STARTUP + BEGIN
        assert await one.say(BEGIN) == BEGIN


async def test_a_reply_to_a_commit_can_be_lost_alone(served):
    async with served() as (proxy, server), client(proxy) as one:
        proxy.strike(LinkFault.DROP_REQUEST, Phase.COMMIT_REPLY)
        await one.say_in_vain(COMMIT)
        assert COMMIT in server.heard
        assert await one.say(BEGIN) == BEGIN


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (LinkFault.RESET, "reset"),
        (LinkFault.STALL, None),
        (LinkFault.BLACK_HOLE, None),
        (LinkFault.HALF_OPEN, None),
        (LinkFault.SILENCE, None),
        (LinkFault.DROP_REQUEST, None),
        (LinkFault.DROP_REPLY, None),
    ],
)
async def test_a_connection_can_be_struck_before_its_first_byte(served, fault, said):
    async with served() as (proxy, server):
        proxy.strike(fault, Phase.CONNECT)
        async with client(proxy, begun=False) as one:
            if said:
                assert await one.say(STARTUP) == said
            else:
                await one.say_in_vain(STARTUP)
            assert server.heard == (STARTUP if fault is LinkFault.DROP_REPLY else b"")


async def test_a_connection_can_be_ended_before_its_first_byte(served):
    async with served() as (proxy, _):
        proxy.strike(LinkFault.END, Phase.CONNECT)
        async with client(proxy, begun=False) as one:
            assert await one.hear(1) == "end"


async def test_a_strike_is_for_one_and_healing_takes_it_back(served):
    async with served() as (proxy, _), client(proxy) as one:
        proxy.strike(LinkFault.RESET, Phase.BEGIN)
        await proxy.heal()
        assert await one.say(BEGIN) == BEGIN
        assert not proxy.struck.is_set()


async def test_a_witness_is_told_of_what_is_lost_as_well(served):
    told = []
    async with served() as (proxy, _), client(proxy) as one:
        proxy.witness = told.append
        proxy.drops_requests = True
        await one.say_in_vain(BEGIN)
        assert [chunk.phases for chunk in told] == [(Phase.BEGIN,)]


async def test_a_hook_may_end_both_sides_politely(served):
    from koo.testing import Action

    async with served() as (proxy, server), client(proxy) as one:
        proxy.hook = lambda _: Action.END
        assert await one.say(BEGIN) == "end"
        await until(lambda: server.left == ["politely"])
