"""The local stack killed in the middle of a training and started again: nothing is lost."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

from client import SD_1_5, checkpoint, follow, upload_dataset, upload_model
from local_stack import await_that, start

LONG = {"max_train_epochs": 5000, "network_dim": 4}
QUICK = {"max_train_epochs": 1, "network_dim": 4}


def test_after_a_kill_everything_is_there_and_the_training_reaches_its_end(cdk_out: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="lorastack-test-"))
    stack = None
    arguments = ["--port", "0", "--cdk-out", str(cdk_out)]
    try:
        stack = start(arguments, folder / "state", folder / "output")
        with stack.client() as api:
            upload_model(api, "base", checkpoint(SD_1_5)).raise_for_status()
            upload_dataset(api, "images").raise_for_status()
            request = {"model": "base", "datasets": [{"dataset": "images"}]}
            quick = api.post("/trainings", json={**request, "name": "done", "config_params": QUICK})
            finished = follow(api, quick.json()["id"])
            long = api.post("/trainings", json={**request, "name": "cut", "config_params": LONG})
            path = f"/trainings/{long.json()['id']}"
            await_that(lambda: (api.get(path).json()["progress"] or {}).get("epoch", 0) > 1, 30)
        os.killpg(stack.process.pid, signal.SIGKILL)
        stack.process.wait()

        stack = start(arguments, folder / "state", folder / "output")
        with stack.client() as api:
            cut = follow(api, long.json()["id"], seconds=60)
            assert cut["status"] == "failed"
            assert cut["failure"]["code"] == "service_fault"
            assert api.get(f"/models/{cut['lora_id']}").json()["partial"] is True
            assert api.get(f"/trainings/{finished['id']}").json() == finished
            assert {model["name"] for model in api.get("/models").json()["data"]} == {
                "base",
                "done",
                "cut",
            }
            assert [one["status"] for one in api.get("/datasets").json()["data"]] == ["ready"]
        assert stack.interrupt() in {0, 130}
    finally:
        if stack and stack.process.poll() is None:
            os.killpg(stack.process.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
