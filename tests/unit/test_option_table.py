"""The table of options: written from the parsers, and sorted by hand."""

import json

import pytest

from lambdas.trainings.options import options
from local.kohya import options as table
from local.kohya.settings import COMMIT, KohyaError


def test_the_file_is_of_the_pinned_commit_and_has_one_option_a_line() -> None:
    text = table.FILE.read_text()

    assert json.loads(text)["commit"] == COMMIT
    assert table.text_of(json.loads(text)["options"]) == text
    assert len(text.splitlines()) == len(options()) + 7


def test_the_notes_sort_each_option_and_no_other() -> None:
    notes = json.loads(table.FILE.with_name("option_notes.json").read_text())["options"]

    assert set(notes) == set(json.loads(table.FILE.read_text())["options"])
    assert list(notes) == sorted(notes)


def test_options_of_the_families_are_merged_under_one_name() -> None:
    found = {
        "sd_1_5": {"b": {"type": "int", "default": 1}, "a": {"type": "str", "default": None}},
        "sd_xl": {"b": {"type": "int", "default": 1}},
    }

    assert table.merged(found) == {
        "a": {"type": "str", "default": None, "families": ["sd_1_5"]},
        "b": {"type": "int", "default": 1, "families": ["sd_1_5", "sd_xl"]},
    }


def test_families_that_differ_in_an_option_are_told() -> None:
    found = {"sd_1_5": {"b": {"type": "int"}}, "sd_xl": {"b": {"type": "str"}}}

    with pytest.raises(KohyaError, match="differ in b"):
        table.merged(found)


def test_a_missing_set_up_is_told(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("KOHYA_HOME", str(tmp_path))
    monkeypatch.setenv("KOHYA_PYTHON", str(tmp_path / "python"))
    monkeypatch.setattr("sys.argv", ["options"])

    assert table.main() == 1
    assert "run `make kohya`" in capsys.readouterr().err
