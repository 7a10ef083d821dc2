"""Writes what follows from the settings: `.env.example`, and the tables of docs/configuration.md.

.venv/bin/python tests/backend/configuration_page.py
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from core.settings import (  # noqa: E402
    DOCUMENTED,
    AIVariables,
    ApplicationVariables,
    DatabaseVariables,
    ServiceVariables,
)

PAGE = ROOT / "docs/configuration.md"
EXAMPLE = ROOT / ".env.example"
FAMILIES = (DatabaseVariables, AIVariables, ServiceVariables, ApplicationVariables)
HEAD = """\
# Every variable of the application, with its default. Copy this file to .env and change what
# you need; what is empty counts as unset. docs/configuration.md says more.
"""


def name_of(family, field):
    """The variable of *field*; that of each service in general."""
    prefix = "AI_<SERVICE>_" if family is ServiceVariables else ""
    return prefix + field.upper()


def text_of(default):
    """A default as one writes it into `.env`."""
    return "" if default is None else str(default)


def table(family):
    """The variables of *family* in Markdown."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for field, info in family.model_fields.items():
        default = text_of(info.default)
        shown = f"`{default}`" if default else "unset"
        lines.append(f"| `{name_of(family, field)}` | {shown} | {info.description} |")
    return "\n".join(lines)


def page(text):
    """*text* with every table written anew, between its markers."""
    for family in FAMILIES:
        mark = family.__name__
        between = rf"(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)"
        text = re.sub(between, rf"\g<1>\n{table(family)}\n\n\2", text, flags=re.DOTALL)
    return text


def example():
    """The whole of `.env.example`."""
    parts = [HEAD]
    for family in FAMILIES:
        parts.append(f"\n# --- {family.__doc__.rstrip('.')} ---\n\n")
        parts += _lines(family)
    return "".join(parts)


def _lines(family):
    prefixes = (
        [f"AI_{name.upper()}_" for name in DOCUMENTED] if family is ServiceVariables else [""]
    )
    for prefix in prefixes:
        for field, info in family.model_fields.items():
            if not (prefix and field == "api_key"):
                meaning = info.description.replace("`", "")
                yield f"# {meaning}\n{prefix}{field.upper()}={text_of(info.default)}\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    EXAMPLE.write_text(example())
