"""The database's variables, and what the database room is told of them."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from pydantic import model_validator
from sqlalchemy.engine import URL

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
        given = self.database_url.get_secret_value() if self.database_url else ""
        config = self._configured(given or f"sqlite:///{VAR / 'koo.db'}")
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
        given = self.database.location
        where = URL.create(
            given.drivername, host=given.host, port=given.port, database=given.database
        )
        return {**values, "DATABASE_URL": where.render_as_string()}

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
                retry_budget=RetryBudget() if self.db_retry_budget == "on" else None,
            )
        except ValueError as error:
            what = str(error).removeprefix("DatabaseConfig: url ")
            raise SettingsError(f"DATABASE_URL {what}") from None


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
