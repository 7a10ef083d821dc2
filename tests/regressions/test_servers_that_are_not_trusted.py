"""A server with the wrong certificate was dialed again and again, and tripped the circuit."""

import ssl

import psycopg
import pytest
from sqlalchemy import exc

from koo.database import DatabaseConfig, Kind, judge
from koo.database.drivers.encryption import encryption_of
from koo.database.verdicts import as_database_error

UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate")
FAILED = 'connection to server at "::1", port 5432 failed: '


@pytest.mark.parametrize(
    "raised",
    [
        UNTRUSTED,
        ssl.SSLError(1, "[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found"),
        ConnectionError('PostgreSQL server at "::1:5432" rejected SSL upgrade'),
        psycopg.OperationalError(f"{FAILED}SSL error: certificate verify failed"),
        psycopg.OperationalError(
            f'{FAILED}server certificate for "a" does not match host name "b"'
        ),
        psycopg.OperationalError(f"{FAILED}server does not support SSL, but SSL was required"),
        psycopg.OperationalError(f'{FAILED}could not read root certificate file "a.pem"'),
    ],
    ids=str,
)
def test_it_is_never_asked_again_and_counts_for_nothing(raised):
    found = judge(as_database_error(raised))
    assert found.kind is Kind.CONFIGURATION
    assert (found.failure.retryable, found.failure.trips) == (False, False)


def test_what_asyncmy_calls_unreachable_is_judged_by_its_words():
    error = exc.OperationalError(None, None, Exception(2003, f"Can't connect ({UNTRUSTED})"))
    assert judge(error).kind is Kind.CONFIGURATION
    refused = exc.OperationalError(None, None, Exception(2003, "Can't connect (refused)"))
    assert judge(refused).kind is Kind.CONNECTION


def test_an_authority_in_the_url_reaches_asyncpg(tmp_path):
    """It ended in a TypeError at the first connection."""
    authority = tmp_path / "ca.pem"
    authority.touch()
    config = DatabaseConfig(url=f"postgres://u@h/d?sslmode=verify-full&sslrootcert={authority}")
    assert "sslrootcert" in encryption_of(config.location)["dsn"]
