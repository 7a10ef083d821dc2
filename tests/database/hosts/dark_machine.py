"""A client whose machine is gone without a word: how long its row lock holds, in seconds.

    dark_machine.py DRIVER --unshare--> dark_machine.py DRIVER inside --> seconds
                       +--not allowed here--> nothing

In a network of its own the client's address is taken away, and what the server sends there is lost.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time

import asyncpg
from sqlalchemy import text

from koo.database import DatabaseConfig, DatabaseManager
from koo.database.drivers import abort
from koo.testing import PostgresServer

ADDRESS = "10.9.0.1"
HOLD = text("SELECT n FROM ledger FOR UPDATE")


def main(driver, *inside):
    if inside:
        lose_the_machine(driver)
    elif words := a_network_of_its_own():
        subprocess.run([*words, sys.executable, __file__, driver, "inside"], check=True)


def a_network_of_its_own():
    """The words before a command that shall have one; none if this machine allows none."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    words = ("unshare", *user, "--net")
    allowed = shutil.which("unshare") and shutil.which("ip")
    if allowed and subprocess.run([*words, "ip", "link"], capture_output=True).returncode == 0:
        return words
    return ()


def lose_the_machine(driver):
    ip("link set lo up")
    ip(f"addr add {ADDRESS}/32 dev lo")
    with PostgresServer(settings={"fsync": "off", "listen_addresses": "*"}) as server:
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all all {ADDRESS}/32 trust\n{rules.read_text()}")
        asyncio.run(tell_when_free(server, driver))


async def tell_when_free(server, driver):
    connection = await asyncpg.connect(server.url(""))
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute("CREATE TABLE ledger (n INTEGER); INSERT INTO ledger VALUES (1)")
    url = server.url(driver).replace("127.0.0.1", ADDRESS)
    holder = DatabaseManager(DatabaseConfig(url=url))
    scope = holder.session_scope()
    await (await scope.__aenter__()).execute(HOLD)
    ip(f"addr del {ADDRESS}/32 dev lo")
    ip(f"route add blackhole {ADDRESS}/32")
    began = time.monotonic()
    await connection.execute("SELECT n FROM ledger FOR UPDATE", timeout=15)
    print(time.monotonic() - began)
    await connection.close()
    # Nobody is there any more to be told of a rollback.
    abort(holder._engines.current().keeper.slots.copy().pop().driver)
    with contextlib.suppress(Exception):
        await scope.__aexit__(None, None, None)
    await holder.close()


def ip(words):
    subprocess.run(["ip", *words.split()], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
