"""The generated clients run the main job against the local stack, as the README has it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from local_stack import REPOSITORY, LocalStack
from safetensors import safe_open

from contract.clients import python, typescript
from local.demo import material

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CLIENTS = REPOSITORY / "build" / "clients"
TOLD = [
    "model ready sd_1_5",
    "dataset ready 20",
    "valid {true} 400",
    "training succeeded {none}",
    "lora style.safetensors 8",
]


def program(language: str) -> str:
    section = README.split(f"<!-- {language} -->")[1].split(f"<!-- /{language} -->")[0]
    (block,) = re.findall(r"```\w+\n(.*?)```", section, flags=re.DOTALL)
    return str(block)


@pytest.fixture(scope="module")
def clients() -> Path:
    """Both clients, generated from the document as it stands."""
    made = subprocess.run(
        [sys.executable, "-m", "contract.clients"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return CLIENTS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `make demo` leaves: a small model and drawn images."""
    demo = tmp_path / ".lorastack" / "demo"
    demo.mkdir(parents=True)
    material.write_small_model(demo / "small-sd_1_5.safetensors")
    material.draw_dataset(demo)
    return tmp_path


def run(command: list[str], folder: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        command, cwd=folder, env=environment or None, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout.splitlines()


def is_a_lora(path: Path) -> bool:
    with safe_open(path, framework="numpy") as file:
        return len(file.keys()) == 90


def test_the_python_client_trains_a_lora(
    stack: LocalStack, make_workspace: Callable[..., str], clients: Path, folder: Path
) -> None:
    (folder / ".lorastack" / "token").write_text(make_workspace("pythonic"))
    (folder / "main_job.py").write_text(
        program("python").replace("http://127.0.0.1:8080/v1", stack.url)
    )

    told = run(
        [str(python.interpreter()), "main_job.py"], folder, PYTHONPATH=str(clients / "python")
    )

    assert told == [line.format(true="True", none="None") for line in TOLD]
    assert is_a_lora(folder / "style.safetensors")


def test_the_typescript_client_is_typed_and_trains_a_lora(
    stack: LocalStack, make_workspace: Callable[..., str], clients: Path, folder: Path
) -> None:
    (folder / ".lorastack" / "token").write_text(make_workspace("typed"))
    (folder / "main-job.mts").write_text(
        program("typescript").replace("http://127.0.0.1:8080/v1", stack.url)
    )
    installed_into(folder, clients)

    assert compiled(folder, "main-job.mts") == []
    told = run(["node", "main-job.mjs"], folder)

    assert told == [line.format(true="true", none="null") for line in TOLD]
    assert is_a_lora(folder / "style.safetensors")


def test_the_types_refuse_a_field_that_no_training_has(clients: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.mts").write_text(
        'import type { NewTraining } from "lorastack-client";\n'
        'const body: NewTraining = { name: "a", model: "b", datasets: [], colour: 1 };\n'
        'const word: NewTraining = { name: "a", model: "b", datasets: [], spot: "yes" };\n'
    )
    installed_into(tmp_path, clients)

    told = "\n".join(compiled(tmp_path, "wrong.mts"))

    assert "'colour' does not exist in type" in told
    assert "Type 'string' is not assignable to type 'boolean" in told


def installed_into(folder: Path, clients: Path) -> None:
    packages = folder / "node_modules"
    packages.mkdir()
    (packages / "lorastack-client").symlink_to(clients / "typescript")
    (packages / "@types").symlink_to(typescript.installed() / "@types")


def compiled(folder: Path, name: str) -> list[str]:
    """Check the types of a program and translate it; what stands against it."""
    compiler = typescript.installed() / "typescript" / "bin" / "tsc"
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck"]
    done = subprocess.run(
        ["node", str(compiler), *options, name], cwd=folder, capture_output=True, text=True
    )
    return done.stdout.splitlines()
