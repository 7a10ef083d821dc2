"""The database's variables, and what the database room is told of them."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from pydantic import SecretStr, model_validator
from sqlalchemy.engine import URL, make_url

from koo.database import DatabaseConfig
from koo.resilience import Backoff, BreakerConfig, RetryBudget, RetryConfig

from .refusals import SettingsError
from .variables import ROOT, VAR, DatabaseVariables

__all__ = ["DatabaseSettings"]


class DatabaseSettings(DatabaseVariables):
    """The database's variables; :attr:`database` is what they come to."""

    @cached_property
    def database(self) -> DatabaseConfig:
        """What the database room is told. A relative SQLite file belongs to the repository."""
        config = self._configured(_plain(self.database_url) or f"sqlite:///{VAR / 'koo.db'}")
        location = config.location
        path = location.database or ""
        if location.get_backend_name() != "sqlite" or config.is_memory or path.startswith("file:"):
            return config
        absolute = location.set(database=str(ROOT / path))
        return self._configured(absolute.render_as_string(hide_password=False))

    def make_folder(self) -> None:
        """Make the folder of the file that is used when DATABASE_URL is unset."""
        if self.database_url is not None:
            return
        try:
            VAR.mkdir(exist_ok=True)
        except OSError:
            raise SettingsError(
                f"DATABASE_URL is unset and {VAR} can't be made; set it, or let that be made"
            ) from None

    def shown(self) -> dict[str, object]:
        """The variables and their values for people: of the URL no user, password or option."""
        values = {name.upper(): getattr(self, name) for name in DatabaseVariables.model_fields}
        config, replicas = self.database, self.database.replicas
        values["DATABASE_REPLICAS"] = _where(make_url(replicas)) if replicas else None
        return {**values, "DATABASE_URL": _where(config.location)}

    @model_validator(mode="after")
    def _check_delays(self) -> Self:
        if self.db_retry_max_delay < self.db_retry_base_delay:
            raise ValueError("DB_RETRY_MAX_DELAY must be at least DB_RETRY_BASE_DELAY")
        if self.db_max_retries and self.db_retry_base_delay >= 2 * self.db_timeout:
            raise ValueError("DB_TIMEOUT must be above half of DB_RETRY_BASE_DELAY")
        return self

    def _configured(self, url: str) -> DatabaseConfig:
        try:
            return DatabaseConfig(
                url=url,
                pool_size=self.database_pool_size,
                max_overflow=self.database_max_overflow,
                pool_timeout=self.database_pool_timeout,
                pool_recycle=self.database_pool_recycle,
                timeout=self.db_timeout,
                attempt_timeout=self.db_attempt_timeout,
                check_timeout=self.health_check_timeout,
                check_interval=self.db_health_check_interval,
                commit_tokens=self.db_commit_tokens,
                breaker=_breaker(self),
                retry=_retry(self),
                replicas=_plain(self.database_replicas),
                replica_staleness=self.database_replica_staleness,
                idle_in_transaction_timeout=self.db_idle_in_transaction_timeout,
                retry_budget=RetryBudget() if self.db_retry_budget == "on" else None,
            )
        except ValueError as error:
            name, _, what = str(error).removeprefix("DatabaseConfig: ").partition(" ")
            raise SettingsError(f"DATABASE_{name.upper()} {what}") from None


def _where(url: URL) -> str:
    """*url* without user, password and options; several hosts are one of them."""
    where = URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
    hosts = {name: url.query[name] for name in ("host",) if name in url.query}
    return where.update_query_dict(hosts).render_as_string()


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _breaker(settings: DatabaseVariables) -> BreakerConfig:
    return BreakerConfig(
        failure_threshold=settings.db_circuit_breaker_failure_threshold,
        recovery_timeout=settings.db_circuit_breaker_recovery_timeout,
        success_threshold=settings.db_circuit_breaker_success_threshold,
    )


def _retry(settings: DatabaseVariables) -> RetryConfig:
    backoff = Backoff(
        base_delay=settings.db_retry_base_delay,
        max_delay=settings.db_retry_max_delay,
        multiplier=settings.db_retry_backoff_multiplier,
    )
    return RetryConfig(max_retries=settings.db_max_retries, backoff=backoff)
