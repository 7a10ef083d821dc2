"""What every test may rely on.

- An `async def` test runs on a virtual-time loop of its own; marked `integration`, on a real one.
- Whoever waits on the real clock without being marked `integration` fails.
- What a test marked so has not closed fails none but such a test, whenever it is collected.
- `scale` says how much of a long property to run: a tenth in the gate, all of it in the soak
  (KOO_SOAK=1, or `scripts/soak`). Hypothesis counts its examples likewise, by profile: a test with
  more or fewer than the profile's says `settings(max_examples=settings().max_examples * 5)`.
- `seed` is the same number in every run of the gate and another in every soak, whose own seed
  (KOO_SEED) is its first line and repeats it.
- What a test records as its property `counted` is a JSON line at the end of the run.
- A process that does not come to its end after its last test says where it stands, and dies.
"""

import asyncio
import faulthandler
import gc
import inspect
import json
import os
import selectors
import threading
import time
import zlib

import pytest
from hypothesis import HealthCheck, settings

from koo.testing import run

SOAK = os.environ.get("KOO_SOAK") == "1"
# Read before the first test is collected: some take our variables out of the environment.
SEED = os.environ.get("KOO_SEED", "")
REAL_WAIT_ALLOWED = 0.02
END_ALLOWED = 120
TERMINAL = pytest.StashKey[int]()
NEXT = pytest.StashKey[pytest.Item | None]()

# How long an example takes is the machine's affair.
ON_ANY_MACHINE = settings(
    deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("gate", ON_ANY_MACHINE, max_examples=100, derandomize=True, database=None)
settings.register_profile("soak", ON_ANY_MACHINE, max_examples=1000)
settings.load_profile("soak" if SOAK else "gate")


@pytest.fixture(scope="session")
def scale() -> float:
    """The share of a long property's cases to run."""
    return 1.0 if SOAK else 0.1


@pytest.fixture
def seed(request) -> int:
    """A number for `random.Random`, told by the test's name and the soak's seed; printed."""
    chosen = zlib.crc32(f"{SEED}{request.node.name}".encode())
    print(f"seed of {request.node.name}: {chosen}")
    return chosen


def pytest_configure(config):
    """Keep the way to the terminal, which is captured later."""
    config.stash[TERMINAL] = os.dup(2)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item, nextitem):
    """Give what comes after the last test, which no test's timeout bounds, an end too."""
    item.stash[NEXT] = nextitem
    if nextitem is None:
        terminal = item.config.stash[TERMINAL]
        faulthandler.dump_traceback_later(END_ALLOWED, exit=True, file=terminal)


def pytest_unconfigure(config):
    """It has come to its end."""
    faulthandler.cancel_dump_traceback_later()
    os.close(config.stash[TERMINAL])


def pytest_collection_finish():
    """Ten thousand tests are there to stay: whoever collects garbage need not look at them."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a coroutine test to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or "anyio" in pyfuncitem.keywords:
        return None
    names = pyfuncitem._fixtureinfo.argnames
    test = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    if _is_real(pyfuncitem):
        asyncio.run(test)
    else:
        run(test)
    return True


def pytest_terminal_summary(terminalreporter):
    """Tell what long properties have counted."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            if name == "counted" and report.when == "call":
                terminalreporter.write_line(json.dumps({"test": report.nodeid, **value}))


@pytest.fixture(autouse=True)
def _own_garbage(request):
    """Tell what real sockets leave to the collector as their own test's, not as a later one's."""
    yield
    following = request.node.stash.get(NEXT, None)
    if _is_real(request.node) and not (following and _is_real(following)):
        gc.collect()


def _is_real(item):
    return item.get_closest_marker("integration") is not None


@pytest.fixture(autouse=True)
def _no_real_waiting(request, monkeypatch):
    """Fail a test that waits on the real clock, unless it says that it does."""
    if _is_real(request.node):
        yield
        return
    waited = []
    monkeypatch.setattr(time, "sleep", _refuse_in_main_thread(time.sleep))
    monkeypatch.setattr(
        selectors.DefaultSelector, "select", _measured(selectors.DefaultSelector.select, waited)
    )
    yield
    if sum(waited) > REAL_WAIT_ALLOWED:
        pytest.fail(
            f"waited {sum(waited):.2f} s on the real clock; "
            "run it on koo.testing.run, or mark it integration"
        )


def _refuse_in_main_thread(sleep):
    def refuse(seconds):
        if threading.current_thread() is threading.main_thread():
            pytest.fail(f"time.sleep({seconds}) on the real clock; mark the test integration")
        sleep(seconds)

    return refuse


def _measured(select, waited):
    """Like *select*; a wait that only time ended (no socket, no thread) is written down.

    As long as was asked for: that the machine was busy meanwhile is nobody's wait.
    """

    def measured(self, timeout=None):
        began = time.monotonic()
        ready = select(self, timeout)
        if not ready and threading.current_thread() is threading.main_thread():
            waited.append(min(time.monotonic() - began, timeout or 0))
        return ready

    return measured
