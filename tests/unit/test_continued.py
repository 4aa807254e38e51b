"""A training that goes on with a finished LoRA."""

import json

import pytest

from lambdas.core import aws, bucket, table
from tests.unit.fakes import LORA, SD_XL, AwsCalls, FakeSageMaker, safetensors_file
from tests.unit.scenes import TRAININGS, complete_model, ready_dataset, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")

SD_1_5_LORA = {
    "ss_base_model_version": "sd_v1",
    "ss_network_dim": "32",
    "ss_network_alpha": "16.0",
}


def ready_lora(name: str = "old") -> str:
    answer = complete_model(safetensors_file(LORA, SD_1_5_LORA), name, kind="lora")
    assert answer.body["type"] == "lora"
    return answer.body["id"]


def body(**changes: object) -> dict:
    ready = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}
    return ready | {"continue_from": "old"} | changes


def test_the_job_gets_the_lora_and_takes_over_its_rank_and_alpha(
    sagemaker: FakeSageMaker,
) -> None:
    ready_model(), ready_dataset()
    lora = ready_lora()

    made = TRAININGS.post("/trainings", body()).body

    assert made["continue_from"] == {
        "kind": "lora",
        "id": lora,
        "name": "old",
        "file_name": "base.safetensors",
        "step": 0,
        "epoch": 0,
    }
    assert (made["config_params"]["network_dim"], made["config_params"]["network_alpha"]) == (
        32,
        16.0,
    )
    job = json.loads(bucket.read(f"acme/trainings/{made['id']}/input/job.json"))
    assert job["init"] == {
        "channel": "init",
        "kind": "lora",
        "model_id": lora,
        "file_name": "base.safetensors",
    }
    (request,) = sagemaker.jobs.values()
    channels = {
        one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"]
        for one in request["InputDataConfig"]
    }
    assert list(channels) == ["config", "model", "init", "dataset_00"]
    assert channels["init"].endswith(f"/acme/models/{lora}/")


def test_the_lora_is_in_use_while_it_is_trained_further() -> None:
    ready_model(), ready_dataset()
    lora = ready_lora()

    training = TRAININGS.post("/trainings", body()).body["id"]

    assert [item["sk"] for item in table.query(f"{lora}#use", limit=5).items] == [training]


def test_continuing_takes_no_call_more(aws_calls: AwsCalls) -> None:
    model, dataset, lora = ready_model(), ready_dataset(), ready_lora()

    aws_calls.reset()
    by_id = body(model=model, datasets=[{"dataset": dataset}], continue_from=lora)
    assert TRAININGS.post("/trainings", by_id).status == 201
    assert len(aws_calls.made) == 4

    aws_calls.reset()
    assert TRAININGS.post("/trainings", body(name="other")).status == 201
    assert len(aws_calls.made) == 5


def test_a_lora_that_is_none_or_not_there_or_of_the_other_family_is_refused() -> None:
    ready_model(), ready_dataset(), ready_lora()
    ready_model("sdxl", SD_XL)

    answers = {
        name: TRAININGS.post("/trainings/validate", body(**changes)).body["errors"]
        for name, changes in {
            "not there": {"continue_from": "nothing"},
            "no LoRA": {"continue_from": "base"},
            "family": {"model": "sdxl"},
        }.items()
    }

    assert [[one["pointer"] for one in faults] for faults in answers.values()] == [
        ["/continue_from"]
    ] * 3
    assert "GET /models?type=lora" in answers["not there"][0]["message"]
    assert "base is a checkpoint" in answers["no LoRA"][0]["message"]
    assert "old is sd_1_5, but the base model is sd_xl" in answers["family"][0]["message"]


def test_another_rank_alpha_or_network_is_refused() -> None:
    ready_model(), ready_dataset(), ready_lora()
    params = {"network_dim": 8, "network_alpha": 4, "network_module": "networks.oft"}

    faults = TRAININGS.post("/trainings/validate", body(config_params=params)).body["errors"]

    assert {fault["pointer"] for fault in faults} == {
        "/config_params/network_dim",
        "/config_params/network_alpha",
        "/config_params/network_module",
    }
    assert "must be 32, as the LoRA has it" in faults[0]["message"]


def test_a_lora_without_metadata_is_left_to_the_job_to_check() -> None:
    ready_model(), ready_dataset()
    complete_model(safetensors_file(LORA), "old", kind="lora")

    answer = TRAININGS.post("/trainings/validate", body(config_params={"network_dim": 4}))

    assert answer.body["valid"] is True
    assert answer.body["config_params"]["network_dim"] == 4


def test_a_lora_that_is_deleted_meanwhile_stops_the_making(aws_calls: AwsCalls) -> None:
    ready_model(), ready_dataset()
    lora = ready_lora()
    real = bucket.put

    def deleting(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)
        aws.dynamodb().update_item(
            TableName="table",
            Key={"pk": {"S": "acme#model"}, "sk": {"S": lora}},
            UpdateExpression="SET #s = :s",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":s": {"S": "deleting"}},
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket, "put", deleting)
        answer = TRAININGS.post("/trainings", body())

    assert (answer.status, answer.body["code"]) == (409, "changed_meanwhile")


@pytest.mark.parametrize(
    ("layers", "kind"),
    [
        (["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"], "is a LoHa"),
        (["lokr_w1", "lokr_w2"], "is a LoKr"),
        (["lora_down.weight", "lora_up.weight", "dora_scale"], "is a DoRA"),
        (["lora_A.weight", "lora_B.weight"], "named as PEFT does"),
    ],
)
def test_a_lora_that_networks_lora_would_pass_over_is_refused(layers: list[str], kind: str) -> None:
    ready_model(), ready_dataset()
    (down,) = LORA
    layer = down.removesuffix(".lora_down.weight")
    shapes = {f"{layer}.{one}": [4, 768] for one in layers}
    complete_model(safetensors_file(shapes, SD_1_5_LORA), "old", kind="lora")

    (fault,) = TRAININGS.post("/trainings/validate", body()).body["errors"]

    assert fault["pointer"] == "/continue_from"
    assert kind in fault["message"]


SDXL_LORA = {
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight": [4, 2048],
    "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": [4, 768],
}


def test_layers_that_would_not_be_trained_would_be_lost_and_are_trained_or_refused() -> None:
    ready_model("base", SD_XL), ready_dataset()
    complete_model(safetensors_file(SDXL_LORA), "old", kind="lora")

    as_it_is = TRAININGS.post("/trainings/validate", body()).body
    lost = body(config_params={"network_train_unet_only": True})
    refused = TRAININGS.post("/trainings/validate", lost).body

    assert as_it_is["errors"] == []
    assert as_it_is["config_params"]["network_train_unet_only"] is False
    assert "cache_text_encoder_outputs" not in as_it_is["config_params"]
    assert [fault["pointer"] for fault in refused["errors"]] == [
        "/config_params/network_train_unet_only"
    ]
    assert "layers of the text encoder" in refused["errors"][0]["message"]
