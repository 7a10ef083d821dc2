"""The proxy that does to a connection what networks do."""

import asyncio
import contextlib
import gc
import socket
import time

import pytest

from koo.testing import Action, BlackHole, Chunk, Direction, FaultProxy

from .waiting import a_while, until

pytestmark = pytest.mark.integration


async def echo(reader, writer):
    with contextlib.suppress(OSError):
        while line := await reader.read(100_000):
            writer.write(line)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxied(serve=echo):
    """A proxy before a server."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def client(proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def said(streams, text=b"hello"):
    """What comes back for *text*."""
    reader, writer = streams
    writer.write(text)
    async with asyncio.timeout(30.0):
        return await reader.readexactly(len(text))


async def unanswered(streams, text=b"hello"):
    """Nothing comes back for *text* in a while."""
    reader, writer = streams
    writer.write(text)
    await a_while()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)


async def test_without_a_fault_it_is_not_noticed():
    async with proxied() as proxy, client(proxy) as streams:
        assert await said(streams, b"x" * 200_000) == b"x" * 200_000
        assert proxy.connections == 1
        assert proxy.traffic.accepted_total == 1
        assert proxy.traffic.to_server_bytes == proxy.traffic.to_client_bytes == 200_000
        assert proxy.traffic.resets_total == 0


async def test_the_end_of_one_direction_is_passed_on_and_the_other_goes_on():
    async def answer_at_the_end(reader, writer):
        asked = await reader.read()
        writer.write(asked.upper())
        writer.close()

    async with proxied(answer_at_the_end) as proxy, client(proxy) as (reader, writer):
        writer.write(b"all")
        writer.write_eof()
        assert await reader.read() == b"ALL"
        await until(lambda: proxy.connections == 0)


async def test_delay_holds_each_direction():
    async with proxied() as proxy, client(proxy) as streams:
        proxy.delay = 0.05
        began = time.monotonic()
        await said(streams)
        assert time.monotonic() - began >= 0.1


async def test_refusing_is_a_refused_connection_and_the_living_go_on():
    async with proxied() as proxy, client(proxy) as streams:
        await said(streams)
        proxy.refuse()
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await said(streams) == b"hello"
        await proxy.listen()
        await proxy.listen()
        async with client(proxy) as again:
            assert await said(again) == b"hello"


async def test_resetting_new_ones_is_a_reset_after_the_connection_stood():
    async with proxied() as proxy:
        proxy.resets_new = True
        async with client(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
        assert proxy.traffic.resets_total == 1


async def test_resetting_all_cuts_the_living_with_an_error():
    async with proxied() as proxy, client(proxy) as first, client(proxy) as second:
        await said(first)
        await said(second)
        proxy.reset_all()
        for reader, _ in (first, second):
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
        await until(lambda: proxy.connections == 0)
        async with client(proxy) as third:
            assert await said(third) == b"hello"


async def test_a_black_hole_for_all_keeps_silent_and_then_flows_on():
    async with proxied() as proxy, client(proxy) as streams:
        await said(streams)
        proxy.black_hole = BlackHole.ALL
        assert proxy.black_hole is BlackHole.ALL
        await unanswered(streams)
        proxy.black_hole = BlackHole.OFF
        assert await streams[0].readexactly(5) == b"hello"


async def test_a_black_hole_for_new_ones_leaves_the_living_alone():
    async with proxied() as proxy, client(proxy) as old:
        await said(old)
        proxy.black_hole = BlackHole.NEW
        async with client(proxy) as new:
            await unanswered(new)
            assert await said(old) == b"hello"
            proxy.black_hole = BlackHole.OFF
            assert await new[0].readexactly(5) == b"hello"


async def test_a_connection_in_the_black_hole_can_be_reset():
    async with proxied() as proxy:
        proxy.black_hole = BlackHole.NEW
        async with client(proxy) as (reader, _):
            await until(lambda: proxy.connections == 1)
            proxy.reset_all()
            with pytest.raises(ConnectionResetError):
                await reader.read(1)


async def test_dropped_requests_never_reach_the_server():
    heard = []

    async def listen(reader, writer):
        with contextlib.suppress(OSError):
            heard.append(await reader.read(100))
        writer.close()

    async with proxied(listen) as proxy, client(proxy) as streams:
        proxy.drops_requests = True
        await unanswered(streams)
        assert heard == []
        assert proxy.traffic.to_server_bytes == 0


async def test_dropped_replies_were_heard_by_the_server():
    async with proxied() as proxy, client(proxy) as streams:
        proxy.drops_replies = True
        await unanswered(streams)
        assert proxy.traffic.to_server_bytes == 5
        assert proxy.traffic.to_client_bytes == 0


@pytest.mark.parametrize("limit", [0, 3, 5])
async def test_a_reply_is_cut_at_the_byte(limit):
    async with proxied() as proxy, client(proxy) as (reader, writer):
        proxy.cut_after_bytes = limit
        writer.write(b"hello!")
        assert await everything(reader) == b"hello!"[:limit]
        assert proxy.traffic.to_client_bytes == limit


async def test_a_reply_that_ends_at_the_byte_is_whole():
    async with proxied() as proxy, client(proxy) as streams:
        proxy.cut_after_bytes = 5
        assert await said(streams) == b"hello"


async def test_a_hook_sees_every_chunk_and_its_way():
    seen = []

    def note(chunk):
        seen.append(chunk)
        return Action.PASS

    async with proxied() as proxy, client(proxy) as streams:
        proxy.hook = note
        await said(streams)
    assert seen == [
        Chunk(Direction.TO_SERVER, b"hello", 1),
        Chunk(Direction.TO_CLIENT, b"hello", 1),
    ]


async def test_a_hook_may_drop_a_chunk():
    async with proxied() as proxy, client(proxy) as streams:
        proxy.hook = lambda chunk: Action.DROP if b"secret" in chunk.payload else Action.PASS
        await unanswered(streams, b"secret")
        assert await said(streams, b"open") == b"open"


async def test_a_hook_may_hold_a_chunk_and_then_cut_both_sides():
    ends = []

    async def listen(reader, _writer):
        try:
            ends.append(await reader.read())
        except ConnectionResetError:
            ends.append("reset")

    async def late_cut(_chunk):
        await asyncio.sleep(0.01)
        return Action.CUT

    async with proxied(listen) as proxy, client(proxy) as (reader, writer):
        proxy.hook = late_cut
        writer.write(b"commit")
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        await until(lambda: ends == ["reset"])


async def test_a_hook_may_cut_the_client_alone_and_the_server_works_on():
    heard, release = [], asyncio.Event()

    async def slow(reader, writer):
        heard.append(await reader.read(100))
        await release.wait()
        writer.write(b"done")
        writer.close()
        heard.append(await reader.read(100))

    async with proxied(slow) as proxy, client(proxy) as (reader, writer):
        proxy.hook = lambda _: Action.CUT_CLIENT
        writer.write(b"commit")
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        await until(lambda: heard == [b"commit"])
        assert proxy.connections == 1
        release.set()
        await until(lambda: proxy.connections == 0)
        assert proxy.traffic.to_client_bytes == 0


async def test_a_hook_may_orphan_the_server_which_never_hears_what_was_said_last():
    heard = []

    async def listen(reader, writer):
        heard.append(await reader.read(100))
        writer.close()

    async with proxied(listen) as proxy, client(proxy) as (reader, writer):
        proxy.hook = lambda _: Action.ORPHAN
        writer.write(b"commit")
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        await a_while()
        assert heard == []
        assert proxy.connections == 1


async def test_a_client_cut_at_the_reply_never_sees_it():
    def on_reply(chunk):
        return Action.CUT_CLIENT if chunk.direction is Direction.TO_CLIENT else Action.PASS

    async with proxied() as proxy, client(proxy) as (reader, writer):
        proxy.hook = on_reply
        writer.write(b"hello")
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_a_server_that_does_not_listen_is_a_reset():
    async with FaultProxy("127.0.0.1", 1) as proxy, client(proxy) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_stopping_leaves_no_connection():
    async with proxied() as proxy, client(proxy) as streams:
        await said(streams)
        await proxy.stop()
        assert proxy.connections == 0
        with pytest.raises(ConnectionResetError):
            await streams[0].read(1)


async def everything(reader):
    """All that arrives before the reset."""
    arrived = b""
    with contextlib.suppress(ConnectionResetError):
        while part := await reader.read(100):
            arrived += part
    return arrived


@pytest.mark.parametrize("turns", range(5))
async def test_who_has_just_been_accepted_is_not_left_open(turns):
    proxy = FaultProxy("127.0.0.1", 9)
    await proxy.listen()
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        for _ in range(turns):
            await asyncio.sleep(0)
        await proxy.stop()
        client.setblocking(False)
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(client, 1)
    gc.collect()
