"""The way to the server, and what a pooler on it makes necessary."""

from types import SimpleNamespace

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from koo.database.drivers import driver as driver_of
from koo.database.listening import route as route_module
from koo.database.listening.route import Route
from koo.database.verdicts import proves_rollback

TERMS = {"no": "names"}


class Dialed:
    """A connection, to a server that has greeted us with number 7."""

    def __init__(self, terms, answered_by):
        self.terms = terms
        self.answered_by = answered_by
        self.asked = 0
        self.closed = False
        self.driver_connection = self

    def close(self):
        self.closed = True


class Dialect:
    name = "postgresql"
    driver = "asyncpg"

    def __init__(self, answered_by):
        self.answered_by = answered_by
        self.dialed = []

    def connect(self, **terms):
        self.dialed.append(Dialed(terms, self.answered_by))
        return self.dialed[-1]


@pytest.fixture(autouse=True)
def _postgres(request, monkeypatch):
    if "integration" in request.keywords:
        return

    async def is_straight(connection):
        connection.asked += 1
        if connection.answered_by is None:
            raise ConnectionError
        return connection.answered_by == 7

    fake = SimpleNamespace(is_straight=is_straight, through_pooler=lambda: TERMS)
    monkeypatch.setattr(route_module, "driver", lambda _: fake)


@pytest.fixture
def torn(monkeypatch):
    """What was torn off."""
    torn = []
    monkeypatch.setattr(route_module, "abort", torn.append)
    return torn


async def dial(route):
    return await greenlet_spawn(route.connect, (), {"host": "here"})


async def test_a_straight_way_is_asked_for_once():
    dialect = Dialect(answered_by=7)
    route = Route(dialect)
    assert [(await dial(route)).terms for _ in range(3)] == [{"host": "here"}] * 3
    assert [connection.asked for connection in dialect.dialed] == [1, 0, 0]


async def test_behind_a_pooler_all_connections_need_no_fixed_backend():
    dialect = Dialect(answered_by=8)
    route = Route(dialect)
    assert [(await dial(route)).terms for _ in range(2)] == [{"host": "here", **TERMS}] * 2
    assert [connection.closed for connection in dialect.dialed] == [True, False, False]
    assert [connection.asked for connection in dialect.dialed] == [1, 0, 0]


async def test_a_question_without_an_answer_leaves_no_connection_and_is_asked_again(torn):
    dialect = Dialect(answered_by=None)
    route = Route(dialect)
    with pytest.raises(ConnectionError):
        await dial(route)
    assert torn == dialect.dialed
    dialect.answered_by = 7
    assert (await dial(route)).asked == 1


async def test_other_databases_are_not_asked():
    dialect = Dialect(answered_by=8)
    dialect.name = "sqlite"
    assert (await dial(Route(dialect))).asked == 0


# -- what the drivers say and do, with a real server ----------------------------------------


async def raw_of(connection):
    return (await connection.get_raw_connection()).driver_connection


@pytest.mark.integration
async def test_who_greets_us_also_answers(postgres, driver):
    engine = create_async_engine(postgres.url(driver))
    async with engine.connect() as connection:
        raw = await raw_of(connection)
        assert await driver_of(driver).is_straight(raw)
        stranger = SimpleNamespace(
            execute=raw.execute,
            rollback=getattr(raw, "rollback", None),
            get_server_pid=lambda: 1,
            info=SimpleNamespace(backend_pid=1),
        )
        assert not await driver_of(driver).is_straight(stranger)
    await engine.dispose()


@pytest.mark.integration
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_on_a_poolers_terms_nothing_is_left_prepared(postgres, driver):
    theirs = driver_of(driver)
    terms = {**theirs.arguments(5.0), **theirs.through_pooler()}
    engine = create_async_engine(postgres.url(driver), connect_args=terms)
    async with engine.connect() as connection:
        for number in range(12):
            found = await connection.execute(text("SELECT CAST(:n AS int)"), {"n": number})
            assert found.scalar() == number
        left = await connection.execute(text("SELECT count(*) FROM pg_prepared_statements"))
        assert left.scalar() == 0
    await engine.dispose()


@pytest.mark.integration
async def test_outside_of_a_transaction_nothing_is_prepared_through_a_pooler(postgres):
    asyncpg = driver_of("asyncpg")
    terms = {**asyncpg.arguments(5.0), **asyncpg.through_pooler()}
    engine = create_async_engine(postgres.url(), connect_args=terms)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(exc.InterfaceError, match="AUTOCOMMIT is not safe") as caught:
            await connection.execute(text("SELECT 1"))
        assert proves_rollback(caught.value)
    await engine.dispose()
