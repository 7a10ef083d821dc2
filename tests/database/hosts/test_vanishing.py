"""The locks of a client that is no longer there are free soon."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import exc, text

from koo.database import judge
from koo.testing import BlackHole, FaultProxy

from ..saying import say_to

pytestmark = pytest.mark.integration

#: After so many seconds a lock is free, with an idle limit of 2; without all this later than 8.
PROMISED = 3.0
#: What a machine may add on which much else is tested; the benchmark `failover` adds nothing.
BUSY = 5.0

LIMITS = text(
    "SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp_%'"
    " OR name IN ('client_connection_check_interval', 'idle_in_transaction_session_timeout')"
)
HOLD = text("SELECT n FROM ledger WHERE n = 1 FOR UPDATE")
HOLDER = """
import asyncio, sys
from sqlalchemy import text
from koo.database import DatabaseConfig, DatabaseManager

async def hold():
    manager = DatabaseManager(DatabaseConfig(url=sys.argv[1], idle_in_transaction_timeout=2))
    async with manager.session_scope() as session:
        await session.execute(text("SELECT n FROM ledger WHERE n = 1 FOR UPDATE"))
        print("held", flush=True)
        await session.execute(text(sys.argv[2]))
        await asyncio.sleep(60)

asyncio.run(hold())
"""
ASLEEP = "SELECT pg_sleep(60)"
IS_ASLEEP = f"SELECT 1 FROM pg_stat_activity WHERE (query, wait_event) = ('{ASLEEP}', 'PgSleep')"
WORD = "SELECT 2"
IS_IDLE = f"SELECT 1 FROM pg_stat_activity WHERE (query, state) = ('{WORD}', 'idle in transaction')"


async def seconds_until_free(manager):
    began = time.monotonic()
    async with manager.session_scope() as session:
        await session.execute(HOLD)
    return time.monotonic() - began


@pytest.fixture
def with_a_row(ledger_in):
    async def with_a_row(manager):
        await ledger_in(manager)
        async with manager.session_scope() as session:
            await session.execute(text("INSERT INTO ledger VALUES (1)"))

    return with_a_row


async def limits(manager):
    async with manager.session_scope() as session:
        return dict((await session.execute(LIMITS)).all())


async def test_each_connection_is_told_when_its_client_counts_as_gone(postgres, driver, opened):
    async with opened(postgres.url(driver), idle_in_transaction_timeout=7) as manager:
        assert await limits(manager) == {
            "tcp_keepalives_idle": "1",
            "tcp_keepalives_interval": "1",
            "tcp_keepalives_count": "2",
            "tcp_user_timeout": "2000",
            "client_connection_check_interval": "1000",
            "idle_in_transaction_session_timeout": "7000",
        }


async def test_what_the_role_sets_stays_and_never_is_never(postgres, driver, opened):
    await say_to(
        postgres,
        "DROP ROLE IF EXISTS slow",
        "CREATE ROLE slow LOGIN",
        "ALTER ROLE slow SET tcp_user_timeout = 9000",
    )
    url = postgres.url(driver).replace("postgres@", "slow@")
    async with opened(url, idle_in_transaction_timeout=float("inf")) as manager:
        found = await limits(manager)
    assert found["tcp_user_timeout"] == "9000"
    assert found["tcp_keepalives_idle"] == "1"
    assert found["idle_in_transaction_session_timeout"] == "0"


async def test_a_server_that_refuses_to_be_told_is_used_without(
    postgres, driver, opened, monkeypatch
):
    monkeypatch.setattr("koo.database.hosts.vanishing._SETTING", "SELECT wrong {rows}")
    async with opened(postgres.url(driver)) as manager:
        assert (await limits(manager))["tcp_user_timeout"] == "0"


@contextlib.asynccontextmanager
async def holder(postgres, statement):
    """A process that has the row's lock, and then says *statement*."""
    command = [sys.executable, "-c", HOLDER, postgres.url(), statement]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            await asyncio.to_thread(process.stdout.readline)
            yield process
        finally:
            process.kill()


async def test_the_row_lock_of_a_frozen_process_is_free_soon(
    postgres, opened, with_a_row, eventually
):
    """It stands still between two statements; within one, the server takes it for busy."""

    async def is_idle():
        return await say_to(postgres, IS_IDLE)

    async with opened(postgres.url()) as manager:
        await with_a_row(manager)
        async with holder(postgres, WORD) as process:
            await eventually(is_idle)
            process.send_signal(signal.SIGSTOP)
            assert 0.1 < await seconds_until_free(manager) < PROMISED + BUSY


async def test_the_row_lock_of_a_process_that_leaves_in_mid_statement_is_free_soon(
    postgres, opened, with_a_row, eventually
):
    """Its machine is there and says goodbye, and nothing is idle: the server must look."""

    async def is_asleep():
        return await say_to(postgres, IS_ASLEEP)

    async with opened(postgres.url()) as manager:
        await with_a_row(manager)
        async with holder(postgres, ASLEEP) as process:
            await eventually(is_asleep)
            process.kill()
            assert await seconds_until_free(manager) < PROMISED + BUSY


async def test_the_row_lock_of_a_client_whose_network_went_dark_is_free_soon(
    postgres, driver, opened, with_a_row
):
    async with (
        opened(postgres.url(driver)) as manager,
        FaultProxy("127.0.0.1", postgres.port) as proxy,
        opened(postgres.url(driver, port=proxy.port), idle_in_transaction_timeout=2) as dark,
    ):
        await with_a_row(manager)

        async def hold():
            async with dark.session_scope() as session:
                await session.execute(HOLD)
                proxy.black_hole = BlackHole.ALL
                assert 0.1 < await seconds_until_free(manager) < PROMISED + BUSY
                proxy.black_hole = BlackHole.OFF
                await session.execute(text("SELECT 1"))

        with pytest.raises(exc.DBAPIError) as caught:
            await hold()
        assert judge(caught.value).failure.retryable


def test_the_row_lock_of_a_machine_that_is_gone_is_free_soon(driver):
    command = [sys.executable, Path(__file__).with_name("dark_machine.py"), driver]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    if not ran.stdout:
        pytest.skip("needs a network of its own: unshare --net, and ip")
    assert 1 < float(ran.stdout) < PROMISED + BUSY
