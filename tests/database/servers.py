"""Servers of one's own, and counterparts that the machine must bring along, on free loopback ports.

found on this machine ------------------> started, for the whole session
absent, CI as root (.ci/run installs) --> the test fails
absent, anywhere else ------------------> the test is skipped

What a server's files begin with is made once a process and copied for each: to make them takes
ten times as long as to start.
"""

import atexit
import contextlib
import functools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from koo.testing import PostgresServer, free_port
from koo.testing.servers.launch import NOBODY

#: MariaDB does not hear SIGINT, and nothing of a server here is worth a polite end.
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
PLACES = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"


@contextlib.contextmanager
def fresh_postgres(**settings):
    """A PostgreSQL of one's own where nobody has been; it does not care for power failures."""
    with tempfile.TemporaryDirectory(prefix="koo-fresh-") as place:
        copy(first_cluster() / "data", Path(place))
        with PostgresServer(Path(place), settings={"fsync": "off", **settings}) as server:
            yield server


@functools.cache
def first_cluster():
    """The folder of a PostgreSQL that has run and ended."""
    place = lasting_folder("koo-cluster-")
    with PostgresServer(place, settings={"fsync": "off"}):
        return place


def lasting_folder(prefix):
    """A folder until this process ends."""
    place = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def copy(data, place):
    """The folder *data* into *place*, whose files still belong to whom they belong."""
    subprocess.run(["cp", "-a", data, place], check=True)


def find(name):
    """The path of a program; None where it is not installed."""
    return shutil.which(name, path=PLACES)


def program(name):
    """The path of a program, or an end of the test that wants it."""
    return find(name) or _missed(name)


def _missed(name):
    # The benchmarks start a server too, without this: they look first.
    import pytest

    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(f"{name} is absent; .ci/run must install it")
    pytest.skip(f"{name} is not installed")


def postgres_with_tls():
    """Debian's PostgreSQL: the wheels' has none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else Path(program("postgres")).parent


class Process:
    """A server that dies with the program that started it, and its temporary folder."""

    def __init__(self, name):
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"koo-{name}-"))
        self.log = self.folder / "log"
        self._process = None
        # The kernel's signal at the parent's death comes when the *thread* ends that has started
        # the server, and the caller's may be a short-lived one.
        self._spawner = ThreadPoolExecutor(1, f"koo-{name}")

    def __enter__(self):
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kill()
        self._spawner.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self):
        """What is done once, before the first start."""

    def command(self):
        raise NotImplementedError

    def user(self):
        """Whom to become; none = stay who we are."""

    def start(self):
        """Start and wait until it accepts connections."""
        guard = DIE_WITH_PARENT if shutil.which("setpriv") else ()
        who = self.user()
        terms = {} if who is None else {"user": who, "group": who, "extra_groups": []}
        command = [*guard, *self.command()]
        with self.log.open("ab") as log:
            terms |= {"cwd": self.folder, "stdout": log, "stderr": log, "start_new_session": True}
            self._process = self._spawner.submit(subprocess.Popen, command, **terms).result()
        end = time.monotonic() + 60
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(self.log.read_text(errors="replace")[-2000:])
            time.sleep(0.01)

    def is_ready(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        """Kill -9; what it wrote stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class MariadbServer(Process):
    """MariaDB as user root without a password, database ``app``."""

    def __init__(self, *settings):
        self._programs = program("mariadb-install-db"), program("mariadbd")
        self._settings = settings
        super().__init__("mariadb")

    def prepare(self):
        copy(_installed_mariadb(self._programs[0]) / "data", self.folder)

    def command(self):
        _, server = self._programs
        return [
            *(server, "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}"),
            *(f"--socket={self.folder}/s", f"--pid-file={self.folder}/pid"),
            *("--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"),
            *("--innodb-flush-log-at-trx-commit=0", *_small(self.folder), *self._settings),
        ]

    def url(self, driver="asyncmy", *, port=None, user="root"):
        return f"mysql+{driver}://{user}@127.0.0.1:{port or self.port}/app"


@functools.cache
def _installed_mariadb(install):
    """The folder of a MariaDB with an empty database ``app``."""
    place = lasting_folder("koo-mariadb-")
    command = [
        *(install, "--no-defaults", f"--datadir={place}/data"),
        *("--auth-root-authentication-method=normal", "--skip-test-db", *_small(place)),
    ]
    made = subprocess.run(command, cwd=place, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(made.stdout[-2000:] + made.stderr[-2000:])
    (place / "data" / "app").mkdir()
    return place


def _small(place):
    # Two servers that share a folder for temporary tables take each other's.
    size = "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=32M", f"--tmpdir={place}"
    return (*size, "--user=root") if os.geteuid() == 0 else size


class Pgbouncer(Process):
    """A pooler in transaction mode before a PostgreSQL on loopback."""

    def __init__(self, server_port, **settings):
        self._program = program("pgbouncer")
        self._server_port = server_port
        self._settings = settings
        super().__init__("pgbouncer")

    def user(self):
        # It refuses to be root.
        return NOBODY if os.geteuid() == 0 else None

    def prepare(self):
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": 2,
            "max_client_conn": 200,
            **self._settings,
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        target = f"* = host=127.0.0.1 port={self._server_port} user=postgres"
        config = self.folder / "pgbouncer.ini"
        config.write_text("\n".join(["[databases]", target, "[pgbouncer]", *lines, ""]))
        self.folder.chmod(0o755)

    def command(self):
        return [self._program, str(self.folder / "pgbouncer.ini")]

    def url(self, driver="asyncpg", *, port=None):
        return f"postgresql+{driver}://postgres@127.0.0.1:{port or self.port}/postgres"
