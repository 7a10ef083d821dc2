"""Whatever is sent, as the OpenAPI document says or not: the answer is a documented one."""

import asyncio

import pytest

from koo.testing import FakeClock, ScriptedProvider
from koo.web import ConsoleConfig

from .conftest import manager_of

pytestmark = pytest.mark.properties

ENDLESS = {"/api/v1/monitoring/stream"}
CALLS = {"/api/v1/ai/query", "/api/v1/ai/stream"}
#: What a call comes to that gets no time, or whose circuit many of these have opened.
IN_VAIN = {503, 504}


class EndlessPauses(FakeClock):
    """A clock on which whoever pauses in the background pauses for good.

    schemathesis begins the application on a thread that it never ends: what repeats itself after
    pauses that take no time would keep the process busy through all later tests.
    """

    async def sleep(self, seconds):
        await asyncio.get_running_loop().create_future()


def test_every_answer_to_every_request_is_as_the_openapi_document_says(make_stage, scale):
    import schemathesis
    from hypothesis import HealthCheck, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        positive_data_acceptance,
        response_schema_conformance,
    )

    provider = ScriptedProvider(then="fine")
    stage = make_stage(
        config=ConsoleConfig(hosts=("testserver",)),
        clock=EndlessPauses(),
        answers=manager_of(provider),
    )
    stage.database.fail()
    stage.monitor.observe()
    stage.console.desk.doors.spend = lambda _: None
    headers = {"Authorization": "Bearer test-key-for-operating"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", stage.app)
    seen = set()

    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in ENDLESS:
            continue
        seen.add(operation.path)
        # Few of the bodies that chance makes are good enough to be asked.
        often = 10 if operation.path in CALLS else 1

        @settings(
            max_examples=int(100 * scale**1.5) * often,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case):
            calls = case.operation.path in CALLS
            if calls:
                case.body["service"] = "claude"  # which chance would not find
            answer = case.call(headers=headers)
            # That a reason must be readable is more than a schema can say; the schema of a stream
            # is that of its whole text, and schemathesis takes it for that of each event.
            streams = answer.headers["content-type"][0].startswith("text/event-stream")
            excluded = [positive_data_acceptance, *[response_schema_conformance] * streams]
            if calls and answer.status_code in IN_VAIN:
                excluded.append(not_a_server_error)
            case.validate_response(answer, excluded_checks=excluded)

        check()
    assert len(seen) >= 20
    assert seen >= CALLS
    assert provider.requests
