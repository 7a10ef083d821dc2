"""The HTTP surface: documented endpoints, live stream, page, and who may use them.

Knows databases and AI services only as Components, through a ``Monitor``. Needs
the extra ``web``.
"""

from __future__ import annotations

from .access import Access, AccessConfig, Principal, Scope, is_loopback
from .console import Console, ConsoleConfig
from .lifecycle import Lifecycle, Phase
from .problems import Problem, handle_problems

__all__ = [
    "Access",
    "AccessConfig",
    "Console",
    "ConsoleConfig",
    "Lifecycle",
    "Phase",
    "Principal",
    "Problem",
    "Scope",
    "handle_problems",
    "is_loopback",
]
