"""A primary and a standby, and what happens to them."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from koo.testing import PostgresServer

from ..saying import say_to

FAST = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture(scope="session")
def pair():
    """A primary, and a standby that follows it; no test ends that."""
    with PostgresServer(settings=FAST) as primary, primary.standby(settings=FAST) as standby:
        yield primary, standby


@pytest.fixture
def promotable():
    """`async with promotable() as (primary, standby)`, where commits wait for the standby."""

    @asynccontextmanager
    async def promotable():
        with PostgresServer(settings=FAST) as primary, primary.standby(settings=FAST) as standby:
            await say_to(
                primary,
                "ALTER SYSTEM SET synchronous_standby_names = '*'",
                "SELECT pg_reload_conf()",
            )
            yield primary, standby

    return promotable


@pytest.fixture
def eventually():
    """`await eventually(look)`: as soon as the coroutine function *look* says something true."""

    async def eventually(look, seconds=30.0):
        async with asyncio.timeout(seconds):
            while not (found := await look()):
                await asyncio.sleep(0.02)
        return found

    return eventually
