"""A spot training whose machine is taken away twice, over HTTP against the whole local stack."""

from typing import Any

import httpx
from client import SD_1_5, checkpoint, follow, upload_dataset, upload_model
from local_stack import LocalStack, await_that

EPOCHS, STEPS = 5, 50
PARAMS = {"max_train_epochs": EPOCHS, "network_dim": 4, "lr_scheduler": "cosine"}


def test_a_training_interrupted_twice_ends_like_one_that_was_not(
    stack: LocalStack, slow_stack: LocalStack
) -> None:
    with stack.client() as api:
        made = create(api, spot=False)
        straight, expected = follow(api, made["id"]), curve(api, made["id"])

    with slow_stack.client() as api:
        made = create(api, spot=True)
        for count, epoch in enumerate((1, 3), start=1):
            await_that(lambda epoch=epoch: has_state(slow_stack, made["id"], epoch), 60)
            interrupt(slow_stack, made["job_name"], count)
        twice, rows = follow(api, made["id"]), curve(api, made["id"])
        lora = api.get(f"/models/{twice['lora_id']}").json()

    assert (straight["status"], twice["status"]) == ("succeeded", "succeeded"), twice["failure"]
    for field in ("phase", "step", "total_steps", "epoch", "total_epochs"):
        assert twice["progress"][field] == straight["progress"][field]
    assert (twice["progress"]["step"], twice["steps"]["total_steps"]) == (STEPS, STEPS)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    for field in ("epoch", "loss", "learning_rates"):
        assert [row[field] for row in rows] == [row[field] for row in expected]
    numbered = [f"spot-{epoch:06d}.safetensors" for epoch in range(1, EPOCHS)]
    assert keys(slow_stack, made["id"], "lora") == [*numbered, "spot.safetensors"]
    assert lora["partial"] is False


def interrupt(stack: LocalStack, job: str, count: int) -> None:
    """Take the machine away, the count-th time, and see that it is gone."""
    hook = f"{stack.endpoints['sagemaker']}/local/interrupt"
    httpx.post(hook, params={"name": job}).raise_for_status()

    def gone() -> bool:
        told = stack.aws("sagemaker").describe_training_job(TrainingJobName=job)
        statuses = [one["Status"] for one in told["SecondaryStatusTransitions"]]
        return statuses.count("Interrupted") == count

    await_that(gone)


def create(api: httpx.Client, *, spot: bool) -> dict[str, Any]:
    """A training of its own model and dataset: two images, five times, five epochs."""
    upload_model(api, "spot-base", checkpoint(SD_1_5)).raise_for_status()
    upload_dataset(api, "spot-images").raise_for_status()
    request = {
        "name": "spot",
        "model": "spot-base",
        "datasets": [{"dataset": "spot-images", "repeats": STEPS // EPOCHS // 2}],
        "spot": spot,
        "config_params": PARAMS,
    }
    made: dict[str, Any] = api.post("/trainings", json=request).raise_for_status().json()
    return made


def keys(stack: LocalStack, training_id: str, folder: str) -> list[str]:
    prefix = f"tests/trainings/{training_id}/checkpoints/{folder}/"
    listed = stack.aws("s3").list_objects_v2(Bucket=stack.endpoints["bucket"], Prefix=prefix)
    return [found["Key"].removeprefix(prefix) for found in listed.get("Contents", [])]


def has_state(stack: LocalStack, training_id: str, epoch: int) -> bool:
    """Whether the state after this epoch or a later one has come to S3."""
    names = keys(stack, training_id, "state")
    return any(
        name.endswith("-state/manifest.json") and int(name.split("-")[1]) >= epoch for name in names
    )


def curve(api: httpx.Client, training_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    since: int | None = 0
    while since is not None:
        page = api.get(f"/trainings/{training_id}/metrics", params={"since_step": since}).json()
        rows += page["data"]
        since = page["next_since_step"]
    return rows
