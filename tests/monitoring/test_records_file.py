"""The file of the records is watched like everything else, by what others find out about it."""

import pytest

from koo.monitoring import AlertState, Monitor, Records, RecordsFile, Severity
from koo.resilience import Health
from koo.stores import Archive, StoreError
from koo.testing import FakeClock


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "state.db")


def fail(archive):
    with pytest.raises(StoreError):
        archive.read("SELECT word FROM nowhere")


async def test_it_is_as_well_as_what_was_last_done_with_it(archive):
    file = RecordsFile(archive)
    assert (file.report().state, file.report().cause) == (Health.HEALTHY, None)
    fail(archive)
    for report in (file.report(), await file.check()):
        assert (report.component, report.state) == ("store", Health.UNHEALTHY)
        assert report.cause == "state.db can't be used (SQLITE_ERROR)"


def test_looking_makes_no_file(archive, tmp_path):
    RecordsFile(archive).report()
    assert list(tmp_path.iterdir()) == []


def test_no_button_changes_what_is_known_of_it(archive):
    file = RecordsFile(archive)
    fail(archive)
    file.half_open()
    file.reset()
    assert file.report().state is Health.UNHEALTHY


def test_a_file_that_cannot_be_used_for_ten_seconds_is_an_alert(archive):
    clock, records = FakeClock(), Records.of(archive)
    monitor = Monitor([RecordsFile(archive)], mutes=records.mute_book.mutes, clock=clock)
    fail(archive)
    [pending] = monitor.observe()
    assert pending.state is AlertState.PENDING
    clock.advance(10)
    [alert] = monitor.observe()
    assert (alert.id, alert.severity) == ("store:unavailable", Severity.CRITICAL)
    assert (alert.state, alert.cause) == (AlertState.FIRING, RecordsFile(archive).report().cause)
    archive.read("SELECT 1")
    assert [alert.id for alert in monitor.observe()] == ["store:recovered"]
