"""Sample prompts: typed, bounded, and what a training would draw of them."""

import json
from typing import Any

import pytest

from lambdas.core import bucket
from lambdas.trainings.options import options
from lambdas.trainings.samples_schema import Sampler
from tests.unit.fakes import SD_XL, Answer
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")


@pytest.fixture
def ready(aws_calls: object) -> None:
    ready_model(), ready_dataset()


def request(*prompts: dict[str, Any], **params: Any) -> dict[str, Any]:
    return {
        "name": "style",
        "model": "base",
        "datasets": [{"dataset": "tusiji"}],
        "sample_prompts": list(prompts),
        "config_params": params,
    }


def validate(*prompts: dict[str, Any], **params: Any) -> Answer:
    return TRAININGS.post("/trainings/validate", request(*prompts, **params))


@pytest.mark.usefixtures("ready")
def test_what_a_prompt_leaves_open_is_told_by_validate() -> None:
    answer = validate({"prompt": "a rabbit"}, {"prompt": "b", "sampler": "heun", "width": 768})

    assert answer.body["valid"] is True
    assert answer.body["sample_prompts"] == [
        {
            "prompt": "a rabbit",
            "negative_prompt": None,
            "width": 512,
            "height": 512,
            "steps": 30,
            "cfg_scale": 7.5,
            "seed": 42,
            "sampler": "ddim",
        },
        answer.body["sample_prompts"][0] | {"prompt": "b", "sampler": "heun", "width": 768},
    ]


@pytest.mark.usefixtures("ready")
def test_the_estimate_says_that_drawing_is_not_counted() -> None:
    drawn, plain = (
        validate(*prompts).body["estimate"]["notes"] for prompts in ([{"prompt": "a"}], [])
    )

    assert [note for note in drawn if note not in plain] == [
        "The time to draw sample images is not counted; SageMaker bills it."
    ]


def test_sdxl_draws_at_the_size_it_was_trained_at() -> None:
    ready_model(shapes=SD_XL), ready_dataset()

    answer = validate({"prompt": "a", "height": 1536})

    assert answer.body["valid"] is True
    (drawn,) = answer.body["sample_prompts"]
    assert (drawn["width"], drawn["height"]) == (1024, 1536)


@pytest.mark.usefixtures("ready")
def test_the_option_names_the_sampler_of_prompts_that_do_not() -> None:
    answer = validate({"prompt": "a"}, {"prompt": "b", "sampler": "heun"}, sample_sampler="euler_a")

    assert [one["sampler"] for one in answer.body["sample_prompts"]] == ["euler_a", "heun"]


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("params", "every"),
    [
        ({}, {"sample_every_n_epochs": 1}),
        ({"sample_at_first": True}, {"sample_every_n_epochs": 1, "sample_at_first": True}),
        ({"sample_every_n_epochs": 3}, {"sample_every_n_epochs": 3}),
        ({"sample_every_n_steps": 5}, {"sample_every_n_steps": 5}),
    ],
)
def test_every_epoch_is_drawn_unless_an_interval_is_given(params: dict, every: dict) -> None:
    told = validate({"prompt": "a"}, **params).body["config_params"]

    assert {name: value for name, value in told.items() if name.startswith("sample_")} == every


@pytest.mark.usefixtures("ready")
def test_without_prompts_no_interval_is_set() -> None:
    told = validate().body

    assert told["sample_prompts"] == []
    assert not [name for name in told["config_params"] if name.startswith("sample_")]


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", "x" * 2001),
        ("prompt", "a (rabbit:1.2.3)"),
        ("prompt", "a (rabbit:...)"),
        ("negative_prompt", "(x:.)"),
        ("width", 500),
        ("width", 56),
        ("width", 2056),
        ("height", 512.5),
        ("steps", 0),
        ("steps", 151),
        ("cfg_scale", -1),
        ("cfg_scale", 31),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", True),
        ("sampler", "ddpm"),
        ("sampler", "lms"),
        ("sampler", "dpmsolver"),
        ("controlnet_image", "/etc/passwd"),
        ("sample_steps", 3),
    ],
)
def test_what_will_not_do_is_told_at_its_place(field: str, value: Any) -> None:
    answer = validate({"prompt": "good"}, {"prompt": "a"} | {field: value})

    assert answer.status == 422
    assert answer.pointers == [f"/sample_prompts/1/{field}"]


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    "prompt",
    [
        "a (rabbit:1.2), [moon], (sun:-.5) and (((",
        "a rabbit --cn /etc/passwd --w 4096 --d 1",
        "兔 \\(tusiji\\) :) 3:4",
        "two\nlines # and a comment",
    ],
)
def test_a_prompts_text_is_taken_as_it_is(prompt: str) -> None:
    made = TRAININGS.post("/trainings", request({"prompt": prompt})).body

    job = json.loads(bucket.read(f"acme/trainings/{made['id']}/input/job.json"))
    assert job["sample_prompts"] == made["sample_prompts"]
    assert made["sample_prompts"][0]["prompt"] == prompt
    assert TRAININGS.get(f"/trainings/{made['id']}").body["sample_prompts"][0]["prompt"] == prompt


@pytest.mark.usefixtures("ready")
def test_every_fault_is_told_at_once() -> None:
    answer = validate({"prompt": "a", "width": 1032}, {"prompt": "b", "height": 2048}, nonsense=3)

    assert answer.body["valid"] is False
    assert sorted(fault["pointer"] for fault in answer.body["errors"]) == [
        "/config_params/nonsense",
        "/sample_prompts/0/width",
        "/sample_prompts/1/height",
    ]
    assert "1024" in str(answer.body["errors"])


@pytest.mark.usefixtures("ready")
def test_a_sampler_that_breaks_off_at_so_few_steps_is_told() -> None:
    answer = validate(
        {"prompt": "a", "steps": 3},
        {"prompt": "b", "steps": 4},
        {"prompt": "c", "steps": 1, "sampler": "euler"},
        sample_sampler="pndm",
    )

    assert [fault["pointer"] for fault in answer.body["errors"]] == ["/sample_prompts/0/steps"]


@pytest.mark.usefixtures("ready")
def test_a_sampler_that_never_works_is_refused_as_an_option_too() -> None:
    answer = validate({"prompt": "a"}, sample_sampler="dpmsolver")

    (fault,) = answer.body["errors"]
    assert fault["pointer"] == "/config_params/sample_sampler"
    assert "dpmsolver++" in fault["message"]


@pytest.mark.usefixtures("ready")
def test_there_may_be_so_many_prompts_of_so_many_characters() -> None:
    assert validate(*[{"prompt": "a"}] * 16).body["valid"] is True
    assert validate(*[{"prompt": "a"}] * 17).pointers == ["/sample_prompts"]
    long = validate(*[{"prompt": "x" * 1500}] * 6).body["errors"]
    assert [fault["pointer"] for fault in long] == ["/sample_prompts"]


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("prompts", "params", "option"),
    [
        (0, {"sample_every_n_epochs": 1}, "sample_every_n_epochs"),
        (0, {"sample_at_first": True}, "sample_at_first"),
        (0, {"sample_sampler": "heun"}, "sample_sampler"),
        (1, {"sample_every_n_epochs": 1, "sample_every_n_steps": 5}, "sample_every_n_steps"),
        (1, {"sample_every_n_epochs": 11}, "sample_every_n_epochs"),
        (1, {"sample_every_n_steps": 301}, "sample_every_n_steps"),
        (16, {"sample_every_n_steps": 2}, "sample_every_n_steps"),
    ],
)
def test_what_draws_nothing_or_far_too_much_is_warned_of(
    prompts: int, params: dict, option: str
) -> None:
    answer = validate(*[{"prompt": "a"}] * prompts, **params).body

    assert answer["valid"] is True
    assert [fault["pointer"] for fault in answer["warnings"]] == [f"/config_params/{option}"]


def test_the_samplers_are_those_of_the_option() -> None:
    assert list(Sampler.__args__) == list(options()["sample_sampler"].choices)


@pytest.mark.usefixtures("ready")
def test_a_training_of_before_has_no_prompts() -> None:
    from lambdas.core import table
    from lambdas.trainings import repository

    made = TRAININGS.post("/trainings", request()).body
    item = table.get(repository.key_of("acme", made["id"]))
    del item["sample_prompts"]

    assert repository.kept_from(item).training.sample_prompts == []
