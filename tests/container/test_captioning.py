"""Captioning by the whole program, as a process, with the rehearsal's tagger."""

import json
import shutil
import signal

import pytest

from tests.container.support import dataset, job, make_base, read_json
from tests.container.test_caption_text import captioning
from tests.container.test_training_program import engines_of, run, start, wait_for

PARAMS = {"max_train_steps": 4, "network_dim": 2}


def base_with(tmp_path, *datasets, images=3, **changes):
    body = job(
        config_params=PARAMS,
        datasets=list(datasets) or [dataset()],
        captioning=captioning(**changes),
    )
    return make_base(tmp_path, body, images=images)


def captions(base, channel="dataset_00"):
    folder = next((base / "input" / "data" / channel).iterdir())
    return {path.name: path.read_text("utf-8").strip() for path in sorted(folder.glob("*.txt"))}


def uncaption(base, *numbers, channel="dataset_00"):
    folder = next((base / "input" / "data" / channel).iterdir())
    for number in numbers:
        (folder / f"图 {number}.txt").unlink()


def proposals(base, dataset_id="ds_01"):
    path = base / "checkpoints" / "captions" / dataset_id / "captions.jsonl"
    header, *rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return header, rows


def test_keep_tags_only_images_without_a_caption(tmp_path):
    base = base_with(tmp_path, prepend=["tusiji"], append=["jade"])
    uncaption(base, 1)
    (next((base / "input" / "data" / "dataset_00").iterdir()) / "图 2.txt").write_text(" \n")

    status, log = run(base)

    assert status == 0, log
    header, rows = proposals(base)
    assert header == {
        "version": 1,
        "dataset_id": "ds_01",
        "captioning": captioning(prepend=["tusiji"], append=["jade"]),
        "images": 2,
    }
    assert [row["file_name"] for row in rows] == ["图 1.png", "图 2.png"]
    assert {row["tagger"] for row in rows} == {"rehearsal"}
    assert rows[0]["tags"][0] == "rehearsal"
    found = captions(base)
    assert found["图 0.txt"] == "a jade rabbit, 0"
    assert found["图 1.txt"] == rows[0]["caption"]
    assert found["图 1.txt"].startswith("tusiji, rehearsal, ")
    assert found["图 1.txt"].endswith(", jade")
    progress = read_json(base / "checkpoints" / "progress.json")
    assert (progress["images_captioned"], progress["images_to_caption"]) == (2, 2)
    assert read_json(base / "model" / "report.json")["datasets"][0]["captions"] == 3


def test_append_adds_what_a_caption_lacks_and_replace_takes_its_place(tmp_path):
    added = base_with(tmp_path / "a", existing="append", blacklist=["rehearsal"])
    replaced = base_with(tmp_path / "r", existing="replace", character_threshold=1)

    assert run(added)[0] == run(replaced)[0] == 0

    for text in captions(added).values():
        assert text.startswith("a jade rabbit, ")
        assert "nobody (rehearsal)" in text
        assert "rehearsal" not in text.split(", ")
    for text in captions(replaced).values():
        assert text.startswith("rehearsal, ")
        assert "rabbit" not in text
        assert "nobody" not in text


def test_a_dataset_that_wants_captions_and_gets_none_is_missing_caption(tmp_path):
    base = base_with(tmp_path, general_threshold=1, character_threshold=1)
    uncaption(base, 0, 2)

    status, _ = run(base)

    failure = read_json(base / "output" / "failure")
    assert (status, failure["code"]) == (1, "missing_caption")
    assert "2 of 3" in failure["message"]
    assert "threshold" in failure["advice"]
    assert [row["caption"] for row in proposals(base)[1]] == ["", ""]


def test_an_image_that_the_tagger_can_not_read_is_named(tmp_path):
    base = base_with(tmp_path)
    uncaption(base, 1)
    folder = next((base / "input" / "data" / "dataset_00").iterdir())
    (folder / "图 1.png").write_bytes(b"<html>")

    status, _ = run(base)

    failure = read_json(base / "output" / "failure")
    assert (status, failure["code"]) == (1, "unreadable_image")
    assert "图 1.png" in failure["message"]
    assert not (base / "checkpoints" / "captions" / "ds_01").exists()


def two_datasets(tmp_path):
    second = dataset(channel="dataset_01", dataset_id="ds_02", folder="1_b")
    base = base_with(tmp_path, dataset(), second)
    for channel in ("dataset_00", "dataset_01"):
        uncaption(base, 0, 1, 2, channel=channel)
    return base


def test_equal_names_in_two_folders_of_one_dataset_have_a_proposal_each(tmp_path):
    cat, dog = dataset(folder="2_cat", subset=1), dataset(folder="1_dog", subset=0)
    base = base_with(tmp_path, dog, cat, existing="replace")

    status, log = run(base)

    assert status == 0, log
    shelf = base / "checkpoints" / "captions" / "ds_01"
    assert sorted(one.name for one in shelf.iterdir()) == ["captions-00.jsonl", "captions-01.jsonl"]
    for number, folder in enumerate(("1_dog", "2_cat")):
        path = shelf / f"captions-{number:02d}.jsonl"
        header, *rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        assert header["dataset_id"] == "ds_01"
        assert [row["file_name"] for row in rows] == [f"{folder}/图 {one}.png" for one in range(3)]
        place = base / "input" / "data" / "dataset_00" / folder
        assert (place / "图 1.txt").read_text("utf-8").strip() == rows[1]["caption"]
    assert run_again(base).count("an earlier attempt left captions") == 2


def run_again(base):
    status, log = run(base)
    assert status == 0, log
    return log


def test_a_stop_while_captioning_ends_the_tagger_and_keeps_finished_datasets(tmp_path):
    base = two_datasets(tmp_path)
    process = start(base, LORASTACK_REHEARSAL_STEP_SECONDS="0.5")
    wait_for((base / "checkpoints" / "captions" / "ds_01" / "captions.jsonl").exists)
    wait_for(lambda: engines_of(base))
    progress = read_json(base / "checkpoints" / "progress.json")

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=20)

    assert process.returncode == 143, log
    assert (progress["phase"], progress["images_to_caption"]) == ("captioning", 6)
    assert 3 <= progress["images_captioned"] < 6
    assert read_json(base / "output" / "failure")["code"] == "stopped"
    assert not (base / "checkpoints" / "captions" / "ds_02").exists()
    assert not engines_of(base)


def test_after_an_interruption_what_was_proposed_is_not_tagged_again(tmp_path):
    first = two_datasets(tmp_path / "first")
    assert run(first)[0] == 0
    shelf = first / "checkpoints" / "captions" / "ds_01" / "captions.jsonl"
    shelf.write_text(shelf.read_text("utf-8").replace("bytes", "BYTES"), "utf-8")
    second = two_datasets(tmp_path / "second")
    shutil.copytree(first / "checkpoints" / "captions", second / "checkpoints" / "captions")
    torn = second / "checkpoints" / "captions" / "ds_02" / "captions.jsonl"
    torn.write_bytes(torn.read_bytes()[:-40])

    status, log = run(second)

    assert status == 0, log
    assert log.count("starting the tagger") == 1
    assert all("BYTES" in text for text in captions(second).values())
    assert all("bytes" in text for text in captions(second, "dataset_01").values())
    assert proposals(second, "ds_02") == proposals(first, "ds_02")


@pytest.mark.parametrize("existing", ["keep", "append"])
def test_where_nothing_is_to_be_tagged_no_tagger_starts(tmp_path, existing):
    base = base_with(tmp_path, existing=existing)

    status, log = run(base)

    assert status == 0, log
    assert ("starting the tagger" in log) == (existing == "append")
    assert len(proposals(base)[1]) == (3 if existing == "append" else 0)


def test_the_words_of_the_user_stay_out_of_what_regularises(tmp_path):
    class_set = dataset(
        channel="dataset_01",
        dataset_id="ds_02",
        folder="1_rabbit",
        caption_policy="subject",
        regularisation=True,
    )
    larger = {"resolution": "768,768"}
    datasets = [dataset(), class_set, dataset(dataset_options=larger)]
    body = job(
        config_params=PARAMS,
        datasets=datasets[:2],
        captioning=captioning(prepend=["tusiji"], append=["jade"], existing="replace"),
    )
    base = make_base(tmp_path, body)
    body["datasets"] = [*datasets, class_set | {"dataset_options": larger}]
    (base / "input" / "data" / "config" / "job.json").write_text(json.dumps(body))

    status, log = run(base)

    assert status == 0, log
    for text in captions(base).values():
        assert text.startswith("tusiji, ")
        assert text.endswith(", jade")
    for text in captions(base, "dataset_01").values():
        assert text.startswith("rehearsal, ")
        assert "jade" not in text
    progress = read_json(base / "checkpoints" / "progress.json")
    assert (progress["images_captioned"], progress["images_to_caption"]) == (6, 6)
