"""tomllib stands for both parsers here. What `toml` 0.10.2, which sd-scripts uses, reads otherwise
was found by comparing the two on random strings; those findings are the tests by their shape."""

import math
import random
import tomllib

import pytest

from kohya_trainer.failure import TrainingFailed
from kohya_trainer.toml_writer import table, tables

NASTY = [
    "",
    "plain",
    'a "quoted" word',
    '"',
    '""',
    "it's",
    "back\\slash",
    "\\",
    "\\\\",
    "\\u0041 is no escape",
    "C:\\Users\\new",
    "line\nbreak\ttab\rreturn",
    "\0\x1f\x7f",
    "兔子 图 片",
    "e\u0301 é",
    "😀",
    "\u2028",
    "# no comment",
    "[[no.table]]",
    "a = 1",
    "true",
    "1e5",
    " spaces ",
    "a, b",
    '", "',
    "{x}",
    "'''",
]


@pytest.mark.parametrize("text", NASTY)
def test_a_text_comes_back_as_it_was(text):
    assert tomllib.loads(table({"k": text, "after": 1})) == {"k": text, "after": 1}


@pytest.mark.parametrize("text", NASTY)
def test_a_text_in_a_list_comes_back_as_it_was(text):
    assert tomllib.loads(table({"k": [text, "b", text]})) == {"k": [text, "b", text]}


def test_random_texts_come_back_as_they_were():
    chance = random.Random(1)
    for _ in range(2000):
        text = "".join(chance.choice("\"'\\,[]{}#= \nuU0x兔") for _ in range(chance.randint(0, 9)))
        try:
            written = table({"k": text})
        except TrainingFailed:
            assert text == '"' or text.startswith('""')
        else:
            assert tomllib.loads(written) == {"k": text}


def test_a_text_is_one_line_and_holds_no_long_escape():
    """`toml` 0.10.2 stumbles over a backslash and U after one."""
    written = table({"k": "兔子\n\u2028😀\\U"})

    assert len(written.splitlines()) == 1
    assert "\\U" not in written


def test_no_quote_is_escaped_by_a_backslash():
    """`toml` 0.10.2 reads "\\"" as an empty text."""
    assert '\\"' not in table({"k": 'say "hi"'})


def test_no_comma_or_bracket_stands_inside_a_text():
    """`toml` 0.10.2 splits lists there."""
    assert table({"k": ["a,b]", "c"]}).count(",") == 1


@pytest.mark.parametrize("value", [0, -1, 10**12, 1.0, 1e-05, -2.5e-07, 1e16, 0.1, True, False])
def test_a_number_keeps_value_and_type(value):
    read = tomllib.loads(table({"k": value}))["k"]

    assert read == value
    assert type(read) is type(value)


def test_infinite_and_undefined_numbers_survive():
    read = tomllib.loads(table({"a": math.inf, "b": math.nan}))

    assert read["a"] == math.inf
    assert math.isnan(read["b"])


def test_whole_numbers_beside_fractions_become_fractions():
    """`toml` 0.10.2 refuses a list of both."""
    assert table({"k": [1, 0.5]}) == "k = [1.0, 0.5]\n"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("k", None),
        ("k", {"a": 1}),
        ("k", [[1]]),
        ("k", ["a", 1]),
        ("k", [True, 1]),
        ("k", "half \ud83d"),
        ("k", '""\n'),
        ("a b", 1),
        ("a.b", 1),
        ("", 1),
    ],
)
def test_what_cannot_be_written_is_a_bad_option(key, value):
    with pytest.raises(TrainingFailed) as caught:
        table({key: value})

    assert caught.value.code == "bad_option"


def test_an_array_of_tables_keeps_its_order():
    read = tomllib.loads("[[datasets]]\n" + tables("datasets.subsets", [{"a": 1}, {"a": 2}]))

    assert read == {"datasets": [{"subsets": [{"a": 1}, {"a": 2}]}]}
