"""The zip of the functions: what is in it, how big it is, when it is made anew."""

import io
import sys
import zipfile
from pathlib import Path

import pytest

LIMIT = 6_000_000


@pytest.fixture
def code_hash(checkout):
    """The asset hash of the small checkout, as it is at the moment."""
    import function_code

    return lambda: function_code.code_hash(checkout)


def zipped(folder: Path) -> int:
    """How many bytes a folder has as a zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    return packed.tell()


def test_the_zip_of_functions_that_answer_requests_is_under_6_megabytes(deployed):
    assert zipped(deployed.code) < LIMIT


def test_the_zip_of_the_worker_has_the_decoder_of_images_and_is_twice_as_large(deployed):
    code = deployed.code_of("AssetWorkerFunction")

    assert (code / "PIL").is_dir()
    assert (code / "lambdas/asset_worker/handler.py").is_file()
    assert not (deployed.code / "PIL").exists()
    assert zipped(code) < 2 * LIMIT


def test_the_code_holds_the_sources_and_their_packages(deployed):
    code = deployed.code

    assert (code / "lambdas/core/errors.py").is_file()
    assert (code / "aws_lambda_powertools").is_dir()
    assert (code / "pydantic").is_dir()
    assert not (code / "boto3").exists(), "the runtime brings it"


def test_what_is_compiled_is_for_the_runtime(deployed):
    worker = deployed.code_of("AssetWorkerFunction")
    compiled = [path.name for code in (deployed.code, worker) for path in code.rglob("*.so")]

    assert any(name.startswith("_imaging.") for name in compiled)
    assert all("cpython-313-aarch64-linux-gnu" in name for name in compiled)


def test_no_tests_caches_or_notes_are_in_the_sources(deployed):
    names = {path.name for path in (deployed.code / "lambdas").rglob("*")}

    assert not {name for name in names if name in ("tests", "__pycache__")}
    assert not {name for name in names if name.endswith((".pyc", ".md")) or name.startswith(".")}


def test_all_functions_but_the_worker_share_one_asset(deployed):
    functions = deployed.of_type("AWS::Lambda::Function")
    worker = functions.pop("AssetWorkerFunction")
    (shared,) = {function["Code"]["S3Key"] for function in functions.values()}

    assert worker["Code"]["S3Key"] != shared


def test_a_changed_source_makes_the_code_anew(checkout, code_hash):
    before = code_hash()
    (checkout / "lambdas/datasets/handler.py").write_text("def handler(event, context): 123\n")

    assert code_hash() != before


def test_a_new_or_renamed_source_makes_the_code_anew(checkout, code_hash):
    before = code_hash()
    (checkout / "lambdas/datasets/service.py").touch()
    added = code_hash()
    (checkout / "lambdas/datasets/service.py").rename(checkout / "lambdas/datasets/other.py")

    assert len({before, added, code_hash()}) == 3


def test_changed_requirements_make_the_code_anew(checkout, code_hash):
    before = code_hash()
    with (checkout / "requirements/lambdas.txt").open("a") as requirements:
        requirements.write("# another pin\n")

    assert code_hash() != before


@pytest.mark.parametrize(
    "path", ["README.md", "lambdas/README.md", "lambdas/datasets/tests/test_it.py",
             "lambdas/datasets/__pycache__/handler.pyc", "lambdas/.DS_Store"]
)  # fmt: skip
def test_what_is_not_in_the_zip_does_not_make_it_anew(checkout, code_hash, path):
    before = code_hash()
    (checkout / path).parent.mkdir(parents=True, exist_ok=True)
    (checkout / path).write_text("something new")

    assert code_hash() == before


def fake_uv(monkeypatch, prefix: Path, script: str) -> None:
    """Puts a program called uv where the project's own would be."""
    program = prefix / "bin" / "uv"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "prefix", str(prefix))


def without_cache(checkout: Path) -> None:
    (checkout / "build").unlink()


def test_packages_are_downloaded_once_per_requirements(checkout, tmp_path, monkeypatch):
    import function_code

    without_cache(checkout)
    log = tmp_path / "calls"
    fake_uv(monkeypatch, tmp_path / "venv", f'echo "$@" >> {log}; mkdir -p "$5"')

    first = function_code.dependencies(checkout)
    second = function_code.dependencies(checkout)

    assert first == second
    assert first.is_dir()
    (call,) = log.read_text().splitlines()
    assert "--python-platform aarch64-manylinux_2_28 --python-version 3.13" in call
    assert "--only-binary=:all: --require-hashes" in call


def test_without_network_and_cache_one_sentence_says_so(checkout, tmp_path, monkeypatch):
    import function_code
    from problems import DeploymentError

    without_cache(checkout)
    fake_uv(monkeypatch, tmp_path / "venv", "echo 'error: no route\n  to host' >&2; exit 2")

    with pytest.raises(DeploymentError) as caught:
        function_code.dependencies(checkout)

    assert "check the network" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((checkout / "build").rglob("pydantic")), "nothing half-made is left"


def test_without_uv_one_sentence_says_what_to_run(checkout, tmp_path, monkeypatch):
    import function_code
    from problems import DeploymentError

    without_cache(checkout)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "nowhere"))

    with pytest.raises(DeploymentError, match="make clean setup"):
        function_code.dependencies(checkout)


def test_two_syntheses_at_once_do_not_disturb_each_other(checkout, tmp_path, monkeypatch):
    import function_code

    without_cache(checkout)
    folder = checkout / "build/lambda-packages" / function_code.dependencies_hash(checkout)[:16]
    # While uv works, another synthesis finishes.
    fake_uv(
        monkeypatch, tmp_path / "venv", f'mkdir -p "$5" {folder}; touch {folder}/made_by_another'
    )

    made = function_code.dependencies(checkout)

    assert (made / "made_by_another").exists()


def test_bundling_fills_the_folder_that_cdk_gives(checkout, tmp_path):
    import function_code

    output = tmp_path / "asset"
    output.mkdir()
    (checkout / "lambdas/datasets/tests").mkdir()

    assert function_code.LocalBundling(checkout).try_bundle(str(output)) is True

    assert (output / "lambdas/datasets/handler.py").is_file()
    assert not (output / "lambdas/datasets/tests").exists()
