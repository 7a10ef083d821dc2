"""What the application runs with, and the only reader of the environment.

    environment, .env --read_settings()--> Settings --> DatabaseConfig, ServiceConfig ...
                              |
                              +--> SettingsError, one sentence --get_settings()--> exit code 2

`.env` and relative paths belong to the root of the repository, whatever the working
directory. The environment wins over `.env`; an empty variable is an unset one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr, ValidationError, field_validator, model_validator

from koo.monitoring import Rule
from koo.stores import connect_store

from .settings import (
    ROOT,
    VAR,
    AISettings,
    ApplicationVariables,
    DatabaseSettings,
    ServiceVariables,
    SettingsError,
    Telling,
    Variables,
    explain,
    read_alert_rules,
    read_telling,
)

__all__ = [
    "ROOT",
    "VAR",
    "Settings",
    "SettingsError",
    "get_settings",
    "isolate",
    "read_settings",
]

_SQLITE: Final = "sqlite:///"
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.IGNORECASE)
#: Printable without spaces and commas, or the digest of such a one.
_TOKEN: Final = re.compile(r"sha256:[0-9a-f]{64}|(?!sha256:)[\x21-\x2b\x2d-\x7e]+")
_ALERTS: Final = ROOT / "alerts.toml"
_FAMILIES: Final = ("AI_", "DATABASE_", "DB_", "KOO_")


class Settings(ApplicationVariables, AISettings, DatabaseSettings):
    """Every variable, by its name in small letters; `core.settings.variables` explains each."""

    @property
    def state_location(self) -> str:
        """STATE_URL with an absolute path: a relative one belongs to the repository."""
        url = str(self.state_url)
        path = url.removeprefix(_SQLITE)
        return url if path == url else f"{_SQLITE}{ROOT / path}"

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """The names in KOO_ALLOWED_HOSTS."""
        return _listed(self.koo_allowed_hosts)

    @property
    def read_token(self) -> str | None:
        """KOO_READ_TOKEN in plain text."""
        return _plain(self.koo_read_token)

    @property
    def operate_token(self) -> str | None:
        """KOO_OPERATE_TOKEN in plain text."""
        return _plain(self.koo_operate_token)

    @property
    def call_token(self) -> str | None:
        """KOO_CALL_TOKEN in plain text."""
        return _plain(self.koo_call_token)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is set and must never be shown: keys, tokens, the passwords in addresses."""
        fields = (field for part in (self, *self.own.values()) for field in part)
        secrets = (
            (name, value.get_secret_value())
            for name, value in fields
            if isinstance(value, SecretStr)
        )
        return tuple(word for name, secret in secrets for word in _secret_words(name, secret))

    @cached_property
    def telling(self) -> Telling:
        """Who is told of alerts: what KOO_NOTIFY_URLS names."""
        return read_telling(_plain(self.koo_notify_urls) or "")

    @cached_property
    def alert_rules(self) -> tuple[Rule, ...]:
        """The alert rules in force: koo's, or what alerts.toml beside `.env` makes of them."""
        return read_alert_rules(_ALERTS)

    @cached_property
    def ready_gates(self) -> tuple[str, ...]:
        """The components in KOO_READY_GATES; SettingsError for one that could never be ready."""
        gates = _listed(self.koo_ready_gates)
        known = ("database", *(f"ai:{one.name}" for one in self.services if one.is_configured))
        if not set(gates) <= set(known):
            raise SettingsError(
                "KOO_READY_GATES names what is not there, or has no key; "
                f"it may list, separated by commas: {', '.join(known)}"
            )
        return gates

    def texts(self) -> dict[str, str]:
        """What is set, or has a default, as text; secrets too: to be hashed, never to be shown."""
        values = _values(self)
        for config, own in zip(self.services, self.own.values(), strict=True):
            values |= {config.variable(name): value for name, value in _values(own).items()}
        return values

    @field_validator("state_url")
    @classmethod
    def _check_state(cls, url: str) -> str:
        try:
            connect_store(url)
        except ValueError as error:
            raise ValueError(str(error).removeprefix("store: the URL ")) from None
        return url

    @field_validator("koo_allowed_hosts")
    @classmethod
    def _check_hosts(cls, text: str) -> str:
        if not all(_HOST.fullmatch(host.strip()) for host in text.split(",")):
            raise ValueError("must list host names without port or wildcard, separated by commas")
        return text

    @field_validator("koo_read_token", "koo_operate_token", "koo_call_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        if not all(_TOKEN.fullmatch(one) for one in _split(_plain(token))):
            raise ValueError(
                "must be printable ASCII without spaces, or sha256: and 64 hexadecimal digits;"
                " several are separated by commas"
            )
        return token

    @model_validator(mode="after")
    def _check_tokens(self) -> Self:
        tokens = [self.read_token, self.operate_token, self.call_token]
        given = [one for token in tokens for one in _split(token)]
        if len(set(given)) < len(given):
            raise ValueError("KOO_READ_TOKEN, KOO_OPERATE_TOKEN and KOO_CALL_TOKEN must differ")
        return self


def read_settings() -> Settings:
    """The settings of the environment and `.env`; SettingsError names what is wrong."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise explain(error) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env can't be read ({type(error).__name__}); correct it") from None
    # Built at once, so that what is wrong with them stops the start.
    _ = settings.database, settings.services, settings.alert_rules, settings.telling
    _ = settings.ready_gates
    return settings


@cache
def get_settings() -> Settings:
    """The settings of this process; what is wrong with them ends it with one sentence."""
    try:
        settings = read_settings()
        settings.make_folder()
    except SettingsError as error:
        sys.stderr.write(f"settings: {error}\n")
        raise SystemExit(2) from None
    return settings


def isolate(variables: Mapping[str, str]) -> None:
    """Let *variables* alone count from now on, neither `.env` nor what the environment says.

    For a program that must not reach anybody's real keys or data, before it imports what
    is built from the settings.
    """
    ours = {name.upper() for name in Settings.model_fields}
    for name in list(os.environ):
        if name.upper().startswith(_FAMILIES) or name.upper() in ours:
            del os.environ[name]
    os.environ.update(variables)
    for kind in (Settings, ServiceVariables):
        kind.model_config["env_file"] = None
    get_settings.cache_clear()


def _values(variables: Variables) -> dict[str, str]:
    values = {name: getattr(variables, name) for name in type(variables).model_fields}
    return {name.upper(): _text(value) for name, value in values.items() if value not in {None, ""}}


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _secret_words(name: str, secret: str) -> list[str]:
    if name == "koo_notify_urls":
        return [word for url in secret.split() for word in _words_of_a_hook(url)]
    if "://" in secret:
        password = urlsplit(secret).password or ""
        return [password, unquote(password)]
    return [word.strip() for word in secret.split(",")]


def _words_of_a_hook(url: str) -> list[str]:
    """All of *url* but its host: whoever knows them may post there."""
    return [word for word in re.split(r"[/?&=@:]+", url) if word != urlsplit(url).hostname]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _split(tokens: str | None) -> list[str]:
    return tokens.split(",") if tokens else []


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
