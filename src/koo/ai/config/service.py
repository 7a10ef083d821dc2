"""What an AI service is told at birth, and what is known of each vendor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from math import isfinite
from types import MappingProxyType
from typing import Final

from ...resilience import BreakerConfig, DailyBudgetConfig, RetryConfig
from ..pricing import TokenPrice
from .cache import CacheConfig
from .route import is_base_url, is_proxy, trust_in

__all__ = ["VENDORS", "ServiceConfig", "Vendor"]


@dataclass(frozen=True, slots=True)
class Vendor:
    """What is true of a vendor unless a setting says otherwise; *prices* is its name there.

    *sdk* is the package whose exceptions speak of it.
    """

    prices: str = ""
    base_url: str = ""
    model: str = ""
    key_variable: str = ""
    sdk: str = "openai"


#: The vendors by name. A compatible server is priced under the service's own name.
VENDORS: Final[Mapping[str, Vendor]] = MappingProxyType(
    {
        "anthropic": Vendor(
            "anthropic",
            "https://api.anthropic.com",
            "claude-sonnet-5-5",
            "ANTHROPIC_API_KEY",
            "anthropic",
        ),
        "openai": Vendor("openai", "https://api.openai.com/v1", "gpt-6.1-terra", "OPENAI_API_KEY"),
        "gemini": Vendor(
            "google",
            "https://generativelanguage.googleapis.com",
            "gemini-3.8-flash",
            "GEMINI_API_KEY",
            "google.genai",
        ),
        "perplexity": Vendor(
            "perplexity", "https://api.perplexity.ai", "sonar", "PERPLEXITY_API_KEY"
        ),
        "openai-responses": Vendor("openai", "https://api.openai.com/v1", "gpt-6.1-terra"),
        "compatible": Vendor(),
    }
)

#: The documented services that are not called like their vendor.
_VENDOR_OF: Final[Mapping[str, str]] = MappingProxyType({"claude": "anthropic"})

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_COUNTS: Final = ("requests_per_minute", "requests_per_hour", "requests_per_day", "max_tokens")
_OPTIONAL_COUNTS: Final = ("tokens_per_minute", "max_concurrent")
_SECONDS: Final = ("timeout", "attempt_timeout", "idle_timeout", "check_interval", "check_timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """One AI service.

    *name* claude, openai, gemini, perplexity or openai-responses brings its *vendor*
    with it; any other is an OpenAI-compatible server unless *vendor* says otherwise, and needs
    *base_url* (as the official SDK takes it) and *model*. Without *api_key* the
    service exists but is not configured; several keys, separated by commas, take turns.

    *tokens_per_minute* counts a call's every byte as a token, and all it may answer, until
    its answer says what it used; *max_concurrent* calls are in flight, streams until their
    end. None: no limit.

    *timeout* bounds a whole query or stream, *attempt_timeout* one attempt (of a
    stream: until its first text), *idle_timeout* each gap in a stream that has begun,
    *patience* the time in line (None: what is left of the timeout), *check_timeout* an
    active check, of which there is at most one in *check_interval*. All in seconds.
    *daily_budget_nanousd* may be spent on each calendar day of *budget_zone*.
    *price* is that of *model*, whatever the price table says, and of other models that the
    table does not know. Requests go through *proxy*, an address that may hold a name and a
    password; *ca_bundle* is a PEM file of the authorities to trust instead of the system's.
    *cache* None: no answer serves twice.
    """

    name: str
    vendor: str = ""
    api_key: str | None = field(default=None, repr=False)
    key_variable: str = ""
    base_url: str = ""
    model: str = ""
    requests_per_minute: int = 60
    requests_per_hour: int = 1000
    requests_per_day: int = 10_000
    tokens_per_minute: int | None = None
    max_concurrent: int | None = None
    daily_budget_nanousd: int = 10_000_000_000
    budget_zone: tzinfo = UTC
    timeout: float = 60.0
    attempt_timeout: float = 30.0
    idle_timeout: float = 30.0
    patience: float | None = None
    max_tokens: int = 1024
    price: TokenPrice | None = None
    proxy: str = field(default="", repr=False)
    ca_bundle: str = ""
    cache: CacheConfig | None = None
    retry: RetryConfig = field(default=RetryConfig())
    retry_budget: bool = True
    breaker: BreakerConfig = field(default=BreakerConfig())
    check_interval: float = 60.0
    check_timeout: float = 5.0

    def __post_init__(self) -> None:
        """Fill in what the vendor brings; refuse what could never work."""
        if not _NAME.fullmatch(self.name):
            raise ValueError("ServiceConfig: name must be a lower-case word, like groq")
        self._fill_in()
        self._check_key()
        self._check_address()
        self._check_route()
        self._check_numbers()
        self._check_budget()

    @property
    def price_list(self) -> str:
        """The vendor's name in the price table; for a compatible server its own."""
        return VENDORS[self.vendor].prices or self.name

    @property
    def is_configured(self) -> bool:
        """Whether it has a key."""
        return self.api_key is not None

    @property
    def api_keys(self) -> tuple[str, ...]:
        """Its keys."""
        return tuple(key.strip() for key in (self.api_key or "").split(",") if key.strip())

    def variable(self, suffix: str) -> str:
        """The environment variable that sets *suffix* for this service."""
        return f"AI_{self.name.upper().replace('-', '_')}_{suffix}"

    def _fill_in(self) -> None:
        named = self.vendor or _VENDOR_OF.get(self.name, self.name)
        known = self.vendor or (named if named in VENDORS else "compatible")
        if known not in VENDORS:
            raise ValueError(f"{self.name}: vendor must be one of {', '.join(VENDORS)}")
        vendor = VENDORS[known]
        self._set("vendor", known)
        self._set("base_url", (self.base_url or vendor.base_url).rstrip("/"))
        self._set("model", self.model or vendor.model)
        self._set("key_variable", self.key_variable or self._own_key_variable(vendor))
        self._set("api_key", ",".join(self.api_keys) or None)
        if not self.model:
            raise ValueError(f"{self.name}: no model is named; set {self.variable('MODEL')}")

    def _own_key_variable(self, vendor: Vendor) -> str:
        is_documented = _VENDOR_OF.get(self.name, self.name) == self.vendor
        return (vendor.key_variable if is_documented else "") or self.variable("API_KEY")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_key(self) -> None:
        if not all(map(_KEY.fullmatch, self.api_keys)):
            raise ValueError(
                f"{self.name}: {self.key_variable} holds characters that no key has; paste it again"
            )

    def _check_address(self) -> None:
        if not is_base_url(self.base_url):
            raise ValueError(
                f"{self.name}: {self.variable('BASE_URL')} is not an address like"
                " https://api.example.com/v1; correct it"
            )

    def _check_route(self) -> None:
        if self.proxy and not is_proxy(self.proxy):
            raise ValueError(
                f"{self.name}: {self.variable('PROXY')} is not an address like"
                " http://name:password@proxy.example.com:3128; correct it"
            )
        try:
            trust_in(self.ca_bundle)
        except OSError as error:
            raise ValueError(
                f"{self.name}: {self.variable('CA_BUNDLE')} can't be read as certificates"
                f" ({type(error).__name__}); name a PEM file"
            ) from None

    def _check_numbers(self) -> None:
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"{self.name}: {name} must be at least 1")
        for name in _OPTIONAL_COUNTS:
            if (count := getattr(self, name)) is not None and count < 1:
                raise ValueError(f"{self.name}: {name} must be at least 1; None is no limit")
        for name in _SECONDS:
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{self.name}: {name} must be above 0 seconds")
        if self.patience is not None and not (isfinite(self.patience) and self.patience > 0):
            raise ValueError(
                f"{self.name}: patience must be above 0 seconds; 0.001 is next to none"
            )
        if self.retry.max_retries and self.retry.backoff.base_delay >= 2 * self.timeout:
            raise ValueError(
                f"{self.name}: timeout is shorter than most first waits before a retry;"
                f" raise {self.variable('TIMEOUT')} or lower the base delay"
            )

    def _check_budget(self) -> None:
        try:
            DailyBudgetConfig(self.daily_budget_nanousd, self.budget_zone)
        except ValueError as error:
            raise ValueError(f"{self.name}: the daily budget is wrong: {error}") from None
