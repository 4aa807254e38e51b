"""Making a tagger of random weights; programs stand in for the environment of sd-scripts."""

from pathlib import Path

import pytest

from local.kohya import tagger
from local.kohya.settings import KohyaError, Places, Settings

WRITES = """#!/bin/sh
echo "$3" > "$4/model.onnx"
echo tag_id > "$4/selected_tags.csv"
"""


def settings(tmp_path: Path, program: str) -> Settings:
    home, python = tmp_path / "sd-scripts", tmp_path / "python"
    home.mkdir()
    (home / "train_network.py").touch()
    python.write_text(program)
    python.chmod(0o755)
    return Settings("", None, home, python)


def test_both_files_appear_together_and_are_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "taggers" / "random"
    made_with = settings(tmp_path, WRITES)

    tagger.make(folder, 7, made_with)
    tagger.make(folder, 8, made_with)

    assert (folder / "model.onnx").read_text() == "7\n"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["random"]


def test_local_mode_hears_of_a_tagger_that_is_there(tmp_path: Path) -> None:
    places = Places(tmp_path)
    assert "KOHYA_TAGGER" not in places.environment()

    places.tagger.mkdir(parents=True)

    assert places.environment()["KOHYA_TAGGER"] == str(places.tagger)


def test_a_helper_that_fails_leaves_no_half_tagger(tmp_path: Path) -> None:
    folder = tmp_path / "taggers" / "random"

    with pytest.raises(KohyaError, match="the tagger was not made"):
        tagger.make(folder, 7, settings(tmp_path, "#!/bin/sh\nexit 1\n"))

    assert list(folder.parent.iterdir()) == []


def test_without_a_set_up_it_is_told_what_to_run(tmp_path: Path) -> None:
    nothing = Settings("", None, tmp_path / "sd-scripts", tmp_path / "python")

    with pytest.raises(KohyaError, match="make kohya"):
        tagger.make(tmp_path / "random", 7, nothing)
