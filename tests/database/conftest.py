"""A real PostgreSQL for the room's tests, and managers that leave nothing behind."""

import contextlib

import pytest
import trustme
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.resilience import Backoff, RetryConfig
from koo.testing import FaultProxy, PostgresServer

from .servers import MariadbServer

QUICK = RetryConfig(backoff=Backoff(base_delay=0.01, max_delay=0.05))


@pytest.fixture(scope="session")
def postgres():
    """A server that no test harms."""
    with PostgresServer(settings={"fsync": "off"}, start_timeout=120) as server:
        yield server


@pytest.fixture
def victim():
    """A server of one's own, to be killed."""
    with PostgresServer(settings={"fsync": "off"}) as server:
        yield server


@pytest.fixture(scope="session")
def papers(tmp_path_factory):
    """The folder with what a server at 127.0.0.1 shows and what its clients trust."""
    folder = tmp_path_factory.mktemp("tls")
    ours, others = trustme.CA(), trustme.CA()
    shown = ours.issue_cert("127.0.0.1")
    ours.cert_pem.write_to_path(folder / "ours.pem")
    others.cert_pem.write_to_path(folder / "others.pem")
    shown.cert_chain_pems[0].write_to_path(folder / "shown.pem")
    shown.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "key.pem").chmod(0o600)
    (folder / "empty.pem").touch()
    return folder


@pytest.fixture(scope="session")
def mariadb(papers):
    """A MariaDB that is well again after each test that harms it."""
    tls = (f"--ssl-cert={papers}/shown.pem", f"--ssl-key={papers}/key.pem")
    with MariadbServer("--max-connections=300", *tls) as server:
        yield server


@pytest.fixture
def mariadb_victim():
    """A serializable MariaDB of one's own, to be killed; what it has committed it finds again."""
    settings = "--innodb-flush-log-at-trx-commit=2", "--transaction-isolation=SERIALIZABLE"
    with MariadbServer(*settings) as server:
        yield server


@pytest.fixture(params=["asyncpg", "psycopg"])
def driver(request):
    return request.param


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/app.db"


@pytest.fixture(params=["asyncpg", "psycopg", "aiosqlite"])
def url(request, tmp_path):
    """The same database by each driver."""
    if request.param == "aiosqlite":
        return f"sqlite:///{tmp_path}/app.db"
    return request.getfixturevalue("postgres").url(request.param)


@pytest.fixture
def opened():
    """`async with opened(url, ...) as manager`: closed at the end, whatever happens."""

    @contextlib.asynccontextmanager
    async def opened(url, *, on_event=lambda _: None, **config):
        config.setdefault("retry", QUICK)
        manager = DatabaseManager(DatabaseConfig(url=url, **config), on_event=on_event)
        try:
            yield manager
        finally:
            await manager.close()

    return opened


@pytest.fixture
def ledger_in():
    """`await ledger_in(manager)`: an empty ledger."""
    return _prepared


@pytest.fixture
def through_proxy(postgres, driver, opened):
    """`async with through_proxy() as (manager, proxy)`; the ledger is empty."""

    @contextlib.asynccontextmanager
    async def through_proxy(**config):
        async with opened(postgres.url(driver)) as direct:
            await _prepared(direct)
            async with FaultProxy("127.0.0.1", postgres.port) as proxy:
                url = postgres.url(driver, port=proxy.port)
                async with opened(url, **config) as manager:
                    yield manager, proxy, direct

    return through_proxy


async def _prepared(manager):
    async with manager.session_scope() as session:
        await session.execute(text("DROP TABLE IF EXISTS ledger"))
        await session.execute(text("CREATE TABLE ledger (n INTEGER)"))
