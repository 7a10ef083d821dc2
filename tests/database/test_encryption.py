"""How a URL asks for TLS, and what each driver is told of it."""

from sqlalchemy.engine import make_url

from koo.database import DatabaseConfig
from koo.database.drivers.encryption import address_of, encryption_of

ASKED = "ssl_min_protocol_version=TLSv1.3&sslmode=verify-ca&target_session_attrs=any"


def told(scheme, query):
    location = DatabaseConfig(url=f"{scheme}://u:p%40ss@h/d?{query}").location
    return address_of(location), encryption_of(location)


def test_asyncpg_is_told_in_a_dsn_and_the_rest_stays_in_the_url():
    address, arguments = told("postgresql", ASKED)
    assert address == make_url("postgresql+asyncpg://u:p%40ss@h/d?target_session_attrs=any")
    assert arguments == {"dsn": "postgresql://?ssl_min_protocol_version=TLSv1.3&sslmode=verify-ca"}


def test_a_path_keeps_its_awkward_characters(tmp_path):
    authority = tmp_path / "a & b.pem"
    authority.touch()
    query = f"sslrootcert={tmp_path}/a%20%26%20b.pem"
    _, arguments = told("postgresql", query)
    assert make_url(arguments["dsn"]).query == {"sslrootcert": str(authority)}


def test_psycopg_reads_the_url_itself():
    address, arguments = told("postgresql+psycopg", ASKED)
    assert address.query["sslmode"] == "verify-ca"
    assert arguments == {}


def test_nothing_asked_for_is_nothing_told():
    address, arguments = told("postgresql", "")
    assert (address.query, arguments) == ({}, {})
