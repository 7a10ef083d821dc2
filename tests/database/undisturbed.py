"""Tests whose subject is a limit in real time, on a machine that now and then stands still."""

import functools

import pytest

_ATTEMPTS = 5


def undisturbed(test):
    """*test*, which has to pass once in five attempts: what breaks it breaks them all."""

    @functools.wraps(test)
    async def attempted(*args, **kwargs):
        for _ in range(_ATTEMPTS - 1):
            try:
                return await test(*args, **kwargs)
            except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - a defect stays one
                print(f"once more, after {error!r}")
        return await test(*args, **kwargs)

    return attempted
