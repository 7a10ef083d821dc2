"""Alert rules of a user's own: read from TOML, and tried before they are trusted."""

from __future__ import annotations

from .reading import RuleFile, read_rules
from .rehearsal import Scenario, rehearse
from .tables import RuleFileError

__all__ = ["RuleFile", "RuleFileError", "Scenario", "read_rules", "rehearse"]
