"""What a list page and a create cost as the workspace grows: `make bench-lists`.

Measured against dynalite, a DynamoDB in LevelDB, since moto's own Query is linear in the table.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.__main__ import FOLDER, function_environment
from bench.dynalite import Metered, create_table, dynalite, fill
from local.demo import engine, material
from local.demo.client import Api
from local.demo.screen import Screen
from local.demo.uploads import upload_dataset, upload_model

TABLE = "lists"
SMALL, LARGE = "small", "large"
PAGE = 50
ROUNDS = 200

Item = dict[str, Any]


@dataclass(frozen=True)
class Cost:
    """Of one request: calls, capacity units, milliseconds (median and 95th percentile)."""

    calls: int
    units: float
    median: float
    high: float


def main() -> None:
    """Fill two workspaces, measure both, print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.list_pages", description=__doc__)
    parser.add_argument("--small", type=int, default=100, help="items of a kind in the small one")
    parser.add_argument("--large", type=int, default=100_000, help="and in the large one")
    asked = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        engine.local_stack(FOLDER / "state", engine.environment("rehearsal"), 1) as endpoints,
        dynalite(FOLDER) as url,
    ):
        examples = _examples(endpoints)
        os.environ.update(function_environment(endpoints))
        os.environ |= {"AWS_ENDPOINT_URL_DYNAMODB": url, "TABLE_NAME": TABLE}
        _measure({SMALL: asked.small, LARGE: asked.large}, examples)


def _measure(sizes: Mapping[str, int], examples: Mapping[str, Item]) -> None:
    from lambdas.core import aws

    plain: Any = aws.dynamodb()
    metered: Any = Metered(plain)
    aws.dynamodb = lambda: metered
    create_table(plain, TABLE)
    for workspace, count in sizes.items():
        began = time.perf_counter()
        fill(plain, TABLE, _items(workspace, count, examples))
        print(f"{workspace}: {count} of each kind, written in {time.perf_counter() - began:.0f} s")
    print(f"\n{'request':<26}{'items':>9}{'calls':>7}{'units':>8}{'median':>9}{'p95':>9}")
    for name in _requests(SMALL, examples):
        _print(name, sizes, _in_turns(name, sizes, examples, metered))
    print(f"Milliseconds over {ROUNDS} rounds, both workspaces in turns; pages of {PAGE}.")


def _print(name: str, sizes: Mapping[str, int], costs: Mapping[str, Cost]) -> None:
    for workspace, one in costs.items():
        numbers = f"{sizes[workspace]:>9}{one.calls:>7}{one.units:>8.1f}{one.median:>9.2f}"
        print(f"{name:<26}{numbers}{one.high:>9.2f}")
    change = costs[LARGE].median / costs[SMALL].median - 1
    print(f"{'':<26}{change:>+9.1%} in the median\n")


def _in_turns(
    name: str, sizes: Mapping[str, int], examples: Mapping[str, Item], metered: Metered
) -> dict[str, Cost]:
    """Measure a request in both workspaces by turns, so that what else runs hits both alike."""
    times: dict[str, list[float]] = {workspace: [] for workspace in sizes}
    costs: dict[str, tuple[int, float]] = {}
    requests = {workspace: _requests(workspace, examples)[name] for workspace in sizes}
    for _ in range(ROUNDS):
        for workspace, request in requests.items():
            metered.taken()
            began = time.perf_counter()
            request()
            times[workspace].append((time.perf_counter() - began) * 1000)
            costs[workspace] = metered.taken()
    return {
        workspace: Cost(
            *costs[workspace], statistics.median(took), statistics.quantiles(took, n=20)[-1]
        )
        for workspace, took in times.items()
    }


def _requests(workspace: str, examples: Mapping[str, Item]) -> dict[str, Callable[[], Any]]:
    from lambdas.core.caller import Caller
    from lambdas.datasets import service as datasets
    from lambdas.models import service as models
    from lambdas.trainings import service as trainings

    caller = Caller(workspace, "admin", "tok_bench")
    return {
        "GET /datasets": lambda: datasets.page(caller, PAGE, None),
        "GET /models": lambda: models.page(caller, None, None, PAGE, None),
        "GET /models?type=": lambda: models.page(caller, "checkpoint", None, PAGE, None),
        "GET /trainings": lambda: trainings.page(caller, None, PAGE, None),
        "GET /trainings?status=": lambda: trainings.page(caller, "queued", PAGE, None),
        "POST /trainings, its writes": lambda: _create(workspace, examples["training"]),
    }


def _create(workspace: str, example: Item) -> None:
    from lambdas.core.attributes import decode_item
    from lambdas.core.idempotency import Attempt
    from lambdas.core.ids import new_id
    from lambdas.trainings import creation, repository

    template = repository.kept_from(decode_item(example)).training
    training_id = new_id("trn")
    name = training_id.lower()
    own = {"id": training_id, "name": name, "status": "queued", "job_name": name}
    training = template.model_copy(update=own)
    attempt = Attempt.of(workspace, name, "POST /trainings", training)
    creation.insert(workspace, training, attempt, 10**9)


def _examples(endpoints: Mapping[str, Any]) -> dict[str, Item]:
    """Return an item of each kind as the service itself wrote it."""
    from botocore.session import get_session

    api = Api(endpoints["url"], endpoints["token"])
    model = upload_model(api, material.write_small_model(FOLDER / "m.safetensors"), Screen())
    dataset = upload_dataset(api, material.draw_dataset(FOLDER), Screen())
    request = {"model": model["id"], "datasets": [{"dataset": dataset["id"]}]}
    training = api.post("/trainings", {"name": "example", **request})
    client = get_session().create_client(
        "dynamodb",
        endpoint_url=endpoints["dynamodb"],
        region_name=endpoints["region"],
        aws_access_key_id=endpoints["access_key_id"],
        aws_secret_access_key=endpoints["secret_access_key"],
    )
    return {
        kind: client.get_item(
            TableName=endpoints["table"],
            Key={"pk": {"S": f"demo#{kind}"}, "sk": {"S": made["id"]}},
        )["Item"]
        for kind, made in (("dataset", dataset), ("model", model), ("training", training))
    }


def _items(workspace: str, count: int, examples: Mapping[str, Item]) -> Iterator[Item]:
    """Yield so many items of each kind, alike but for their ids, names and what runs where."""
    from lambdas.core.ids import ulid

    for _ in range(count):
        number = ulid()
        for kind, example in examples.items():
            identifier = f"{example['sk']['S'].partition('_')[0]}_{number}"
            own = {"pk": f"{workspace}#{kind}", "sk": identifier, "id": identifier, "name": number}
            if kind != "dataset":
                facet = "model#checkpoint" if kind == "model" else "training#queued"
                own["facet"] = f"{workspace}#{facet}"
            yield example | {name: {"S": value} for name, value in own.items()}


if __name__ == "__main__":
    main()
