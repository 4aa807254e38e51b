"""How large a training's record may become: an item of the table holds 400 KB."""

import pytest

from lambdas.core import table
from lambdas.core.attributes import encode_item
from lambdas.trainings import repository
from lambdas.trainings.dataset_groups import Group
from lambdas.trainings.schema import MOST_BUCKETS, DatasetUsed
from lambdas.trainings.work import reckon
from tests.unit.scenes import TRAININGS, ready_dataset, ready_model

WORDS = "𠀀" * 1900  # four bytes each


def body(characters: int) -> dict:
    """Sixteen datasets with words of their own, and as much of all else as there may be."""
    own = {"caption_prefix": WORDS[:characters], "caption_suffix": WORDS[:characters]}
    datasets = [
        {"dataset": "tusiji", "options": own | {"resolution": str(256 + 64 * index)}}
        for index in range(16)
    ]
    return {
        "name": "huge",
        "model": "base",
        "datasets": datasets,
        "config_params": {"max_train_steps": 5, "training_comment": WORDS},
        "sample_prompts": [{"prompt": WORDS[:1000]} for _ in range(8)],
        "captioning": {"blacklist": [f"{index} {WORDS[:60]}" for index in range(200)]},
        "tags": {f"tag{index}": WORDS[:256] for index in range(20)},
    }


def test_a_training_that_no_item_would_hold_is_refused(aws_calls: object) -> None:
    ready_model(), ready_dataset()

    told = TRAININGS.post("/trainings/validate", body(1900)).body
    refused = TRAININGS.post("/trainings", body(1900))
    made = TRAININGS.post("/trainings", body(1700))

    assert [fault["pointer"] for fault in told["errors"]] == ["/datasets"]
    assert "340000 is the most" in told["errors"][0]["message"]
    assert (refused.status, refused.body["errors"]) == (422, told["errors"])
    assert made.status == 201, made.body
    item = table.get(repository.key_of("acme", made.body["id"]))
    assert item
    assert size_of({"M": encode_item(item)}) < 360 * 1024


def size_of(value: dict) -> int:
    """Reckon as DynamoDB does: text in UTF-8, at most 21 bytes a number, 3 for each collection and
    1 for each element."""
    ((kind, told),) = value.items()
    if kind == "M":
        return 3 + sum(len(name.encode()) + 1 + size_of(one) for name, one in told.items())
    if kind == "L":
        return 3 + sum(1 + size_of(one) for one in told)
    return {"S": lambda: len(told.encode()), "N": lambda: 21}.get(kind, lambda: 1)()


@pytest.mark.parametrize(("sizes", "listed"), [(900, 900), (1100, MOST_BUCKETS)])
def test_only_the_fullest_of_very_many_buckets_are_listed(sizes: int, listed: int) -> None:
    dataset = DatasetUsed(
        id="ds_1",
        name="many",
        folder="1_x",
        repeats=1,
        subject="x",
        caption_policy="empty",
        images=sizes + 1,
    )
    known = [[64 + 32 * (index % 40), 64 + 32 * (index // 40), 1] for index in range(sizes)]
    known[-1][2] = 2
    params = {
        "resolution": "1536,1536",
        "enable_bucket": True,
        "bucket_no_upscale": True,
        "bucket_reso_steps": 32,
        "min_bucket_reso": 64,
        "max_bucket_reso": 2048,
    }

    steps = reckon([dataset], [known], [Group({}, (0,))], params, "sd_xl", 1)

    assert (len(steps.buckets), steps.samples_per_epoch) == (listed, sizes + 1)
    assert max(one.samples for one in steps.buckets) == 2
