"""A backend that ends while it is asked for TLS has broken off: no wrong configuration.

asyncpg reads its no and its last words together and calls that a refusal of TLS, so that a call
was not repeated because a server was just being restarted.
"""

import asyncio

import pytest
from sqlalchemy import exc

from koo.database import DatabaseConfig, DatabaseManager, Kind, judge
from koo.errors import KooError

pytestmark = pytest.mark.integration

_FIELDS = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is shutting down\0\0"
LAST_WORDS = b"N" + b"E" + (len(_FIELDS) + 4).to_bytes(4) + _FIELDS


async def _ends(reader, writer):
    await reader.read(8)
    writer.write(LAST_WORDS)
    writer.close()


@pytest.mark.parametrize(
    ("mode", "kind"), [("", Kind.CONNECTION), ("?sslmode=require", Kind.CONFIGURATION)]
)
async def test_only_where_tls_is_demanded_it_is_a_refusal(mode, kind):
    async with await asyncio.start_server(_ends, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql+asyncpg://u@127.0.0.1:{port}/d{mode}"
        manager = DatabaseManager(DatabaseConfig(url=url))
        with pytest.raises((KooError, exc.DBAPIError, OSError)) as caught:
            async with manager.session_scope() as session:
                await session.connection()
        await manager.close()
    assert judge(caught.value).kind is kind
