"""Cold starts and AWS calls of every operation, against the local stack: `make bench`.

`make bench ARGS=wrapper` measures what the container program costs (wrapper_cost.py), `ARGS=load`
the stack under load (load.py).
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench import wrapper_cost
from local.demo import engine, material
from local.demo.client import Api
from local.demo.screen import Screen
from local.demo.uploads import upload_dataset, upload_model

ROUNDS = 5
FOLDER = engine.ROOT / ".lorastack" / "bench"


@dataclass(frozen=True)
class Operation:
    """A request to measure, or an event."""

    name: str
    room: str
    event: dict[str, Any] = field(default_factory=dict)
    handler: str = "handler"


def main() -> None:
    """Print the table."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    env = engine.environment("rehearsal")
    with engine.local_stack(FOLDER / "state", env, processes=1) as endpoints:
        api = Api(endpoints["url"], endpoints["token"])
        model = upload_model(api, material.write_small_model(FOLDER / "m.safetensors"), Screen())
        dataset = upload_dataset(api, material.draw_dataset(FOLDER), Screen())
        request = {"model": model["id"], "datasets": [{"dataset": dataset["id"]}]}
        training = api.post("/trainings", {"name": "bench", **request})
        measured = list(operations(model, dataset, training, endpoints))
        _must_be_of_every_function(measured)
        columns = "".join(f"{name:>9}" for name in ("import", "first", "both", "cpu", "second"))
        print(f"\n{'operation':<34}{columns}  AWS calls")
        for operation in measured:
            print(_row(operation, [_measured(operation, endpoints) for _ in range(ROUNDS)]))
        print(f"\nMedians of {ROUNDS} fresh processes, in seconds; cpu: processor time of both.")


def operations(
    model: dict[str, Any],
    dataset: dict[str, Any],
    training: dict[str, Any],
    endpoints: dict[str, Any],
) -> Iterator[Operation]:
    """Yield what is measured: at least one operation of each function."""
    by_id = {"model": model["id"], "datasets": [{"dataset": dataset["id"]}]}
    by_name = {"model": model["name"], "datasets": [{"dataset": dataset["name"]}]}
    listed = {"name": "new", "prefix": "1_x", "files": [{"name": "a.png", "size": 1}]}
    upload = {"name": "new", "file_name": "m.safetensors", "size": 99}
    yield Operation("GET /health", "access", _request("GET", "/health"))
    yield Operation("GET /datasets", "datasets", _request("GET", "/datasets"))
    yield Operation("POST /datasets", "datasets", _request("POST", "/datasets", listed))
    yield Operation("GET /models/{id}", "models", _request("GET", f"/models/{model['id']}"))
    yield Operation("POST /models", "models", _request("POST", "/models", upload))
    yield Operation(
        "GET /trainings/{id}", "trainings", _request("GET", f"/trainings/{training['id']}")
    )
    yield Operation("GET /trainings", "trainings", _request("GET", "/trainings"))
    yield Operation(
        "POST /trainings/validate",
        "trainings",
        _request("POST", "/trainings/validate", by_id | {"name": "v"}),
    )
    yield Operation(
        "POST /trainings, ids", "trainings", _request("POST", "/trainings", by_id | {"name": "i"})
    )
    yield Operation(
        "POST /trainings, names",
        "trainings",
        _request("POST", "/trainings", by_name | {"name": "n"}),
    )
    method_arn = "arn:aws:execute-api:us-east-1:000000000000:api/v1/GET/trainings"
    bearer = {"authorizationToken": f"Bearer {endpoints['token']}", "methodArn": method_arn}
    yield Operation("authorizer", "access", bearer, "authorizer")
    yield Operation("status event", "training_status", _status_event(training))
    yield Operation("GET /webhooks", "webhooks", _request("GET", "/webhooks"))
    every_minute = {"detail-type": "Reconcile"}
    yield Operation("asset worker, every minute", "asset_worker", every_minute)
    yield Operation("notifier, every minute", "notifier", every_minute)


def _must_be_of_every_function(measured: Iterable[Operation]) -> None:
    template = json.loads((engine.ROOT / "cdk.out" / "LoraStack.template.json").read_text())
    there_are = {
        resource["Properties"]["Handler"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    missing = there_are - {f"lambdas.{one.room}.{one.handler}.handler" for one in measured}
    if missing:
        raise SystemExit(f"No operation of {', '.join(sorted(missing))} is measured.")


def _request(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    authorizer = {
        "workspace": "demo",
        "role": "admin",
        "token_id": "tok_bench",
        "expires_at": "9999999999",
    }
    return {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "body": json.dumps(body) if body else None,
        "isBase64Encoded": False,
        "requestContext": {"requestId": "bench", "path": f"/v1{path}", "authorizer": authorizer},
    }


def _status_event(training: dict[str, Any]) -> dict[str, Any]:
    detail = {
        "TrainingJobName": training["job_name"],
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Training",
        "LastModifiedTime": 4_000_000_000_000,
    }
    return {"detail-type": "SageMaker Training Job State Change", "detail": detail}


def _measured(operation: Operation, endpoints: dict[str, Any]) -> dict[str, Any]:
    event = _with_fresh_name(operation.event)
    asked = {"handler": f"lambdas.{operation.room}.{operation.handler}", "event": event}
    done = subprocess.run(
        [sys.executable, "-m", "bench.invoke"],
        input=json.dumps(asked),
        env=function_environment(endpoints),
        cwd=engine.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _with_fresh_name(event: dict[str, Any]) -> dict[str, Any]:
    if not event.get("body"):
        return event
    body = json.loads(event["body"])
    return {**event, "body": json.dumps(body | {"name": f"{body['name']}-{os.urandom(4).hex()}"})}


def function_environment(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """Return what a function of the local stack would have in its environment."""
    return {
        "PATH": os.environ["PATH"],
        "TABLE_NAME": endpoints["table"],
        "BUCKET_NAME": endpoints["bucket"],
        "DEPLOYMENT": "lorastack",
        "TRAINING_IMAGE_URI": "000000000000.dkr.ecr.us-east-1.amazonaws.com/lorastack:1",
        "TRAINING_ROLE_ARN": "arn:aws:iam::000000000000:role/bench",
        "MAX_ACTIVE_TRAININGS": "1000",
        "POWERTOOLS_LOG_LEVEL": "ERROR",
        "AWS_REGION": endpoints["region"],
        "AWS_DEFAULT_REGION": endpoints["region"],
        "AWS_ACCESS_KEY_ID": endpoints["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": endpoints["secret_access_key"],
        "AWS_ENDPOINT_URL": endpoints["dynamodb"],
        "AWS_ENDPOINT_URL_S3": endpoints["s3"],
        "AWS_ENDPOINT_URL_SAGEMAKER": endpoints["sagemaker"],
    }


def _row(operation: Operation, measured: list[dict[str, Any]]) -> str:
    def median(name: str) -> float:
        return statistics.median(one[name] for one in measured)

    both = statistics.median(one["import"] + one["first"] for one in measured)
    calls = measured[0]["calls"]
    numbers = f"{median('import'):>9.3f}{median('first'):>9.3f}{both:>9.3f}"
    numbers += f"{median('cpu'):>9.3f}{median('second'):>9.3f}"
    status = measured[0]["status"]
    failed = f"  answered {status}" if status and status >= 300 else ""
    return f"{operation.name:<34}{numbers}  {len(calls)}: {', '.join(calls)}{failed}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["wrapper"]:
        wrapper_cost.main(sys.argv[2:])
    elif sys.argv[1:2] == ["load"]:
        from bench import load

        load.main(sys.argv[2:])
    else:
        main()
