"""The environment variables, and what each room makes of its own."""

from __future__ import annotations

from .alerts import read_alert_rules
from .database import DatabaseSettings
from .fingerprint import Fingerprint
from .refusals import SettingsError, explain
from .services import DOCUMENTED, AISettings
from .telling import Telling, read_telling
from .variables import (
    ROOT,
    VAR,
    AIVariables,
    ApplicationVariables,
    DatabaseVariables,
    ServiceVariables,
    Variables,
)

__all__ = [
    "DOCUMENTED",
    "ROOT",
    "VAR",
    "AISettings",
    "AIVariables",
    "ApplicationVariables",
    "DatabaseSettings",
    "DatabaseVariables",
    "Fingerprint",
    "ServiceVariables",
    "SettingsError",
    "Telling",
    "Variables",
    "explain",
    "read_alert_rules",
    "read_telling",
]
