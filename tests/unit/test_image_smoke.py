"""How the training image is tried; a small program stands in for Docker."""

import json
import os
import sys
from pathlib import Path

import pytest

from kohya_trainer.job import parse_job
from local import image_smoke
from local.image_smoke import CONTEXT, IMAGES, SmokeError, smoke
from tests.container.support import sd15_shapes, write_safetensors

DOCKER = """#!{python}
import json, pathlib, sys
log = pathlib.Path({log!r})
log.write_text(log.read_text() + json.dumps(sys.argv[1:]) + "\\n" if log.exists() else
               json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == {fails!r}:
    print("Cannot connect to the Docker daemon", file=sys.stderr)
    sys.exit(1)
if sys.argv[1] == "run":
    base = next(one for one in sys.argv if one.endswith(":/opt/ml")).removesuffix(":/opt/ml")
    left = pathlib.Path(base) / "checkpoints"
    (left / "captions" / "ds_smoke").mkdir(parents=True)
    (left / "captions" / "ds_smoke" / "captions.jsonl").write_text("{{}}\\n" * {rows})
    (left / "lora").mkdir()
    model = next((pathlib.Path(base) / "input" / "data" / "model").iterdir())
    (left / "lora" / "smoke.safetensors").write_bytes(model.read_bytes())
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "ml"
    folder.mkdir()
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_safetensors(tmp_path / "models" / "base.safetensors", sd15_shapes())


def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str = "", rows: int = 3) -> Path:
    """Put the stand-in first on the path; return where it notes how it was called."""
    log, program = tmp_path / "docker.log", tmp_path / "bin" / "docker"
    program.parent.mkdir()
    text = DOCKER.format(python=sys.executable, log=str(log), fails=fails, rows=rows)
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.defpath}")
    return log


def test_the_image_is_built_and_run_as_sagemaker_runs_it(
    base: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = docker(tmp_path, monkeypatch)

    lora = smoke(base, model, "image:tag")

    _, build, run = map(json.loads, log.read_text().splitlines())
    assert lora == base / "checkpoints" / "lora" / "smoke.safetensors"
    assert build[0] == "build"
    assert build[-3:] == ["--tag", "image:tag", str(CONTEXT)]
    assert run[:4] == ["run", "--rm", "--network", "none"]
    assert run[-4:] == ["--volume", f"{base}:/opt/ml", "image:tag", "train"]
    data = base / "input" / "data"
    job = parse_job(json.loads((data / "config" / "job.json").read_text()))
    assert job.captioning
    assert (data / "model" / job.model.file_name).is_file()
    assert len(list((data / "dataset_00" / job.datasets[0].folder).iterdir())) == IMAGES


@pytest.mark.parametrize(
    ("fails", "rows", "words"),
    [
        ("info", 3, "daemon does not answer: Cannot connect"),
        ("build", 3, "`docker build` ended with 1"),
        ("run", 3, "`docker run` ended with 1"),
        ("", 2, "did not caption every image"),
    ],
)
def test_what_went_wrong_is_told(
    fails: str,
    rows: int,
    words: str,
    base: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    docker(tmp_path, monkeypatch, fails, rows)

    with pytest.raises(SmokeError, match=words):
        smoke(base, model, "image:tag")


def test_without_docker_it_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["image_smoke"])

    assert image_smoke.main() == 1
    assert "Docker is not installed" in capsys.readouterr().err


def test_without_a_model_it_says_what_to_run(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(tmp_path, monkeypatch)

    with pytest.raises(SmokeError, match="make kohya kohya-model"):
        smoke(base, tmp_path / "absent.safetensors", "image:tag")
