"""What `make kohya` does, as far as it goes without a network and without torch."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.kohya import clip_tokenizer, environment, git_tree, interpreter, model, source
from local.kohya.settings import COMMIT, DEFAULT_SOURCE, KohyaError, Places, Settings
from local.kohya.source import Kind, Source


def quiet(text: str) -> None:
    """Takes progress and says nothing."""


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def lay_out_scripts(folder: Path) -> None:
    for name in source.NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A tiny repository that looks like sd-scripts, with a file whose object is then taken away."""
    folder = tmp_path / "clone"
    lay_out_scripts(folder)
    (folder / "schön.txt").write_text("ü")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("run.sh")
    (folder / "huge.dll").write_text("a large file")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    lost = git(folder, "rev-parse", "HEAD:huge.dll")
    (folder / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    return folder


@pytest.fixture
def pinned(clone: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The clone's commit, taken for the pinned one."""
    commit = git(clone, "rev-parse", "HEAD")
    monkeypatch.setattr(source, "COMMIT", commit)
    return commit


def test_an_empty_variable_means_the_default(tmp_path: Path) -> None:
    places = Places(tmp_path)

    settings = Settings.read(places, {"KOHYA_SOURCE": "", "KOHYA_BASE_PYTHON": ""})

    assert settings == Settings(DEFAULT_SOURCE, None, places.sd_scripts, places.python)


@pytest.mark.parametrize(
    "text",
    [DEFAULT_SOURCE, "ssh://git@example.org/sd.git", "git@example.org:me/sd.git", "file:///x"],
)
def test_a_url_is_recognised(text: str) -> None:
    assert source.recognise(text) == Source(Kind.URL, text)


def test_a_clone_is_read_through_its_git_directory(clone: Path) -> None:
    assert source.recognise(str(clone)) == Source(Kind.GIT_DIR, str(clone / ".git"))


def test_a_bare_directory_is_a_git_directory(clone: Path) -> None:
    assert source.recognise(str(clone / ".git")).kind is Kind.GIT_DIR


def test_a_folder_with_the_scripts_is_a_plain_folder(tmp_path: Path) -> None:
    lay_out_scripts(tmp_path)

    assert source.recognise(str(tmp_path)) == Source(Kind.FOLDER, str(tmp_path))


def test_another_folder_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(KohyaError, match="unset it to fetch"):
        source.recognise(str(tmp_path))


def test_a_tree_is_written_without_the_file_whose_object_is_absent(
    clone: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"

    written = git_tree.write_tree(clone / ".git", "HEAD", folder)

    assert written == git_tree.Written(len(source.NEEDED) + 3, ("huge.dll",))
    assert (folder / "schön.txt").read_text() == "ü"
    assert (folder / "run.sh").stat().st_mode & 0o111
    assert (folder / "link").readlink() == Path("run.sh")


def test_a_work_tree_from_a_git_directory_knows_its_commit(
    clone: Path, pinned: str, tmp_path: Path
) -> None:
    said: list[str] = []
    folder = tmp_path / "sd-scripts"

    source.bring(source.recognise(str(clone)), folder, said.append)

    assert git(folder, "rev-parse", "HEAD") == pinned
    assert any("huge.dll" in line for line in said)


def test_a_second_run_writes_nothing(clone: Path, pinned: str, tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "sd-scripts"
    source.bring(source.recognise(str(clone)), folder, quiet)

    source.bring(source.recognise(str(clone)), folder, said.append)

    assert said == []


def test_a_run_after_an_interrupted_one_completes_the_work_tree(
    clone: Path, pinned: str, tmp_path: Path
) -> None:
    folder = tmp_path / "sd-scripts"
    (tmp_path / "sd-scripts.partial" / "library").mkdir(parents=True)
    folder.mkdir()  # an earlier one without its mark

    source.bring(source.recognise(str(clone)), folder, quiet)

    assert (folder / "train_network.py").is_file()
    assert not (tmp_path / "sd-scripts.partial").exists()


def test_a_git_directory_without_the_pinned_commit_is_refused(clone: Path, tmp_path: Path) -> None:
    with pytest.raises(KohyaError, match=f"does not hold commit {COMMIT}"):
        source.bring(source.recognise(str(clone)), tmp_path / "sd-scripts", quiet)


def test_a_needed_file_whose_object_is_absent_is_told(
    clone: Path, pinned: str, tmp_path: Path
) -> None:
    lost = git(clone, "rev-parse", "HEAD:networks/lora.py")
    (clone / ".git" / "objects" / lost[:2] / lost[2:]).unlink()

    with pytest.raises(KohyaError, match=r"lacks networks/lora\.py"):
        source.bring(source.recognise(str(clone)), tmp_path / "sd-scripts", quiet)

    assert not (tmp_path / "sd-scripts").exists()


def test_exactly_the_pinned_commit_is_fetched_from_a_url(tmp_path: Path, monkeypatch) -> None:
    origin = tmp_path / "origin"
    lay_out_scripts(origin)
    git(origin, "init", "--quiet")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "-m", "pinned")
    monkeypatch.setattr(source, "COMMIT", git(origin, "rev-parse", "HEAD"))
    git(origin, "commit", "--quiet", "--allow-empty", "-m", "later")
    folder = tmp_path / "sd-scripts"

    source.bring(source.recognise(f"file://{origin}"), folder, quiet)

    assert git(folder, "log", "--format=%s") == "pinned"


def test_a_url_that_cannot_be_reached_is_told_with_the_remedy(tmp_path: Path) -> None:
    nowhere = source.recognise(f"file://{tmp_path}/nowhere.git")

    with pytest.raises(KohyaError, match="set KOHYA_SOURCE to a mirror or a local copy"):
        source.bring(nowhere, tmp_path / "sd-scripts", quiet)


def test_a_missing_git_is_told_with_the_remedy(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(KohyaError, match="git is needed"):
        source.bring(Source(Kind.URL, DEFAULT_SOURCE), tmp_path / "sd-scripts", quiet)


def test_a_copied_folder_does_not_answer_with_the_commit_around_it(clone: Path) -> None:
    plain = clone.parent / "plain"
    lay_out_scripts(plain)
    folder = clone / "sd-scripts"  # inside another repository, as .kohya is inside ours

    source.bring(source.recognise(str(plain)), folder, quiet)

    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "rev-parse", "HEAD")


def test_a_copied_folder_leaves_models_and_environments_behind(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    lay_out_scripts(plain)
    (plain / "base.safetensors").write_text("large")
    (plain / "venv").mkdir()

    source.bring(source.recognise(str(plain)), tmp_path / "sd-scripts", quiet)

    left = {path.name for path in (tmp_path / "sd-scripts").iterdir()}
    assert left.isdisjoint({"base.safetensors", "venv"})


def test_the_running_interpreter_is_taken_when_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "FITTING", (sys.version_info[:2],))

    assert interpreter.choose(None) == sys.executable


def test_an_interpreter_that_is_too_new_is_refused_with_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interpreter, "version_of", lambda python: (3, 13))

    with pytest.raises(KohyaError, match=r"Python 3\.13 .*KOHYA_BASE_PYTHON=python3\.12"):
        interpreter.choose(None)


def test_the_interpreter_asked_for_goes_before_the_running_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interpreter, "version_of", lambda python: (3, 12))

    assert interpreter.choose("python3.12") == "python3.12"


@pytest.mark.parametrize("python", ["/nowhere/python", "false"])
def test_an_interpreter_that_does_not_start_is_told(python: str) -> None:
    with pytest.raises(KohyaError, match="no Python that can be started"):
        interpreter.version_of(python)


def test_a_machine_without_the_hashed_packages_is_told() -> None:
    interpreter.require_platform("Linux", "x86_64")
    with pytest.raises(KohyaError, match="not Darwin on arm64"):
        interpreter.require_platform("Darwin", "arm64")


def test_an_environment_without_its_mark_is_not_taken_for_finished(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.python.parent.mkdir(parents=True)
    places.python.touch()
    assert not environment.is_made(places)

    (places.venv / environment.MARK).write_text(environment.fingerprint())
    assert environment.is_made(places)


def test_changed_requirements_ask_for_another_environment(tmp_path: Path, monkeypatch) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("torch==2.6.0")
    second.write_text("torch==2.7.0")

    assert environment.fingerprint(first) != environment.fingerprint(second)


@pytest.fixture
def merges_path(tmp_path: Path) -> Path:
    """As many merges as CLIP's, then more than is read, as in the true file."""
    symbols = clip_tokenizer.byte_symbols()
    merges = [f"{left} {right}" for left in symbols for right in symbols]
    path = tmp_path / "merges.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(['"merges#version: 0.2', *merges, ""]))
    return path


def test_the_vocabulary_has_clips_order_and_size(merges_path: Path) -> None:
    vocabulary = clip_tokenizer.vocabulary(clip_tokenizer.read_merges(merges_path))

    assert len(vocabulary) == 49408
    assert [vocabulary[token] for token in ("!", "a", "!</w>", "a</w>")] == [0, 64, 256, 320]
    assert vocabulary["<|startoftext|>"] == 49406
    assert vocabulary["<|endoftext|>"] == 49407


def test_every_byte_has_a_symbol_of_its_own() -> None:
    symbols = clip_tokenizer.byte_symbols()

    assert len(set(symbols)) == 256
    assert not any(symbol.isspace() for symbol in symbols)


def test_a_file_with_too_few_merges_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("#version: 0.2\ni n\nt h\n")

    assert clip_tokenizer.read_merges(path, count=2) == ["i n", "t h"]
    with pytest.raises(KohyaError, match="no CLIP merges file"):
        clip_tokenizer.read_merges(path, count=3)


def test_both_tokenizers_are_written_where_sd_scripts_look(
    merges_path: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(clip_tokenizer, "merges_file", lambda python: merges_path)
    places = Places(tmp_path / "kohya")

    clip_tokenizer.make(places, quiet)

    folders = ["laion_CLIP-ViT-bigG-14-laion2B-39B-b160k", "openai_clip-vit-large-patch14"]
    assert sorted(path.name for path in places.tokenizers.iterdir()) == folders
    for folder in folders:
        config = json.loads((places.tokenizers / folder / "tokenizer_config.json").read_text())
        assert config["model_max_length"] == 77
        merges = (places.tokenizers / folder / "merges.txt").read_text("utf-8").splitlines()
        assert merges[0] == "#version: 0.2"
        assert len(merges) == 1 + clip_tokenizer.MERGES


def test_tokenizers_that_are_there_are_left_alone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(clip_tokenizer, "merges_file", lambda python: pytest.fail("was read"))
    places = Places(tmp_path)
    for tokenizer in clip_tokenizer.TOKENIZERS:
        (places.tokenizers / tokenizer.folder).mkdir(parents=True)

    clip_tokenizer.make(places, quiet)


def test_an_environment_without_open_clip_is_told(tmp_path: Path) -> None:
    with pytest.raises(KohyaError, match="no open_clip merges file"):
        clip_tokenizer.merges_file(Path(sys.executable))


def write_safetensors(path: Path, lacking: int) -> Path:
    header = json.dumps({"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8 - lacking))
    return path


def test_a_model_is_complete_when_it_is_as_long_as_its_header_says(tmp_path: Path) -> None:
    assert model.is_complete(write_safetensors(tmp_path / "whole.safetensors", lacking=0))
    assert not model.is_complete(write_safetensors(tmp_path / "cut.safetensors", lacking=1))
    assert not model.is_complete(tmp_path / "absent.safetensors")


def test_a_complete_model_is_not_made_again(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "base.safetensors", lacking=0)
    settings = Settings.read(Places(tmp_path), {"KOHYA_PYTHON": "/nowhere/python"})

    model.make(model.Order("sd_1_5", path, seed=0), settings)


def test_a_model_without_a_set_up_is_told_what_to_run(tmp_path: Path) -> None:
    order = model.Order("sd_1_5", tmp_path / "base.safetensors", seed=0)

    with pytest.raises(KohyaError, match="run `make kohya`"):
        model.make(order, Settings.read(Places(tmp_path), {}))


def test_a_helper_that_fails_leaves_no_half_model(tmp_path: Path) -> None:
    (tmp_path / "train_network.py").touch()
    environ = {"KOHYA_HOME": str(tmp_path), "KOHYA_PYTHON": str(shutil.which("false"))}
    order = model.Order("sd_1_5", tmp_path / "models" / "base.safetensors", seed=0)

    with pytest.raises(KohyaError, match="the model was not made"):
        model.make(order, Settings.read(Places(tmp_path), environ))

    assert list(order.output.parent.iterdir()) == []
