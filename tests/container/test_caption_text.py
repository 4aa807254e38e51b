"""What the tagger's tags make of captions."""

from typing import Any

import pytest

from kohya_trainer.caption_text import LONGEST, caption_of, is_captioned, propose
from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import Captioning, parse_job
from tests.container.support import job


def captioning(**changes: Any) -> dict[str, Any]:
    """What job.json says, as the API fills it in."""
    return {
        "tagger": "wd14",
        "general_threshold": 0.35,
        "character_threshold": 0.35,
        "blacklist": [],
        "prepend": [],
        "append": [],
        "existing": "keep",
    } | changes


def parsed(**changes: Any) -> Captioning:
    found = parse_job(job(captioning=captioning(**changes))).captioning
    assert found
    return found


def test_tags_stand_between_what_is_prepended_and_appended_each_once():
    wanted = parsed(prepend=["tusiji", "solo"], append=["jade", "1girl"])

    text = propose(["1girl", "solo", "smile", "smile"], "", wanted)

    assert text == "tusiji, solo, 1girl, smile, jade"


def test_a_caption_keeps_its_words_and_gets_the_tags_that_it_lacks():
    wanted = parsed(existing="append", prepend=["tusiji"], append=["jade"])

    text = propose(["1girl", "smile"], "A girl, smile,  in the rain", wanted)

    assert text == "tusiji, A girl, smile,  in the rain, 1girl, jade"


def test_a_caption_that_lacks_nothing_stays_as_it_is():
    wanted = parsed(existing="append")

    assert propose(["smile", "1girl"], "1girl,smile ,", wanted) == "1girl,smile ,"


def test_each_line_that_may_be_drawn_gets_the_tags():
    wanted = parsed(existing="append")

    assert propose(["smile"], "one\n\ntwo, smile", wanted) == "one, smile\ntwo, smile"


def test_without_any_tag_there_is_no_proposal():
    assert propose([], "", parsed()) == ""


def test_a_blank_caption_is_none(tmp_path):
    image = tmp_path / "a.png"
    assert (is_captioned(image), caption_of(image)) == (False, "")
    image.with_suffix(".txt").write_bytes(b" \n")
    assert (is_captioned(image), caption_of(image)) == (False, "")
    image.with_suffix(".txt").write_bytes("兔\n".encode())
    assert (is_captioned(image), caption_of(image)) == (True, "兔")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a" * (LONGEST + 1)])
def test_a_caption_that_tags_can_not_be_added_to_is_unreadable_caption(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_bytes(content)

    with pytest.raises(TrainingFailed) as caught:
        caption_of(path.with_suffix(".png"))

    assert caught.value.code == "unreadable_caption"
    assert "a.txt" in caught.value.message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tagger": "blip"}, "job.captioning.tagger"),
        ({"existing": "ask"}, "job.captioning.existing"),
        ({"general_threshold": "0.3"}, "job.captioning.general_threshold"),
        ({"blacklist": "a"}, "job.captioning.blacklist must be of type list"),
        ({"prepend": [1]}, "job.captioning.prepend must be a list of texts"),
    ],
)
def test_a_captioning_that_is_none_is_bad_job(changes, named):
    with pytest.raises(TrainingFailed) as caught:
        parse_job(job(captioning=captioning(**changes)))

    assert caught.value.code == "bad_job"
    assert named in caught.value.message


def test_a_whole_number_is_a_threshold_too():
    assert parsed(character_threshold=1).character_threshold == 1.0
