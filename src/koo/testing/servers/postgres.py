"""A real PostgreSQL for runs and tests, that dies with the program that started it.

                 start()                    stop(): SIGINT, SIGQUIT after 0.5 s
    no process ----------> ready ------------------------------------------> no process
                           | ^  kill(): kill -9 of every process                 ^
                           | +---- start() on the same port and data             |
                           +-----------------------------------------------------+

``freeze`` and ``thaw`` stop and continue every process of the server without ending it;
``standby`` makes a second server that follows this one until ``promote`` ends that.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from ..sockets import free_port
from .binaries import find_binaries, within_reach
from .data_folder import DataFolder
from .launch import Launch, how_to_launch
from .processes import POLL, inhabitants, send

GRACE = 0.5
"""Seconds between SIGINT and SIGQUIT."""
HASTE = 1.0
"""Seconds between SIGQUIT and kill -9."""


class PostgresServer:
    """One PostgreSQL server on loopback, as user ``postgres`` without a password.

    *folder* keeps ``data`` and ``log`` (None = a temporary one, removed by ``stop``); *port* is
    drawn if not given; *settings* are PostgreSQL's own, e.g. ``{"fsync": "off"}``. The methods
    block for up to a second: call them with ``asyncio.to_thread`` from a running loop.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        launch: Launch | None = None,
        start_timeout: float = 30.0,
    ) -> None:
        self.port = port or free_port()
        self._given_folder = folder
        self._folder = folder
        self._binaries = binaries
        self._settings = dict(settings or {})
        self._launch = launch
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._spawner: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, None when it does not run."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def folder(self) -> Path:
        """Where ``data`` and ``log`` are; made when first asked for."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="koo-postgres-"))
        return self._folder

    def url(
        self, driver: str = "asyncpg", *, port: int | None = None, database: str = "postgres"
    ) -> str:
        """The SQLAlchemy URL; *port* when a proxy stands before the server."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://postgres@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start and wait until it accepts connections; nothing if it runs already.

        Raises ``RuntimeError`` with the end of the server's log if it ends instead, or if another
        server lives in the folder; ``TimeoutError`` if it is not ready in time.
        """
        if self.running:
            return
        self.kill()
        self._prepare()
        try:
            self._process = self._spawn()
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it by SIGINT (fast), after 0.5 s SIGQUIT (immediate), at last kill -9.

        A temporary folder is removed, a given one stays.
        """
        self._end_politely()
        self.kill()
        if self._spawner is not None:
            self._spawner.shutdown()
            self._spawner = None
        if self._given_folder is None and self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def kill(self) -> None:
        """Kill -9 of the postmaster and of all it leaves behind; the data stay."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        while left := inhabitants(self._files.data):
            send(signal.SIGKILL, *left)
            time.sleep(POLL)

    def restart(self) -> None:
        """Stop if it runs, and start again on the same port and data."""
        self._end_politely()
        self.start()

    def freeze(self) -> None:
        """Stop every process where it stands (SIGSTOP): connections live, nobody answers."""
        send(signal.SIGSTOP, *self._pids())

    def thaw(self) -> None:
        """Let every process go on (SIGCONT)."""
        send(signal.SIGCONT, *self._pids())

    def standby(self, *, settings: Mapping[str, str] | None = None) -> PostgresServer:
        """A server of its own, not yet started, that follows this one from where it is now.

        Raises ``RuntimeError`` with what ``pg_basebackup`` says if it fails.
        """
        other = PostgresServer(binaries=self._binaries, settings=settings, launch=self._launch)
        other._settle()
        here = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        copying = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        self._run("pg_basebackup", *here, *copying, "-D", str(other.folder / "data"))
        return other

    def promote(self) -> None:
        """Follow nobody any more; returns as soon as this server can be written to."""
        self._run("pg_ctl", "promote", "-D", str(self._files.data))

    @property
    def _files(self) -> DataFolder:
        return DataFolder(self.folder)

    def _pids(self) -> tuple[int, ...]:
        """The postmaster first: stopped, it starts no others."""
        pid = self.pid
        return () if pid is None else (pid, *inhabitants(self._files.data))

    def _prepare(self) -> None:
        self._settle()
        self._files.make(self._program("initdb"), self._terms())
        self._files.take_over()

    def _settle(self) -> None:
        """A folder and programs that whoever the server runs as can reach."""
        self._launch = self._launch or how_to_launch()
        self._binaries = self._binaries or find_binaries()
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._launch.user is not None:
            os.chown(self.folder, self._launch.user, self._launch.user)
            self._binaries = within_reach(self._binaries, self.folder)

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start the postmaster from a thread that lives as long as this object.

        The kernel sends the parent-death signal when the *thread* that started a process ends,
        and the caller's may be a short-lived one.
        """
        if self._spawner is None:
            self._spawner = ThreadPoolExecutor(1, "koo-postgres")
        command = [*self._program("postgres"), "-D", self._files.data, *self._options()]
        with self._files.log.open("ab") as log:
            terms = {"stdout": log, "stderr": log, "start_new_session": True, **self._terms()}
            return self._spawner.submit(lambda: subprocess.Popen(command, **terms)).result()

    def _program(self, name: str) -> list[str | Path]:
        assert self._launch is not None
        assert self._binaries is not None
        return [*self._launch.prefix, self._binaries / name]

    def _run(self, name: str, *words: str) -> None:
        command = [*self._program(name), *words]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, **self._terms())
        if ran.returncode:
            raise RuntimeError(f"postgres: {name} failed; it says: {ran.stderr.strip()}")

    def _terms(self) -> dict[str, Any]:
        assert self._launch is not None
        user = self._launch.user
        who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        return {"cwd": self.folder, **who}

    def _options(self) -> list[str]:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            **self._settings,
        }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + self._start_timeout
        while not self._files.is_ready(process.pid):
            if process.poll() is not None:
                says = self._files.end_of_log()
                raise RuntimeError(f"postgres: ended during its start; its log says: {says}")
            if time.monotonic() > end:
                raise TimeoutError(
                    f"postgres: not ready after {self._start_timeout} s; see {self._files.log}"
                )
            time.sleep(POLL)

    def _end_politely(self) -> None:
        self.thaw()
        for number, patience in ((signal.SIGINT, GRACE), (signal.SIGQUIT, HASTE)):
            if self._process is not None and self.running:
                self._process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(patience)
