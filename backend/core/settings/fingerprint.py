"""Which settings differ from those of the last start, without keeping any of them.

    texts --salted hash each--> compare with the file --> names that differ --> the file anew

A salt of its own for every file, so that two files tell nothing about each other.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

__all__ = ["Fingerprint"]

_OWNER_ONLY: Final = 0o600


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A salt, and the salted hash of each variable's value."""

    salt: str
    hashes: Mapping[str, str]

    @classmethod
    def of(cls, texts: Mapping[str, str], salt: str | None = None) -> Fingerprint:
        """The fingerprint of *texts*, under a new salt unless one is given."""
        salt = salt or secrets.token_hex(16)
        return cls(salt, {name: _hash(salt, name, text) for name, text in texts.items()})

    @classmethod
    def load(cls, path: Path) -> Fingerprint | None:
        """The one that was saved; None if there is none, or none that can be read."""
        try:
            kept = json.loads(path.read_text())
            return cls(str(kept["salt"]), {str(k): str(v) for k, v in kept["hashes"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def save(self, path: Path) -> None:
        """Write it for the next start; where nothing can be written, the next start knows less."""
        text = json.dumps({"salt": self.salt, "hashes": dict(self.hashes)}, indent=1)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_text(text)
            fresh.chmod(_OWNER_ONLY)
            fresh.replace(path)

    def changed(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """The names whose values in *texts* are not those of this fingerprint."""
        now = Fingerprint.of(texts, self.salt).hashes
        names = {*now, *self.hashes}
        return tuple(sorted(name for name in names if now.get(name) != self.hashes.get(name)))


def _hash(salt: str, name: str, text: str) -> str:
    return blake2b(f"{name}={text}".encode(), key=salt.encode(), digest_size=16).hexdigest()
