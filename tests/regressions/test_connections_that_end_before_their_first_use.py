"""An error of asyncpg's own reached the caller, and was taken for the caller's."""

import pytest
from sqlalchemy import event, exc, text

from koo.database import DatabaseConfig, DatabaseManager, Kind, judge

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_connection_that_ends_before_its_first_use_is_the_databases_doing(server, driver):
    manager = DatabaseManager(DatabaseConfig(url=server.url(driver)))

    def end(connection, _record):
        if driver == "asyncpg":
            connection.driver_connection.terminate()
        else:
            connection.driver_connection.pgconn.finish()

    event.listen(manager.engine.sync_engine.pool, "connect", end, insert=True)
    with pytest.raises(exc.DBAPIError) as caught:
        async with manager.session_scope() as session:
            await session.execute(text("SELECT 2"))
    assert judge(caught.value).kind is Kind.CONNECTION
    stats = manager.stats()
    assert (stats.breaker.failures, stats.pool.active) == (1, 0)
    await manager.close()
