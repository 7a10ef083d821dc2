"""The alert rules that are in force: koo's, and those of a file beside `.env`."""

from __future__ import annotations

from pathlib import Path

from koo.monitoring import RULES, Rule, rulefile

from .refusals import SettingsError

__all__ = ["read_alert_rules"]


def read_alert_rules(path: Path) -> tuple[Rule, ...]:
    """Koo's rules without a file at *path*, else what it says; SettingsError for a wrong one."""
    try:
        return rulefile.read_rules(path.read_text(encoding="utf-8")).rules
    except FileNotFoundError:
        return RULES
    except (OSError, UnicodeDecodeError) as error:
        what = f"can't be read ({type(error).__name__})"
        raise SettingsError(f"{path.name} {what}; correct it") from None
    except rulefile.RuleFileError as error:
        raise SettingsError(f"{path.name}: {error}") from None
