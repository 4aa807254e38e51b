"""How the local stack starts and ends, as a user meets it in a terminal."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import pytest
from local_stack import REPOSITORY, LocalStack, alive, await_that, running, start
from toy_stack import write_toy_stack


@pytest.fixture(scope="module")
def toy_arguments(tmp_path_factory) -> list[str]:
    cdk_out, code = write_toy_stack(tmp_path_factory.mktemp("toy"))
    return ["--cdk-out", str(cdk_out), "--code", str(code)]


@pytest.fixture
def folder():
    # Not pytest's tmp_path: its length would leave no room for the names of Unix sockets.
    path = Path(tempfile.mkdtemp(prefix="lorastack-test-"))
    yield path
    shutil.rmtree(path)


def refused(*arguments: str) -> str:
    """What `python -m local` says when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "local", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_running_stack_refuses_a_second_one_and_ends_quietly_on_ctrl_c(toy_arguments):
    with running(toy_arguments) as stack:
        await_that(lambda: len(stack.children()) > 12)
        children = stack.children()
        port = stack.url.split(":")[2].partition("/")[0]

        same_state = refused("--state", str(stack.state), "--port", "0", *toy_arguments)
        same_port = refused("--state", f"{stack.state}2", "--port", port, *toy_arguments)

        assert f"Another local stack (process {stack.process.pid}) uses" in same_state
        assert "--state" in same_state
        assert f"Port {port} is in use" in same_port
        assert "--port" in same_port

        assert stack.interrupt() == 0
        assert not [process for process in children if alive(process)]
        assert not (stack.state / "endpoints.json").exists()
        said = stack.output.read_text()
        assert said.rstrip().endswith("Ctrl-C ends it.")
        assert "Traceback" not in said


def test_the_banners_commands_and_files_hold_what_they_say(toy_arguments):
    with running(toy_arguments) as stack:
        said = stack.output.read_text()
        assert f"curl {stack.url}/health" in said
        assert f"curl -H 'Authorization: Bearer lsk_toy' {stack.url}/trainings" in said
        assert (stack.state / "endpoints.json").stat().st_mode & 0o077 == 0
        assert (stack.state / "token").stat().st_mode & 0o077 == 0

        os.kill(stack.process.pid, signal.SIGTERM)  # as a service manager does

        assert stack.process.wait(15) == 0


def test_a_killed_supervisor_takes_all_along_and_the_next_stack_has_its_state(
    toy_arguments, folder
):
    first = start(["--port", "0", *toy_arguments], folder / "state", folder / "output")
    put(first)
    children = first.children()

    first.process.kill()
    first.process.wait()
    second = start(["--port", "0", *toy_arguments], folder / "state", folder / "output")

    await_that(lambda: not [process for process in children if alive(process)])
    assert second.endpoints["token"] == first.endpoints["token"]
    assert second.endpoints["dynamodb"] == first.endpoints["dynamodb"]
    assert second.aws("dynamodb").get_item(TableName=second.endpoints["table"], Key=KEY)["Item"]
    assert second.interrupt() == 0


KEY = {"pk": {"S": "kept"}, "sk": {"S": "1"}}


def put(stack: LocalStack) -> None:
    stack.aws("dynamodb").put_item(TableName=stack.endpoints["table"], Item=KEY)


def test_a_process_that_dies_ends_the_stack_and_is_named(toy_arguments):
    with running(toy_arguments) as stack:
        moto = next(p for p in stack.children() if b"moto_server" in command_line(p))
        os.kill(moto, signal.SIGKILL)

        assert stack.process.wait(15) == 1
        assert "moto ended with status -9" in stack.output.read_text()
        with pytest.raises(httpx.ConnectError):
            httpx.get(stack.url)


def command_line(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def test_a_handler_that_cannot_be_imported_stops_the_start_and_is_shown(folder, tmp_path):
    cdk_out, code = write_toy_stack(tmp_path)
    (code / "lambdas/toy/handler.py").write_text("def handler(\n")

    done = subprocess.run(
        [sys.executable, "-m", "local", "--port", "0", "--state", str(folder / "state"),
         "--cdk-out", str(cdk_out), "--code", str(code)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
    )  # fmt: skip

    assert done.returncode == 1
    assert "lambdas.toy.handler.handler cannot be imported" in done.stdout
    assert "SyntaxError" in done.stdout


def test_a_missing_template_names_the_remedy(tmp_path):
    assert "run `make synth`" in refused("--port", "0", "--cdk-out", str(tmp_path))


def test_a_port_that_is_no_port_is_told(tmp_path, toy_arguments):
    said = refused("--port", "70000", "--state", str(tmp_path), *toy_arguments)

    assert "Port 70000 cannot be used" in said


def test_ctrl_c_while_starting_ends_it_quietly(toy_arguments, folder):
    output = folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "local", "--port", "0", "--state", str(folder / "s"),
             *toy_arguments],
            cwd=REPOSITORY, stdout=file, stderr=file, process_group=0,
        )  # fmt: skip
    await_that(lambda: "Starting" in output.read_text())
    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(15) == 0
    assert "Traceback" not in output.read_text()


def test_the_addresses_of_a_taken_port_change(toy_arguments, folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (folder / "state").mkdir()
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        (folder / "state" / "ports.json").write_text(f'{{"moto": "{url}"}}')
        stack = start(["--port", "0", *toy_arguments], folder / "state", folder / "output")

        assert stack.endpoints["dynamodb"] != url
        assert stack.interrupt() == 0
