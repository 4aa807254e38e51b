"""The one place that knows which tagger runs, and with which command line.

Both take that of sd-scripts' finetune/tag_images_by_wd14_tagger.py at the pinned commit. With an
``--output_path`` of JSON lines it writes no caption file, and it reads none without
``--append_tags``: what becomes of the captions that are there is ours (``caption_text.py``).
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kohya_trainer import command
from kohya_trainer.failure import TrainingFailed
from kohya_trainer.job import Captioning
from kohya_trainer.settings import Settings

SCRIPT = "finetune/tag_images_by_wd14_tagger.py"
FILES = ("model.onnx", "selected_tags.csv")
BATCH = 8
NONE = 1.01
"""The script takes what is at least the threshold, and a certainty may be rounded up to 1."""

_SHORTEST_CHANGED = 4  # tags of up to three characters, as ^_^, keep their underscores


@dataclass(frozen=True)
class TaggerLaunch:
    """A tagger to start: argument list, environment, folder."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path


def tagger_name(settings: Settings) -> str:
    """The model's name, or ``rehearsal``."""
    if command.engine(settings) == "rehearsal":
        return "rehearsal"
    return _model(settings).name


def prepare_tagger(
    captioning: Captioning, images: Path, output: Path, settings: Settings
) -> TaggerLaunch:
    """Say how to tag the images of a folder; raises TrainingFailed when the tagger isn't there.

    What a user wrote stands behind a ``--flag=``, so nothing of it is read as a flag.
    """
    words = _words(captioning, output)
    if command.engine(settings) == "rehearsal":
        program = (sys.executable, "-m", "kohya_trainer.rehearsal.tagger")
        return TaggerLaunch((*program, str(images), *words), command.environment(), images.parent)
    model, home = _model(settings), settings.kohya_home or Path()
    script = home / SCRIPT
    if not script.is_file():
        raise _missing(f"KOHYA_HOME has no {SCRIPT}.")
    argv = (
        settings.kohya_python,
        *("-m", "kohya_trainer.tagger_script", str(script)),
        str(images),
        *words,
        f"--model_dir={model.parent}",
        f"--repo_id={model.name}",  # the folder's name: a hub's would be asked for
        f"--batch_size={BATCH}",
        f"--max_data_loader_n_workers={_workers(settings)}",
    )
    return TaggerLaunch(argv, _environment(home), home)


def undesired(blacklist: Sequence[str]) -> str:
    """The blacklist as ``--undesired_tags``: in the form that ``--remove_underscore`` gives tags.

    Danbooru's tags are in lower case, so words with capitals are said in both.
    """
    spaced = [tag.replace("_", " ") if len(tag) >= _SHORTEST_CHANGED else tag for tag in blacklist]
    return ",".join(dict.fromkeys(form for tag in spaced for form in (tag, tag.lower())))


def _words(captioning: Captioning, output: Path) -> tuple[str, ...]:
    return (
        "--onnx",
        "--remove_underscore",
        "--caption_separator=, ",
        f"--output_path={output}",
        f"--general_threshold={_threshold(captioning.general_threshold)}",
        f"--character_threshold={_threshold(captioning.character_threshold)}",
        f"--undesired_tags={undesired(captioning.blacklist)}",
    )


def _threshold(given: float) -> float:
    return given if given < 1 else NONE


def _workers(settings: Settings) -> int:
    return 0 if settings.kohya_cpu else min(8, max((os.cpu_count() or 2) - 1, 1))


def _model(settings: Settings) -> Path:
    folder = settings.kohya_tagger
    if folder is None:
        raise _missing("KOHYA_TAGGER is not set.")
    for name in FILES:
        if not (folder / name).is_file():
            raise _missing(f"The tagger's folder {folder.name} has no {name}.")
    return folder


def _environment(home: Path) -> dict[str, str]:
    env = command.environment()
    # The script imports sd-scripts' library, which lies above its folder.
    return env | {"PYTHONPATH": os.pathsep.join([env["PYTHONPATH"], str(home)])}


def _missing(what: str) -> TrainingFailed:
    return TrainingFailed(
        "captioning_failed",
        f"There is no tagger in the training image. {what}",
        "Build the image from its Dockerfile, or train without captioning. On your own machine "
        "KOHYA_TAGGER names a folder of model.onnx and selected_tags.csv.",
    )
