"""What answers cost is known by model, and nobody can make up models without end."""

import asyncio
import gc
import tracemalloc

import pytest

from koo.ai import NOTHING, Completion, Prompt, Usage
from koo.errors import ContentRefusedError, InvalidRequestError
from koo.testing import ScriptedProvider


def by_model(service, name, **labels):
    wanted = set(labels.items())
    return {
        dict(reading.labels)["model"]: reading.value
        for reading in service.report().readings
        if reading.name == name and wanted <= set(reading.labels)
    }


async def test_tokens_and_money_are_counted_by_model(serve, own_price):
    service = serve(ScriptedProvider(then="x"), **own_price)
    for model in ("m", "m", "n"):
        await service.query(Prompt("Why?", model=model))
    assert by_model(service, "answers_total") == {"m": 2, "n": 1}
    assert by_model(service, "tokens_total", type="input") == {"m": 20, "n": 10}
    assert by_model(service, "tokens_total", type="output") == {"m": 10, "n": 5}
    one = 10 * 10**6 + 5 * 2 * 10**6
    assert by_model(service, "cost_total") == {"m": 2 * one, "n": one}
    assert service.report().value("budget.spent") == 3 * one


async def test_how_many_tokens_an_answer_takes_is_a_distribution(serve, own_price):
    service = serve(ScriptedProvider(then="x"), **own_price)
    await service.query("Why?")
    spread = service.report().distribution("token_usage", model="m", type="output")
    assert (spread.count, spread.total * 2**20) == (1, 5)
    assert 4 < spread.quantile(0.5) * 2**20 <= 5


async def test_an_error_that_is_billed_counts_and_one_that_is_not_does_not(serve, own_price):
    refused = ContentRefusedError("lab", "refused; change the prompt", usage=Usage(10, 5))
    unknown = InvalidRequestError("lab", "no such model; correct it", usage=NOTHING)
    service = serve(ScriptedProvider(refused, unknown), **own_price)
    with pytest.raises(ContentRefusedError):
        await service.query("Why?")
    with pytest.raises(InvalidRequestError):
        await service.query(Prompt("Why?", model="mistyped"))
    assert by_model(service, "answers_total") == {"m": 1}


async def test_an_answer_without_a_bill_is_counted_as_that(serve, own_price):
    service = serve(ScriptedProvider(Completion("x", "m", "stop", None)), **own_price)
    await service.query("Why?")
    report = service.report()
    assert report.value("unbilled_total") == 1
    assert report.value("cost.last") is None


async def test_beyond_sixteen_models_the_others_count_together(serve, own_price):
    service = serve(
        ScriptedProvider(then="x"), **own_price, requests_per_minute=1000, requests_per_hour=1000
    )
    for number in range(20):
        await service.query(Prompt("Why?", model=f"model-{number}"))
    await service.query("Why?")
    answers = by_model(service, "answers_total")
    assert len(answers) == 18
    assert (answers["other"], answers["m"]) == (4, 1)
    assert sum(answers.values()) == 21


@pytest.mark.no_cover
async def test_names_that_are_made_up_cost_no_series_and_no_memory(serve, own_price, monkeypatch):
    """The price table forgets all it knows when it is full, so looks are a whole table apart."""
    monkeypatch.setattr("koo.ai.pricing.table._MOST", 100)
    limits = ("requests_per_minute", "requests_per_hour", "requests_per_day")
    many = dict.fromkeys(limits, 10**6) | {"daily_budget_nanousd": 10**18}
    service = serve(ScriptedProvider(then="x"), **own_price, **many)
    service._provider.requests = Forgetful()

    async def ask(first, last):
        for number in range(first, last):
            await service.query(Prompt("Why?", model=f"made-up-{number}"))
        # asyncio lets go of a cancelled timer when it would have been due.
        await asyncio.sleep(2 * service.config.timeout)
        series = len(service.report().readings)
        gc.collect()
        return series, tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        series, kept = await ask(0, 500)
        later_series, later_kept = await ask(500, 1500)
    finally:
        tracemalloc.stop()
    assert later_series == series
    assert later_kept - kept < 20_000


class Forgetful(list):
    def append(self, _):
        """Keep nothing."""
