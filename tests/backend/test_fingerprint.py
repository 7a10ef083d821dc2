"""The next start knows which settings differ, and nobody can read them from the file."""

import json
import stat

import pytest

from api.assembly import tell_of_changes
from core.events import journal
from core.settings import Fingerprint

TEXTS = {"DB_MAX_RETRIES": "3", "OPENAI_API_KEY": "test-key"}


def test_nothing_has_changed_when_nothing_has_changed():
    assert Fingerprint.of(TEXTS).changed(TEXTS) == ()


def test_what_differs_is_named_what_came_and_what_went_too():
    now = {"DB_MAX_RETRIES": "4", "KOO_READ_TOKEN": "test-token"}
    changed = Fingerprint.of(TEXTS).changed(now)
    assert changed == ("DB_MAX_RETRIES", "KOO_READ_TOKEN", "OPENAI_API_KEY")


def test_it_is_the_same_after_saving_and_loading(tmp_path):
    path = tmp_path / "var/settings.json"
    Fingerprint.of(TEXTS).save(path)
    assert Fingerprint.load(path).changed(TEXTS) == ()


def test_the_file_is_its_owners_and_holds_no_value(tmp_path):
    path = tmp_path / "settings.json"
    Fingerprint.of(TEXTS).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "test-key" not in path.read_text()


def test_two_files_have_nothing_in_common():
    first, second = Fingerprint.of(TEXTS), Fingerprint.of(TEXTS)
    assert first.salt != second.salt
    assert not set(first.hashes.values()) & set(second.hashes.values())


def test_equal_values_of_two_variables_do_not_look_equal():
    hashes = Fingerprint.of({"A": "3", "B": "3"}).hashes
    assert hashes["A"] != hashes["B"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"salt": "x"}', '{"salt": 1, "hashes": []}'])
def test_a_file_that_means_nothing_is_no_fingerprint(tmp_path, text):
    path = tmp_path / "settings.json"
    path.write_text(text)
    assert Fingerprint.load(path) is None


def test_where_nothing_can_be_written_the_start_goes_on(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    Fingerprint.of(TEXTS).save(blocked / "settings.json")
    assert Fingerprint.load(blocked / "settings.json") is None


@pytest.fixture
def told():
    """The names of the last change that the journal heard of in this test."""
    before = journal.notices()
    return lambda: [notice.names for notice in journal.notices() if notice not in before]


def test_the_first_start_tells_of_no_change(tmp_path, told):
    tell_of_changes(tmp_path / "settings.json")
    assert told() == []
    assert (tmp_path / "settings.json").exists()


def test_a_start_with_other_settings_tells_which_once(tmp_path, told):
    path = tmp_path / "settings.json"
    tell_of_changes(path)
    kept = json.loads(path.read_text())
    kept["hashes"]["DB_MAX_RETRIES"] = "another"
    path.write_text(json.dumps(kept))
    tell_of_changes(path)
    assert told() == [("DB_MAX_RETRIES",)]
    assert Fingerprint.load(path).hashes["DB_MAX_RETRIES"] != "another"


def test_without_a_path_nothing_is_compared(told):
    tell_of_changes(None)
    assert told() == []
