"""Processor time of our code for one request, warm and in one process, and where it goes."""

import cProfile
import importlib
import json
import os
import pstats
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.__main__ import _request, function_environment
from bench.invoke import CONTEXT

TIMES = 100
_LARGEST = 3

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def show(training_id: str, request: Mapping[str, Any], endpoints: Mapping[str, Any]) -> None:
    """Print a line for each operation: milliseconds of processor time, and its largest parts."""
    os.environ.update(function_environment(endpoints))
    print(
        f"\n{'processor time of our code':<28}{'ms':>8}   the {_LARGEST} largest parts, by package"
    )
    for name, events in _operations(training_id, request):
        trainings: Handler = importlib.import_module("lambdas.trainings.handler").handler
        for _ in range(5):
            trainings(next(events), CONTEXT)
        each = _seconds(trainings, events) / TIMES * 1000
        shares = _shares(trainings, events)
        parts = ", ".join(f"{package} {share:.0%}" for package, share in shares)
        print(f"{name:<28}{each:>8.2f}   {parts}")


def _operations(
    training_id: str, request: Mapping[str, Any]
) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    yield "GET /trainings/{id}", _again(_request("GET", f"/trainings/{training_id}"))
    yield "GET /trainings", _again(_request("GET", "/trainings"))
    validate = _request("POST", "/trainings/validate", {"name": "v", **request})
    yield "POST /trainings/validate", _again(validate)
    yield "POST /trainings", _named(request)


def _again(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    while True:
        yield event


def _named(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    while True:
        yield _request("POST", "/trainings", {"name": f"cost-{os.urandom(6).hex()}", **request})


def _seconds(handler: Handler, events: Iterator[dict[str, Any]]) -> float:
    wanted = [next(events) for _ in range(TIMES)]
    began = time.process_time()
    for event in wanted:
        answer = handler(event, CONTEXT)
        assert answer["statusCode"] < 300, json.dumps(answer)[:500]
    return time.process_time() - began


def _shares(handler: Handler, events: Iterator[dict[str, Any]]) -> list[tuple[str, float]]:
    """Return the packages that most of the time is spent in, C functions with their callers."""
    wanted = [next(events) for _ in range(TIMES)]
    profile = cProfile.Profile(time.process_time, builtins=False)
    profile.enable()
    for event in wanted:
        handler(event, CONTEXT)
    profile.disable()
    times: Counter[str] = Counter()
    entries: Any = pstats.Stats(profile)
    for (file, _, _), (_, _, own, _, _) in entries.stats.items():
        times[_package(file)] += own
    whole = sum(times.values())
    return [(package, spent / whole) for package, spent in times.most_common(_LARGEST)]


def _package(file: str) -> str:
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    if "lambdas" in parts:
        return "/".join(parts[parts.index("lambdas") : -1])
    return f"python's {Path(file).stem}" if file.endswith(".py") else "python"
