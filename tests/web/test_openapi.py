"""Whatever is sent, as the OpenAPI document says or not: the answer is a documented one."""

import asyncio

import pytest

from koo.testing import FakeClock
from koo.web import ConsoleConfig

pytestmark = pytest.mark.properties

ENDLESS = {"/api/v1/monitoring/stream"}


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
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    stage = make_stage(config=ConsoleConfig(hosts=("testserver",)), clock=EndlessPauses())
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

        @settings(
            max_examples=int(100 * scale**1.5),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case):
            answer = case.call(headers=headers)
            # That a reason must be readable is more than a schema can say.
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])
            assert answer.status_code < 500, answer.text

        check()
    assert len(seen) >= 20
