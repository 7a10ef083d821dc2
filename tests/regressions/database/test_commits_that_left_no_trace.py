"""COMMITs that left no trace, or could leave none: what had been written elsewhere was run again.

And what had written, and then made itself read-only, could not commit at all.
"""

import contextlib

import pytest
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.errors import CommitOutcomeUnknown
from koo.testing import FaultProxy, LinkFault, Phase, PostgresServer

from ...database.saying import rows

pytestmark = pytest.mark.integration

DRIVERS = ["asyncpg", "psycopg"]
FAR = (
    "CREATE SCHEMA far",
    "CREATE TABLE far.ledger (n INTEGER)",
    "CREATE EXTENSION postgres_fdw",
    """CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host '127.0.0.1', port '{port}', dbname 'postgres')""",
    """CREATE USER MAPPING FOR PUBLIC SERVER far
    OPTIONS (user 'postgres', password_required 'false')""",
    "CREATE FOREIGN TABLE ledger (n INTEGER) SERVER far OPTIONS (schema_name 'far')",
)
PUBLISHED = "CREATE PUBLICATION everything FOR ALL TABLES"
INSERT = "INSERT INTO far.ledger VALUES (1)"


@pytest.fixture(scope="module", params=["tokens", "numbers"])
def server(request):
    """With a table of its own, and the same as a foreign one."""
    with PostgresServer(settings={"fsync": "off"}) as server:
        server.witness = request.param
        yield server


@contextlib.asynccontextmanager
async def opened(server, driver, **config):
    """A manager behind a proxy; the ledger is empty."""
    direct = DatabaseManager(DatabaseConfig(url=server.url(driver), commit_tokens="off"))
    try:
        await prepare(direct, server)
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            url = server.url(driver, port=proxy.port)
            manager = DatabaseManager(DatabaseConfig(url=url, **config))
            try:
                await manager.transact(lambda session: session.execute(text("SELECT 1")))
                yield manager, proxy, direct
            finally:
                await manager.close()
    finally:
        await direct.close()


async def prepare(direct, server):
    async with direct.session_scope() as session:
        if not await session.scalar(text("SELECT to_regnamespace('far')")):
            for statement in [*FAR, PUBLISHED] if server.witness == "numbers" else FAR:
                await session.execute(text(statement.format(port=server.port)))
        await session.execute(text("TRUNCATE far.ledger"))


@pytest.mark.parametrize("driver", DRIVERS)
async def test_what_was_written_elsewhere_is_not_run_again(server, driver):
    async with opened(server, driver) as (manager, proxy, direct):
        runs = []

        async def work(session):
            runs.append(1)
            await session.execute(text("INSERT INTO ledger VALUES (1)"))
            return "written"

        proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
        assert await manager.transact(work) == "written"
        assert (len(runs), await rows(direct, "far.ledger")) == (1, 1)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_nor_is_a_notification(server, driver):
    async with opened(server, driver) as (manager, proxy, _):
        runs = []

        async def work(session):
            runs.append(1)
            await session.execute(text("NOTIFY somebody"))

        proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
        await manager.transact(work)
        assert len(runs) == 1


LOCKED = [
    ("SET TRANSACTION READ ONLY", "SELECT pg_current_xact_id()"),
    (INSERT, "SET TRANSACTION READ ONLY"),
    (INSERT, "set local transaction_read_only = on"),
    (INSERT, "/* so */ SET TRANSACTION READ ONLY"),
    (INSERT, "BEGIN READ ONLY"),
    (INSERT, "DO $$ BEGIN SET TRANSACTION READ ONLY; END $$"),
]


def saying(*statements):
    async def work(session):
        for statement in statements:
            await session.execute(text(statement))
        return "said"

    return work


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("statements", LOCKED)
async def test_what_has_made_itself_read_only_can_commit(server, driver, statements):
    async with opened(server, driver) as (manager, _, direct):
        assert await manager.transact(saying(*statements), max_retries=0) == "said"
        assert await rows(direct, "far.ledger") == (INSERT in statements)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_and_is_not_run_again_where_nobody_knows(server, driver):
    async with opened(server, driver) as (manager, proxy, direct):
        proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
        work = saying(INSERT, "SET TRANSACTION READ ONLY")
        if server.witness == "tokens":
            with pytest.raises(CommitOutcomeUnknown):
                await manager.transact(work)
        else:
            assert await manager.transact(work) == "said"
        assert await rows(direct, "far.ledger") == 1


@pytest.mark.parametrize("driver", DRIVERS)
async def test_what_has_written_nothing_before_is_run_again(server, driver):
    async with opened(server, driver) as (manager, proxy, _):
        runs = []

        async def work(session):
            runs.append(1)
            return await saying("SET TRANSACTION READ ONLY", "SELECT 1")(session)

        proxy.strike(LinkFault.RESET, Phase.COMMIT_REPLY)
        assert await manager.transact(work) == "said"
        assert len(runs) == 2
