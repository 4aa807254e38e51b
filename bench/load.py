"""Requests a second and latency of the local stack under load, and what a request costs us.

`make bench ARGS="load --seconds 10"`. autocannon (npm) sends to loopback, at most so many seconds
a line. "the gateway alone" is a request that the gateway refuses by itself: what local mode costs.
The second table is the processor time of our code for one request, warm, and what it goes into.
"""

import argparse
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import request_cost
from bench.npm import installed
from local.demo import engine, material
from local.demo.client import Api
from local.demo.screen import Screen
from local.demo.uploads import upload_dataset, upload_model

VERSION = "9.0.0"
FOLDER = engine.ROOT / ".lorastack" / "bench" / "load"
PROCESSES = 2
MOST_CREATES = 400


@dataclass(frozen=True)
class Load:
    """A request that is sent again and again; `[<id>]` in its body is another each time."""

    name: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    token: bool = True


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="bench load", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=10, help="a line (default 10)")
    parser.add_argument("--connections", type=int, default=8, help="at once (default 8)")
    asked = parser.parse_args(arguments)
    FOLDER.mkdir(parents=True, exist_ok=True)
    autocannon = installed(FOLDER, "autocannon", VERSION, "autocannon.js")
    env = engine.environment("rehearsal")
    with engine.local_stack(FOLDER / "state", env, PROCESSES, _many_trainings()) as endpoints:
        api = Api(endpoints["url"], endpoints["token"])
        request = _training_of(api)
        training = api.post("/trainings", {"name": "bench", **request})
        print(f"\n{'':<28}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'refused':>9}")
        for load in _loads(training["id"], request):
            print(_row(load, _sent(autocannon, load, endpoints, asked)), flush=True)
        request_cost.show(training["id"], request, endpoints)


def _loads(training_id: str, request: Mapping[str, Any]) -> Iterator[Load]:
    yield Load("the gateway alone (401)", "GET", "/trainings", token=False)
    yield Load("GET /health", "GET", "/health", token=False)
    yield Load("GET /trainings/{id}", "GET", f"/trainings/{training_id}")
    yield Load("GET /trainings", "GET", "/trainings")
    yield Load("GET /models", "GET", "/models")
    yield Load("POST /trainings/validate", "POST", "/trainings/validate", {"name": "v", **request})
    yield Load("POST /trainings", "POST", "/trainings", {"name": "load-[<id>]", **request})


def _training_of(api: Api) -> dict[str, Any]:
    model = upload_model(api, material.write_small_model(FOLDER / "m.safetensors"), Screen())
    dataset = upload_dataset(api, material.draw_dataset(FOLDER), Screen())
    # Minutes, so that a thousand of them stay below the GPU hours of a month.
    chosen = {"model": model["id"], "datasets": [{"dataset": dataset["id"]}]}
    return chosen | {"max_runtime_minutes": 10}


def _many_trainings() -> Path:
    """Return a copy of the synthesized app that lets a workspace have many trainings at once."""
    target = FOLDER / "cdk.out"
    source = engine.ROOT / "cdk.out"
    target.mkdir(exist_ok=True)
    for one in source.iterdir():
        link = target / one.name
        link.unlink(missing_ok=True)
        link.symlink_to(one)
    name = "LoraStack.template.json"
    template = json.loads((source / name).read_text())
    for resource in template["Resources"].values():
        settings = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
        if "MAX_ACTIVE_TRAININGS" in settings:
            settings["MAX_ACTIVE_TRAININGS"] = "1000"
    (target / name).unlink()
    (target / name).write_text(json.dumps(template))
    return target


def _sent(
    autocannon: Path, load: Load, endpoints: Mapping[str, Any], asked: argparse.Namespace
) -> dict[str, Any]:
    command = ["node", str(autocannon), "--json", "--method", load.method]
    command += [
        "--connections",
        str(asked.connections),
        "--headers",
        "Content-Type=application/json",
    ]
    if load.token:
        command += ["--headers", f"Authorization=Bearer {endpoints['token']}"]
    if load.body:
        command += ["--body", json.dumps(load.body), "--idReplacement"]
    makes = load.method == "POST" and load.path == "/trainings"
    command += ["--amount", str(MOST_CREATES)] if makes else ["--duration", str(asked.seconds)]
    done = subprocess.run(
        [*command, f"{endpoints['url']}{load.path}"], capture_output=True, text=True, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _row(load: Load, told: Mapping[str, Any]) -> str:
    latency = told["latency"]
    refused = told["non2xx"] + told["errors"]
    answered = told["2xx"] + told["non2xx"]
    rate = answered / told["duration"]
    return f"{load.name:<28}{rate:>12.0f}{latency['p50']:>9.1f}{latency['p99']:>9.1f}{refused:>9}"
