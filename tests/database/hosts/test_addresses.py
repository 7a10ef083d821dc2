"""Which servers a URL names, and what one must be."""

import pytest

from koo.database import DatabaseConfig
from koo.database.hosts.addresses import Address, Role


def config(url, **changes):
    return DatabaseConfig(url=url, **changes)


SEVERAL = "postgres://u:p%40ss@one:5433,two,[::1]:5434/d"


@pytest.mark.parametrize("dialect", ["postgresql+asyncpg", "postgresql+psycopg"])
@pytest.mark.parametrize(
    "rest",
    ["u:p%40ss@one:5433,two,[::1]:5434/d", "u:p%40ss@/d?host=one:5433&host=two&host=[::1]:5434"],
)
def test_several_hosts_are_understood_as_libpq_and_as_sqlalchemy_write_them(dialect, rest):
    several = config(f"{dialect}://{rest}")
    assert several.addresses == (Address("one", 5433), Address("two"), Address("::1", 5434))
    assert (several.location.username, several.location.password) == ("u", "p@ss")
    assert several.location.database == "d"
    assert several.dialed.host == "one"
    assert several.dialed.query == {}


def test_what_is_written_anew_is_still_understood():
    once = config(SEVERAL)
    assert config(once.url).url == once.url


def test_one_host_stays_where_it_was_and_none_is_the_drivers_choice():
    assert config("postgres://u@one:5433/d").addresses == (Address("one", 5433),)
    assert config("postgres:///d").addresses == (Address(),)
    by_socket = config("postgresql+psycopg://u@/d?host=/run/postgresql")
    assert by_socket.addresses == (Address(),)
    assert by_socket.dialed.query == {"host": "/run/postgresql"}


def test_of_several_the_one_that_can_be_written_to_is_wanted_unless_said_otherwise():
    assert config(SEVERAL).role is Role.READ_WRITE
    assert config("postgres://u@one/d").role is Role.ANY
    standby = config(f"{SEVERAL}?target_session_attrs=standby")
    assert standby.role is Role.STANDBY
    assert standby.dialed.query == {}


def test_a_role_that_is_none_is_refused_and_the_known_ones_are_named():
    with pytest.raises(ValueError, match="target_session_attrs .* use one of any, read-write, r"):
        config("postgres://u@one/d?target_session_attrs=master")


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_port_that_is_none_is_refused_for_each_host(port):
    with pytest.raises(ValueError, match=r"^DatabaseConfig: url has a port"):
        config(f"postgres://u@one:5432,two:{port}/d")


def test_a_file_has_no_servers_and_no_role():
    with pytest.raises(ValueError, match="names servers, and SQLite has none; name a file"):
        config("sqlite:///app.db?target_session_attrs=primary")


def test_mysql_may_have_several_servers_too():
    several = config("mysql://u:p@one:3307,two/d")
    assert several.addresses == (Address("one", 3307), Address("two"))
    assert several.role is Role.READ_WRITE
    assert (several.dialed.host, several.dialed.port) == ("one", 3307)
    assert several.dialed.query == {}


def test_replicas_are_each_a_database_of_their_own():
    both = config(
        "postgres://u@main/d", replicas="postgres://r:s@one:1,two:2/d?sslmode=require", pool_size=3
    )
    assert [one.addresses for one in both.standbys] == [(Address("one", 1),), (Address("two", 2),)]
    assert {one.role for one in both.standbys} == {Role.STANDBY}
    assert {one.location.password for one in both.standbys} == {"s"}
    assert {one.location.query["sslmode"] for one in both.standbys} == {"require"}
    assert {(one.pool_size, one.replicas) for one in both.standbys} == {(3, "")}
    assert config("postgres://u@main/d").standbys == ()


@pytest.mark.parametrize(
    ("replicas", "sentence"),
    [
        ("nonsense", "replicas is not a database URL"),
        ("mysql://u@h/d", "replicas must be standbys of PostgreSQL"),
    ],
)
def test_replicas_that_are_none_are_refused_without_their_url(replicas, sentence):
    with pytest.raises(ValueError, match=f"^DatabaseConfig: {sentence}"):
        config("postgres://u@main/d", replicas=replicas)
