"""Give images captions before the training: start the tagger, follow it, keep what it proposes.

The tagger sees links to the images that it is to tag, under numbers: it can't touch a caption, and
no name is too odd for it.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kohya_trainer.caption_text import SEPARATOR, caption_of, is_captioned, propose
from kohya_trainer.child import Child
from kohya_trainer.inputs import ImageFolder, Inputs, count, image_paths, require_captions
from kohya_trainer.job import Captioning, Dataset
from kohya_trainer.log import say
from kohya_trainer.paths import Paths
from kohya_trainer.proposals import Proposal, ProposalShelf
from kohya_trainer.settings import Settings
from kohya_trainer.tagger_command import prepare_tagger, tagger_name
from kohya_trainer.tagger_verdict import explain_tagger, not_tagged
from kohya_trainer.verdict import stopped
from kohya_trainer.watch import TICK, Watch

StopRequested = Callable[[], bool]


def caption(
    captioning: Captioning,
    inputs: Inputs,
    paths: Paths,
    settings: Settings,
    watch: Watch,
    stop_requested: StopRequested,
) -> Inputs:
    """Write captions beside the images of all datasets; returns the inputs counted anew.

    A folder that stands several times is tagged once. One that only regularises is given no tags of
    the user's: the class would learn the word that is to call the subject.

    Raises TrainingFailed when the tagger fails, when told to stop, and when an image that must
    have a caption got none.
    """
    each = {folder.path: folder for folder in inputs.folders}
    learnt = {folder.path for folder in inputs.folders if not folder.dataset.regularisation}
    wanted = {path: _wanted(folder, captioning) for path, folder in each.items()}
    of_class = replace(captioning, prepend=(), append=())
    tagging = _Tagging(paths, settings, watch, stop_requested)
    tagging.begin(sum(map(len, wanted.values())))
    for path, folder in each.items():
        words = captioning if path in learnt else of_class
        _write(folder, tagging.proposals(folder, wanted[path], words))
    folders = tuple(count(folder.dataset, paths) for folder in inputs.folders)
    require_captions(folders)
    return replace(inputs, folders=folders)


def _wanted(folder: ImageFolder, captioning: Captioning) -> list[Path]:
    """The images to be tagged, by name."""
    images = sorted(image_paths(folder.path))
    if captioning.existing != "keep":
        return images
    return [image for image in images if not is_captioned(image)]


def _write(folder: ImageFolder, proposals: Sequence[Proposal]) -> None:
    for proposal in proposals:
        if proposal.caption:
            name = proposal.file_name.rpartition("/")[2]
            path = (folder.path / name).with_suffix(".txt")
            path.write_text(f"{proposal.caption}\n", encoding="utf-8")


class _Tagging:
    """The tagger's runs, one for each dataset, and how far they are."""

    def __init__(
        self, paths: Paths, settings: Settings, watch: Watch, stop_requested: StopRequested
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._watch = watch
        self._stop_requested = stop_requested
        self._tagger = tagger_name(settings)
        self._done = self._total = 0

    def begin(self, total: int) -> None:
        self._total = total
        self._tell(0)
        say(f"captioning {total} images with {self._tagger}")

    def proposals(
        self, folder: ImageFolder, images: Sequence[Path], captioning: Captioning
    ) -> list[Proposal]:
        """What is proposed for the images: by an earlier attempt, else by the tagger now."""
        dataset = folder.dataset
        shelf = ProposalShelf(self._paths, dataset, captioning)
        names = [dataset.name_of(image) for image in images]
        found = shelf.read()
        if found is not None and [one.file_name for one in found] == names:
            say(f"an earlier attempt left captions for {dataset.dataset_id}")
        else:
            tags = self._tag(images, captioning) if images else []
            pairs = zip(images, tags, strict=True)
            found = [self._proposal(dataset, image, told, captioning) for image, told in pairs]
            shelf.keep(found)
        self._done += len(found)
        self._tell(0)
        return found

    def _proposal(
        self, dataset: Dataset, image: Path, tags: Sequence[str], captioning: Captioning
    ) -> Proposal:
        there = caption_of(image) if captioning.existing == "append" else ""
        text = propose(tags, there, captioning)
        return Proposal(dataset.name_of(image), tuple(tags), text, self._tagger)

    def _tag(self, images: Sequence[Path], captioning: Captioning) -> list[list[str]]:
        """The tags of each image; raises TrainingFailed unless the tagger read them all."""
        folder, output = self._links(images), self._paths.tagging / "tags.jsonl"
        launch = prepare_tagger(captioning, folder, output, self._settings)
        say(f"starting the tagger on {len(images)} images")  # its words are a user's
        child = Child(launch.argv, launch.env, launch.cwd)
        try:
            self._follow(child, len(images))
        finally:
            child.end()
        if child.returncode:
            raise explain_tagger(child.returncode, child.tail, images)
        return _read(output, images)

    def _links(self, images: Sequence[Path]) -> Path:
        folder = self._paths.tagging / "images"
        shutil.rmtree(self._paths.tagging, ignore_errors=True)
        folder.mkdir(parents=True)
        for number, image in enumerate(images):
            (folder / f"{number:06d}{image.suffix.lower()}").symlink_to(image)
        return folder

    def _follow(self, child: Child, images: int) -> None:
        seconds = self._settings.report_seconds
        tell_at = time.monotonic() + seconds
        while not child.wait(min(TICK, seconds)):
            if self._stop_requested():
                say(f"told to stop: ending the tagger within {self._settings.grace_seconds:.0f} s")
                child.stop(self._settings.grace_seconds)
                raise stopped([])
            if time.monotonic() >= tell_at:
                tell_at += seconds
                self._tell(int(child.part * images))

    def _tell(self, now: int) -> None:
        self._watch.captioned = (self._done + now, self._total)
        self._watch.tell("captioning")


def _read(output: Path, images: Sequence[Path]) -> list[list[str]]:
    """The tagger's JSON lines, in the order of the images; it passes over what it can't read."""
    tags: dict[int, list[str]] = {}
    for line in output.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        number = int(Path(told["image_path"]).stem)
        tags[number] = [tag for tag in told["caption"].split(SEPARATOR) if tag]
    lacking = [image for number, image in enumerate(images) if number not in tags]
    if lacking:
        raise not_tagged(lacking)
    return [tags[number] for number in range(len(images))]
