"""The log in the checkpoint folder: numbered, bounded, and without what nobody should read."""

import json
import re

import pytest

from kohya_trainer import logbook
from kohya_trainer.logbook import (
    KEPT_BYTES,
    KEPT_LINES,
    SEGMENT_BYTES,
    SEGMENT_LINES,
    LogBook,
    clean,
)
from kohya_trainer.paths import Paths
from tests.container.support import make_base, read_json
from tests.container.test_training_program import run


@pytest.fixture
def paths(tmp_path):
    paths = Paths(tmp_path)
    paths.make_folders()
    return paths


def names(paths):
    return sorted(path.name for path in paths.logs.iterdir())


def kept(paths):
    text = "".join((paths.logs / name).read_text(encoding="utf-8") for name in names(paths))
    return [json.loads(line) for line in text.splitlines()]


def fill(book, count):
    for number in range(count):
        book.add("trainer", f"line {number}")


def test_lines_stand_in_the_tail_until_a_segment_is_full(paths):
    book = LogBook(paths)
    fill(book, SEGMENT_LINES - 1)
    book.write()

    assert names(paths) == ["tail.jsonl"]
    fill(book, 3)
    book.write()

    assert names(paths) == ["00000001-00000500.jsonl", "tail.jsonl"]
    lines = kept(paths)
    assert [line["number"] for line in lines] == list(range(1, SEGMENT_LINES + 3))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[0]["at"])
    assert lines[0]["source"] == "trainer"


def test_many_lines_leave_a_dozen_objects_with_the_newest(paths):
    book = LogBook(paths)
    for _ in range(50):
        fill(book, 777)
        book.write()

    lines = kept(paths)
    assert len(names(paths)) <= KEPT_LINES // SEGMENT_LINES + 2
    assert KEPT_LINES <= len(lines) <= KEPT_LINES + 2 * SEGMENT_LINES
    numbers = [line["number"] for line in lines]
    assert numbers == list(range(numbers[0], 50 * 777 + 1))


def test_a_flood_between_two_writes_keeps_its_end_and_its_numbers(paths):
    book = LogBook(paths)
    fill(book, 20_000)
    book.write()

    numbers = [line["number"] for line in kept(paths)]
    assert numbers == list(range(20_001 - len(numbers), 20_001))
    assert len(numbers) >= KEPT_LINES


def test_a_flood_of_long_lines_is_bounded_by_bytes(paths):
    book = LogBook(paths)
    for written in range(3):
        for number in range(6000):
            book.add("trainer", f"{written} {number} {'兔' * 990}")
        book.write()

    sizes = {name: (paths.logs / name).stat().st_size for name in names(paths)}
    assert sizes["tail.jsonl"] <= SEGMENT_BYTES
    assert max(sizes.values()) < 1.1 * SEGMENT_BYTES
    assert 0.8 * KEPT_BYTES < sum(sizes.values()) < 1.2 * KEPT_BYTES
    numbers = [line["number"] for line in kept(paths)]
    assert numbers == list(range(18_001 - len(numbers), 18_001))


def test_nothing_new_writes_nothing(paths):
    book = LogBook(paths)
    fill(book, 2)
    book.write()
    before = (paths.logs / "tail.jsonl").stat().st_ino
    book.write()

    assert (paths.logs / "tail.jsonl").stat().st_ino == before


def test_after_an_interruption_numbers_go_on_and_no_line_is_lost(paths):
    first = LogBook(paths)
    fill(first, SEGMENT_LINES + 5)
    first.write()

    second = LogBook(paths)
    fill(second, 2)
    second.write()

    numbers = [line["number"] for line in kept(paths)]
    assert numbers == list(range(1, SEGMENT_LINES + 8))
    assert names(paths) == [
        "00000001-00000500.jsonl",
        "00000501-00000505.jsonl",
        "tail.jsonl",
    ]


def test_a_tail_that_a_crash_left_beside_its_segment_is_not_taken_twice(paths, monkeypatch):
    book = LogBook(paths)
    fill(book, SEGMENT_LINES - 1)
    book.write()
    fill(book, 2)
    write = Paths.write

    def dies_at_the_tail(self, target, text):
        if target.name == logbook.TAIL:
            raise OSError("killed")
        write(self, target, text)

    with monkeypatch.context() as patched:
        patched.setattr(Paths, "write", dies_at_the_tail)
        with pytest.raises(OSError, match="killed"):
            book.write()
    after = LogBook(paths)
    fill(after, 1)
    after.write()

    numbers = [line["number"] for line in kept(paths)]
    assert numbers == list(range(1, SEGMENT_LINES + 2))


def test_a_torn_tail_is_read_as_far_as_it_goes(paths):
    lines = [f'{{"number": {n}, "at": "t", "source": "trainer", "text": "x"}}' for n in (1, 2)]
    (paths.logs / "tail.jsonl").write_text("\n".join([*lines, '{"number": 3, "a', "[]", "3"]))

    book = LogBook(paths)
    fill(book, 1)
    book.write()

    assert [line["number"] for line in kept(paths)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("plain: 3/8 [00:01<00:02]", "plain: 3/8 [00:01<00:02]"),
        ("GET https://b.s3.amazonaws.com/k?X-Amz-Signature=abc done", "GET https://b.s3.amazonaws.com/... done"),
        ("see (https://user:secret@host:8080/a/b).", "see (https://host:8080/..."),
        ("token lsk_abcdefgh12345 given", "token [token] given"),
        ("hf_AbCdEfGhIj and AKIAABCDEFGHIJKLMNOP", "[token] and [token]"),
        ("a\tb\x1b[31mred\u2028next\r", "a b [31mred next"),
        ("lone \ud800 surrogate", "lone   surrogate"),
        ("兔" * 3000, "兔" * 997 + "..."),
        ("loss=1e-4 lr: s3://bucket/key?x", "loss=1e-4 lr: s3://bucket/..."),
    ],
)  # fmt: skip
def test_a_line_keeps_its_words_and_loses_tokens_and_addresses(said, kept):
    assert clean(said) == kept


def test_a_failed_training_has_its_log_to_the_last_line(tmp_path):
    base = make_base(tmp_path)
    next((base / "input" / "data" / "dataset_00").rglob("*.png")).write_bytes(b"<html>")

    status, printed = run(base)

    assert status == 1
    lines = kept(Paths(base))
    assert lines[-1]["text"].startswith("failed: unreadable_image")
    assert any("UnidentifiedImageError" in line["text"] for line in lines)
    told = [clean(line.removeprefix("lorastack: ")) for line in printed.splitlines()]
    assert [line["text"] for line in lines] == told
    assert {line["source"] for line in lines} == {"container", "trainer"}


def test_a_program_that_breaks_leaves_its_log_too(tmp_path):
    base = make_base(tmp_path)
    (base / "input" / "data" / "config" / "job.json").write_text('{"version": 1, "datasets": [0]}')
    (base / "checkpoints" / "lora").mkdir(parents=True)
    (base / "checkpoints" / "metrics").mkdir(parents=True)
    (base / "checkpoints" / "metrics" / "00000001-00000001.jsonl").write_text("no JSON\n")

    status, _ = run(base)

    assert status == 1
    assert read_json(base / "output" / "failure")["message"].startswith("The container program")
    assert "JSONDecodeError" in kept(Paths(base))[-1]["text"]
