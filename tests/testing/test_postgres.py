"""A real PostgreSQL: started, stopped, killed, frozen, and gone with its parent."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import asyncpg
import pytest

from koo.testing import PostgresServer
from koo.testing.servers import Launch, find_binaries, how_to_launch
from koo.testing.servers.data_folder import DataFolder
from koo.testing.servers.launch import NAMESPACE, NOBODY
from koo.testing.servers.processes import inhabitants

pytestmark = pytest.mark.integration

FAST = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture(scope="module")
def server():
    with PostgresServer(settings=FAST) as started:
        yield started


def ask(server, query="select 1", timeout=30.0):
    """What the server answers."""

    async def asked():
        async with asyncio.timeout(timeout):
            connection = await asyncpg.connect(server.url(""))
            try:
                return await connection.fetchval(query)
            finally:
                connection.terminate()

    return asyncio.run(asked())


def eventually(condition, seconds=30.0):
    """Whether *condition* becomes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_is_a_real_postgresql_with_utf8(server):
    assert ask(server, "show server_version").startswith(("16", "17", "18"))
    assert ask(server, "show server_encoding") == "UTF8"


def test_its_settings_are_those_given(server):
    assert ask(server, "show shared_buffers") == "16MB"


def test_the_url_names_driver_port_and_database(server):
    port = server.port
    assert server.url() == f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres"
    assert server.url("psycopg", database="other").startswith("postgresql+psycopg://")
    assert server.url("psycopg", database="other").endswith("/other")
    assert server.url("", port=15432) == "postgresql://postgres@127.0.0.1:15432/postgres"


def test_starting_twice_starts_one(server):
    pid = server.pid
    server.start()
    assert server.pid == pid


def test_after_kill_nothing_is_left_and_the_data_come_back_on_the_same_port(server):
    ask(server, "create table kept(x int)")
    ask(server, "insert into kept values (42)")
    port, data = server.port, server.folder / "data"
    server.kill()
    assert not server.running
    assert server.pid is None
    assert inhabitants(data) == ()
    assert not listens(port)
    server.restart()
    assert server.port == port
    assert ask(server, "select x from kept") == 42


def test_killing_what_does_not_run_does_nothing():
    PostgresServer().kill()


def test_children_that_outlive_a_postmaster_killed_from_outside_do_not_stop_a_restart(server):
    os.kill(server.pid, signal.SIGKILL)
    assert eventually(lambda: not server.running)
    server.start()
    assert ask(server) == 1


def test_a_frozen_server_does_not_answer_and_a_thawed_one_does(server):
    server.freeze()
    try:
        assert server.running
        with pytest.raises(TimeoutError):
            ask(server, timeout=0.3)
    finally:
        server.thaw()
    assert ask(server) == 1


def test_restart_ends_the_connections_and_serves_again(server):
    before = ask(server, "select pg_postmaster_start_time()")
    server.restart()
    assert ask(server, "select pg_postmaster_start_time()") > before


def test_a_standby_follows_until_it_is_promoted(server):
    with server.standby(settings=FAST) as standby:
        assert ask(standby, "select pg_is_in_recovery()") is True
        standby.promote()
        assert ask(standby, "select pg_is_in_recovery()") is False
        with pytest.raises(RuntimeError, match="^postgres: pg_ctl failed; it says: .*standby mode"):
            standby.promote()
    assert not standby.running


def test_stop_removes_a_temporary_folder_and_every_process():
    server = PostgresServer(settings=FAST)
    server.start()
    folder = server.folder
    server.stop()
    assert not folder.exists()
    assert inhabitants(folder / "data") == ()
    assert not server.running


def test_stop_keeps_a_given_folder_and_a_second_start_finds_its_data(tmp_path):
    with PostgresServer(tmp_path / "pg", settings=FAST) as server:
        ask(server, "create table kept(x int)")
    with PostgresServer(tmp_path / "pg", settings=FAST) as server:
        assert ask(server, "select count(*) from kept") == 0


def test_stop_does_not_wait_for_a_client_that_will_not_go():
    """SIGINT lets nobody finish, but a frozen child would keep the postmaster waiting."""
    server = PostgresServer(settings=FAST)
    server.start()
    child = next(pid for pid in inhabitants(server.folder / "data") if pid != server.pid)
    os.kill(child, signal.SIGSTOP)
    began = time.monotonic()
    server.thaw = lambda: None
    server.stop()
    assert time.monotonic() - began < 20
    assert not server.running


def test_a_server_already_serving_the_folder_is_left_alone(server, monkeypatch):
    monkeypatch.setattr("koo.testing.servers.data_folder.LEAVING", 0.1)
    second = PostgresServer(server.folder)
    with pytest.raises(RuntimeError, match=r"already serves .*; stop it or give another folder"):
        second.start()
    second.stop()
    assert ask(server) == 1


def test_a_lock_file_that_says_ready_for_a_dead_process_is_not_believed(tmp_path):
    (tmp_path / "data").mkdir()
    lines = ["4711", "x", "0", "5432", "", "127.0.0.1", "1 2", "ready   "]
    (tmp_path / "data" / "postmaster.pid").write_text("\n".join(lines))
    files = DataFolder(tmp_path)
    assert files.is_ready(4711)
    assert not files.is_ready(4712)
    files.take_over()
    assert not files.is_ready(4711)


def test_a_lock_file_still_being_written_is_not_ready(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postmaster.pid").write_text("4711\n")
    assert not DataFolder(tmp_path).is_ready(4711)


def test_a_wrong_setting_is_told_with_the_servers_own_words():
    server = PostgresServer(settings={"no_such_setting": "1"})
    with pytest.raises(RuntimeError, match=r"ended during its start.*no_such_setting"):
        server.start()
    assert not server.running
    server.stop()


def test_a_server_that_is_not_ready_in_time_is_ended(server):
    slow = PostgresServer(settings=FAST, start_timeout=0.0)
    with pytest.raises(TimeoutError, match=r"not ready after 0\.0 s"):
        slow.start()
    assert not slow.running
    slow.stop()


def test_an_initdb_that_fails_is_told_with_its_own_words(tmp_path):
    wrong = tmp_path / "bin"
    wrong.mkdir()
    (wrong / "initdb").write_text("#!/bin/sh\necho no room left >&2\nexit 1\n")
    (wrong / "initdb").chmod(0o755)
    server = PostgresServer(tmp_path / "pg", binaries=wrong, launch=Launch())
    with pytest.raises(RuntimeError, match="initdb failed; it says: no room left"):
        server.start()
    assert not (tmp_path / "pg" / "data").exists()


def test_an_initdb_cut_short_is_done_anew(tmp_path):
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "half").write_text("x")
    with PostgresServer(tmp_path, settings=FAST) as server:
        assert ask(server) == 1
    assert not (tmp_path / "data" / "half").exists()


def test_a_server_started_in_a_short_lived_thread_lives_on():
    server = PostgresServer(settings=FAST)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        time.sleep(1.0)
        assert server.running
        assert ask(server) == 1
    finally:
        server.stop()


PROGRAM = """
import sys, time
from pathlib import Path
from koo.testing.servers import PostgresServer
server = PostgresServer(Path(sys.argv[1]), settings={"fsync": "off"})
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def test_a_parent_killed_with_9_leaves_no_server_behind(tmp_path):
    with _child(tmp_path) as (child, pid):
        child.kill()
        child.wait()
        assert eventually(lambda: not Path(f"/proc/{pid}/cwd").exists())
        assert eventually(lambda: inhabitants(tmp_path / "pg" / "data") == ())


def test_the_folder_of_a_killed_parent_can_be_taken_over_at_once(tmp_path):
    with _child(tmp_path) as (child, _):
        child.kill()
        child.wait()
        with PostgresServer(tmp_path / "pg", settings=FAST) as server:
            assert ask(server) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
def test_root_without_user_namespaces_serves_as_nobody():
    launch = how_to_launch(succeeds=lambda *_: False)
    assert launch.user is not None
    with PostgresServer(settings=FAST, launch=launch) as server:
        assert ask(server) == 1
        assert Path(f"/proc/{server.pid}").stat().st_uid == launch.user


def test_who_becomes_another_gives_it_the_folder_and_programs_within_its_reach(
    tmp_path, monkeypatch
):
    """To the point where only root can go on: the programs here are an empty folder."""
    given = []
    monkeypatch.setattr(os, "chown", lambda *to: given.append(to))
    folder, binaries = tmp_path / "pg", tmp_path / "closed" / "package" / "installed" / "bin"
    (folder / "data").mkdir(parents=True)
    binaries.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    server = PostgresServer(folder, binaries=binaries, launch=Launch(user=NOBODY))
    with pytest.raises(OSError, match=r"permitted|postgres"):
        server.start()
    server.stop()
    assert given == [(folder, NOBODY, NOBODY)]
    assert (folder / "package" / "installed" / "bin").is_dir()


@pytest.mark.skipif(how_to_launch().user is not None, reason="no user namespaces here")
def test_an_ordinary_user_serves_directly(tmp_path):
    with _child(tmp_path, *NAMESPACE) as (child, pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"unshare" not in command
        child.kill()
        child.wait()
        assert eventually(lambda: inhabitants(tmp_path / "pg" / "data") == ())


def test_binaries_given_are_the_ones_used():
    with PostgresServer(settings=FAST, binaries=find_binaries()) as server:
        assert ask(server) == 1


@contextlib.contextmanager
def _child(tmp_path, *prefix):
    child = subprocess.Popen(
        [*prefix, sys.executable, "-c", PROGRAM, str(tmp_path / "pg")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield child, int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
