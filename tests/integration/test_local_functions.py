"""Functions as processes, and the events that reach them."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from local_stack import REPOSITORY, await_that
from toy_stack import ToyStack


@pytest.fixture(scope="module")
def http(toy: ToyStack):
    with httpx.Client(base_url=toy.stack.url, timeout=40) as client:
        yield client


def processes_of(http, count: int) -> list[int]:
    with ThreadPoolExecutor(count) as pool:
        answers = pool.map(lambda _: http.get("/open?do=sleep&seconds=0.3").json(), range(count))
        return [answer["process"] for answer in answers]


def test_concurrent_requests_run_in_different_processes(http):
    # Until then some may still be busy with what another test did not wait for.
    await_that(lambda: len(set(processes_of(http, 4))) == 4)


def test_more_requests_than_processes_wait_for_one(http):
    processes = processes_of(http, 8)

    assert len(processes) == 8
    assert len(set(processes)) == 4


def test_a_function_over_its_time_is_killed_and_replaced(toy, http):
    before = set(processes_of(http, 4))

    answer = http.get("/open?do=sleep&seconds=20")

    assert answer.status_code == 502
    await_that(lambda: "Task timed out after 1.00 seconds" in toy.stack.log("toy"))
    assert len(set(processes_of(http, 4)) - before) == 1


def test_a_process_that_exits_is_replaced(toy, http):
    assert http.get("/open?do=exit").status_code == 502

    await_that(lambda: "Runtime exited with status 3" in toy.stack.log("toy"))
    assert len(set(processes_of(http, 4))) == 4


def test_an_exception_is_in_the_functions_log_with_its_traceback(toy, http):
    http.get("/open?do=raise")

    await_that(lambda: "ValueError: as asked" in toy.stack.log("toy"))


def test_a_function_sees_its_own_environment_and_nothing_of_the_users(http):
    environment = http.get("/open").json()["environment"]

    assert environment["TABLE_NAME"] == "LoraStack-ToyTable"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "LoraStack-ToyFunction"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["AWS_ACCESS_KEY_ID"] == "LOCALTOYFUNCTION"
    assert environment["AWS_ENDPOINT_URL_DYNAMODB"].startswith("http://127.0.0.1:")
    assert environment["AWS_CONFIG_FILE"] == os.devnull
    assert environment["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert "EVENTS_FILE" not in environment
    assert "PYTEST_CURRENT_TEST" not in environment


def test_the_context_is_lambdas(http):
    context = http.get("/open").json()["context"]

    assert context["name"] == "LoraStack-ToyFunction"
    assert context["arn"].startswith("arn:aws:lambda:us-east-1:000000000000:function:")
    assert context["memory"] == 256
    assert len(context["request"]) == 36
    assert 500 < context["left"] <= 1000


def test_an_import_error_is_shown_in_full(tmp_path):
    code = tmp_path / "lambdas"
    code.mkdir()
    (code / "__init__.py").touch()
    (code / "broken.py").write_text("import nothing_of_this_name\n")
    config = {
        "path": [str(tmp_path)],
        "functions": [
            {
                "name": "broken", "arn": "arn", "handler": "lambdas.broken.handler",
                "environment": {}, "timeout": 1, "memory": 1, "socket": 0, "processes": 1,
                "log": str(tmp_path / "log"),
            }
        ],
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))

    done = subprocess.run(
        [sys.executable, "-m", "local.functions", str(tmp_path / "config.json")],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert done.returncode == 1
    assert "lambdas.broken.handler cannot be imported" in done.stderr
    assert "ModuleNotFoundError: No module named 'nothing_of_this_name'" in done.stderr


def test_the_schedule_fires_at_the_start_with_its_input(toy):
    await_that(lambda: {"source": "toy.schedule"} in toy.events())


def test_an_event_put_with_boto3_reaches_the_function_whose_rule_it_matches(toy):
    bus = toy.stack.aws("events")
    for name in ("a-first", "b-second"):
        detail = json.dumps({"name": name})
        entry = {"Source": "toy", "DetailType": "Said", "Detail": detail}
        assert bus.put_events(Entries=[entry])["FailedEntryCount"] == 0

    found = await_that(lambda: [e for e in toy.events() if e["source"] == "toy"])
    assert [event["detail"]["name"] for event in found] == ["a-first"]
    assert {"version", "id", "account", "time", "region", "resources"} <= set(found[0])
