"""The operator's command, as it is typed."""

import runpy
import sys
from pathlib import Path

import pytest

from koo.cli import main
from koo.monitoring import RULES

EXAMPLE = str(Path(__file__).parents[2] / "docs/alerts.toml")


def test_the_rules_in_force_are_listed(capsys):
    assert main(["alerts", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(RULES)


def test_ones_own_rules_are_marked(capsys):
    main(["alerts", "list", EXAMPLE])
    mine = [line for line in capsys.readouterr().out.splitlines() if " yours " in line]
    assert [line.split()[0] for line in mine] == ["database:queue", "ai:budget-near"]


def test_a_file_whose_tests_hold_is_well(capsys):
    assert main(["alerts", "test", EXAMPLE]) == 0
    assert capsys.readouterr().out.endswith("3 tests, 0 surprises\n")


def test_a_file_whose_tests_do_not_hold_says_which_and_ends_with_1(capsys, tmp_path):
    file = tmp_path / "alerts.toml"
    file.write_text(Path(EXAMPLE).read_text().replace("10 = []", '10 = ["queue firing"]'))
    assert main(["alerts", "test", str(file)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("after 10 s expected queue firing, found nothing")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"x = 1", "there is no field x"), (b"\xff", "can't decode"), (None, "No such file")],
)
def test_a_file_that_cannot_be_read_ends_with_2(capsys, tmp_path, content, sentence):
    file = tmp_path / "alerts.toml"
    if content is not None:
        file.write_bytes(content)
    assert main(["alerts", "test", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"koo: {file}: ")
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_who_asks_for_nothing_is_told_what_there_is(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "ROOM" in capsys.readouterr().err


def test_the_package_is_a_program(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["koo", "alerts", "list"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("koo.cli", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out


def test_the_package_can_be_imported_without_running():
    assert runpy.run_module("koo.cli.__main__")["main"] is main
