"""How a server that refuses to be root is started here, so that it dies with its parent.

    ordinary user ---------------------------> setpriv --pdeathsig INT server
    root, user namespaces allowed -----------> unshare --user ... setpriv --pdeathsig INT server
    root, user namespaces forbidden ---------> as nobody: setpriv --pdeathsig INT server

In a user namespace the server believes to be an ordinary user while its files stay root's, so
it works below a home that only root may enter. As nobody it needs folders that it can reach.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = 65534
NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
# SIGINT is PostgreSQL's fast shutdown.
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "INT")


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server."""

    prefix: tuple[str, ...] = ()
    """The words before the program."""
    user: int | None = None
    """Whom to become first; None = stay who we are."""


def how_to_launch(
    *,
    geteuid: Callable[[], int] = os.geteuid,
    which: Callable[[str], str | None] = shutil.which,
    succeeds: Callable[..., bool] | None = None,
) -> Launch:
    """The best way that this machine allows.

    *succeeds* runs a command and says whether it went well. Without ``setpriv`` a server outlives
    a parent that is killed.
    """
    guard = DIE_WITH_PARENT if which("setpriv") else ()
    if geteuid() != 0:
        return Launch(guard)
    if which("unshare") and (succeeds or _succeeds)(*NAMESPACE, "true"):
        return Launch((*NAMESPACE, *guard))
    return Launch(guard, user=NOBODY)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
