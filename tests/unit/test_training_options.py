"""What a training can be made of, what it costs, and how the contract tells it."""

import json
import re
from dataclasses import replace

import pytest

from contract import document
from lambdas.trainings import estimate, kohya, prices
from lambdas.trainings.dataset_groups import Group
from lambdas.trainings.instances import INSTANCE_TYPES
from lambdas.trainings.option_schema import json_schema, schema_of_datasets
from lambdas.trainings.options import dataset_options, open_options, options
from lambdas.trainings.plan import Plan
from lambdas.trainings.schema import Steps
from lambdas.trainings.settings import Settings
from tests.unit.fakes import SD_XL, AwsCalls
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model

A10G = INSTANCE_TYPES["ml.g5.xlarge"]
SETTINGS = Settings(
    table_name="t",
    bucket_name="b",
    deployment="d",
    training_image_uri="i",
    training_role_arn="r",
    aws_region="eu-west-1",
)


def plan(steps: int = 100) -> Plan:
    return Plan(
        faults=(),
        instance=A10G,
        max_runtime_minutes=60,
        params=kohya.resolve({}, "sd_1_5", A10G).params,
        fm_type="sd_1_5",
        steps=Steps(
            images=1,
            samples_per_epoch=1,
            steps_per_epoch=1,
            epochs=1,
            total_steps=steps,
            assumption="",
        ),
    )


def test_everything_is_told_without_a_call_to_aws(aws_calls: AwsCalls) -> None:
    told = TRAININGS.get("/training-options").body

    assert aws_calls.made == []
    assert [one["fm_type"] for one in told["families"]] == ["sd_1_5", "sd_xl"]
    assert {one["instance_type"] for one in told["instance_types"]} == set(INSTANCE_TYPES)
    assert len(told["presets"]) == 2 * 3 * 4
    assert {one["option"] for one in told["options"]} == set(open_options())
    assert told["default_preset"] == "style"
    assert told["limits"]["max_runtime_minutes"] == 7200
    assert "algo" in told["network_args"]["keys"]["lycoris.kohya"]


def test_validating_tells_the_preset_the_price_and_what_is_unknown(aws_calls: AwsCalls) -> None:
    ready_model(), ready_dataset()
    request = {"name": "n", "model": "base", "datasets": [{"dataset": "tusiji"}]}

    answer = TRAININGS.post("/trainings/validate", request | {"preset": "object"})

    assert answer.body["preset"] == "object"
    assert answer.body["config_params"]["network_dim"] == 8
    told = answer.body["estimate"]
    assert (told["seconds"], told["usd"], told["spot"], told["price"]) == (None,) * 4
    assert any("unknown" in note for note in told["notes"])


def test_a_formatted_answer_starts_where_the_original_is_refused(aws_calls: AwsCalls) -> None:
    ready_model(shapes=SD_XL), ready_dataset()
    request = {"name": "n", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    pasted = request | {"config_params": {"lr": "1e-4", "network_dimm": "8"}}

    checked = TRAININGS.post("/trainings/validate", pasted)
    refused = TRAININGS.post("/trainings", pasted)
    formatted = request | {"config_params": checked.body["config_params"]}
    started = TRAININGS.post("/trainings", formatted)

    assert checked.body["valid"] is True
    assert len(checked.body["corrections"]) == 2
    assert refused.status == 422
    assert set(refused.pointers) == {"/config_params/lr", "/config_params/network_dimm"}
    assert started.status == 201
    assert started.body["preset"] == "style"


@pytest.mark.parametrize(
    "text",
    [
        "learning_rate = nan",
        "lr = inf",
        "text_encoder_lr = nan",
        "network_dim = 2020-01-01",
        "rank = 2020-01-01T00:00:00",
        "caption_prefix = 07:32:00",
        "network_args = [[1]]",
        "[a.b.c]\nd = 1",
        "[[datasets]]\nnum_repeats = 3",
        "'' = 1",
    ],
)
def test_nonsense_in_a_text_is_told_as_json_that_anyone_can_read(
    aws_calls: AwsCalls, text: str
) -> None:
    ready_model(), ready_dataset()
    request = {"name": "n", "model": "base", "datasets": [{"dataset": "tusiji"}]}

    answer = TRAININGS.post("/trainings/validate", request | {"config_params": text})

    assert answer.status == 200
    assert answer.body["valid"] is False
    json.dumps(answer.body, allow_nan=False)
    assert TRAININGS.post("/trainings", request | {"config_params": text}).status == 422


@pytest.mark.parametrize("preset", ["", "portrait", 3])
def test_a_preset_that_is_none_is_refused(aws_calls: AwsCalls, preset: object) -> None:
    request = {"name": "n", "model": "base", "datasets": [{"dataset": "x"}], "preset": preset}

    assert TRAININGS.post("/trainings/validate", request).pointers == ["/preset"]


def test_every_price_has_a_source_and_a_date_and_belongs_to_an_instance_type() -> None:
    for region, table in prices._table().items():
        assert re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region)
        for instance_type, price in table.items():
            assert instance_type in INSTANCE_TYPES
            assert price.usd_per_hour > 0
            assert price.source
            assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", price.as_of or "")


def test_the_deployments_own_price_goes_before_the_table() -> None:
    table = prices.price_of("ml.g5.xlarge", SETTINGS)
    own = SETTINGS.model_copy(update={"training_prices": {"ml.g5.xlarge": 2.0}})

    assert table is not None
    assert (table.usd_per_hour, table.region, table.as_of) == (1.57, "eu-west-1", "2023-12")
    mine = prices.price_of("ml.g5.xlarge", own)
    assert mine is not None
    assert (mine.usd_per_hour, mine.source) == (2.0, prices.SETTING)


@pytest.mark.parametrize(
    ("instance_type", "region"), [("ml.p5.48xlarge", "eu-west-1"), ("ml.g5.xlarge", "")]
)
def test_an_unknown_price_stays_unknown(instance_type: str, region: str) -> None:
    assert (
        prices.price_of(instance_type, SETTINGS.model_copy(update={"aws_region": region})) is None
    )


def test_without_a_measurement_only_the_most_it_can_cost_is_told() -> None:
    told = estimate.estimate_of(plan(), SETTINGS)

    assert (told.seconds, told.usd, told.spot) == (None, None, None)
    assert told.usd_at_most == 1.57
    assert "nobody measured" in told.notes[0]


def test_a_measurement_counts_only_where_all_that_decides_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params = plan().params
    decisive = {name: params.get(name, options()[name].default) for name in estimate._DECISIVE}
    speed = {
        "fm_type": "sd_1_5",
        "gpu": "A10G",
        "gpus": 1,
        "options": decisive,
        "seconds_per_step": 0.5,
    }
    monkeypatch.setattr(estimate, "_speeds", lambda: [speed])

    same = estimate.estimate_of(plan(7200), SETTINGS)
    other = replace(plan(), params=params | {"resolution": "768,768"})

    assert same.seconds == 3600
    assert same.usd == 1.57
    assert same.spot is not None
    assert (same.spot.usd_least, same.spot.usd_most) == (0.16, 1.57)
    assert estimate.estimate_of(other, SETTINGS).seconds is None
    larger = Group({"resolution": "768,768"}, (0,))
    assert estimate.estimate_of(replace(plan(7200), groups=(larger,)), SETTINGS).seconds is None
    back = replace(other, groups=(Group({"resolution": params["resolution"]}, (0,)),))
    assert estimate.estimate_of(back, SETTINGS).seconds == 50
    both = replace(plan(), groups=(Group({}, (0,)), larger))
    assert estimate.estimate_of(both, SETTINGS).seconds is None


def test_the_contract_types_the_options_that_datasets_may_have() -> None:
    schema = schema_of_datasets()

    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(dataset_options()) < set(open_options())
    assert "share buckets" in schema["properties"]["train_batch_size"]["description"]
    assert "share buckets" not in schema["properties"]["flip_aug"]["description"]
    drafts = document.contract()["components"]["schemas"]
    options = drafts["DatasetChoice"]["properties"]["options"]
    assert options["$ref"] == "#/components/schemas/DatasetOptions"
    assert len(drafts["DatasetDraft"]["properties"]["options"]["anyOf"]) == 2


def test_the_contract_types_every_open_option_and_no_other() -> None:
    schema = json_schema()

    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(open_options())
    for name, one in schema["properties"].items():
        assert one["description"], name
        assert "type" in one or "anyOf" in one
        assert "default" not in one, "a generated client would send it back"
    dim = schema["properties"]["network_dim"]
    assert (dim["type"], dim["minimum"], dim["maximum"]) == ("integer", 1, 1024)
    assert dim["x-default"] == {"sd_1_5": 16, "sd_xl": 16}
    assert "lycoris.kohya" in schema["properties"]["network_module"]["enum"]
    assert "SDXL only." in schema["properties"]["cache_text_encoder_outputs"]["description"]


def test_the_contract_is_strict_for_create_and_open_for_validate() -> None:
    schemas = document.contract()["components"]["schemas"]
    forms = {
        name: [json.dumps(one) for one in schemas[name]["properties"]["config_params"]["anyOf"]]
        for name in ("NewTraining", "TrainingDraft")
    }

    assert not any("additionalProperties" in one for one in forms["NewTraining"])
    assert any("additionalProperties" in one for one in forms["TrainingDraft"])
