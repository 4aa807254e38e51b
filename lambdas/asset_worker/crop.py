"""The crop of a dataset into a new one: an image and its caption at a time."""

from dataclasses import dataclass

from lambdas.asset_worker import crop_findings, preparing, repository
from lambdas.asset_worker.checking import BYTES
from lambdas.asset_worker.cropping import CannotCrop, Crop, cropped
from lambdas.core.bucket import StoredObject
from lambdas.core.queue import Kind
from lambdas.datasets import declaring
from lambdas.datasets import repository as datasets
from lambdas.datasets.origin_schema import CropOrigin
from lambdas.datasets.report_schema import Finding
from lambdas.datasets.schema import Dataset, File, caption_of, is_image

KIND: Kind = "crop_dataset"


@dataclass(frozen=True)
class Scene:
    """All that a crop is about: what the original has, and what the new dataset has so far."""

    workspace: str
    stored: dict[str, StoredObject]
    target: Dataset
    done: dict[str, StoredObject]
    crop: Crop

    def key_of(self, name: str) -> str:
        """Return where a file of the new dataset lies."""
        return datasets.upload_key(self.workspace, self.target, name)

    def to_do(self) -> list[str]:
        """Return the images that, or whose captions, are still missing."""
        return [name for name in self.stored if is_image(name) and self._misses(name)]

    def _misses(self, name: str) -> bool:
        caption = caption_of(name)
        return name not in self.done or (caption in self.stored and caption not in self.done)


def crop(workspace: str, dataset_id: str, deadline: float) -> None:
    """Crop a dataset, or go on with it, until `deadline` (monotonic seconds)."""
    draft = preparing.take(workspace, dataset_id, KIND)
    if draft is None:
        return
    scene = _scene(workspace, draft.dataset)
    found = preparing.do_all(draft, scene.to_do(), lambda name: _crop_one(scene, name), deadline)
    if found is None:
        return
    made = datasets.uploaded(workspace, draft.dataset)
    files = declaring.declared([File.model_construct(name=n, size=o.size) for n, o in made.items()])
    if found:
        preparing.refuse(draft, files, found)
    else:
        preparing.hand_over(draft, files)


def _scene(workspace: str, target: Dataset) -> Scene:
    origin = target.origin
    assert isinstance(origin, CropOrigin)
    item = datasets.item_of(workspace, origin.dataset_id)  # it is used, so it can't be gone
    original = datasets.from_item(item)
    files = datasets.declared_files(workspace, original.id, str(item["files_id"]))
    there = datasets.uploaded(workspace, original)
    return Scene(
        workspace,
        {file.name: there[file.name] for file in files if file.name in there},
        target,
        datasets.uploaded(workspace, target),
        Crop(origin.resolution, origin.mode),
    )


def _crop_one(scene: Scene, name: str) -> Finding | None:
    """Crop an image and copy its caption; one that can't be cropped has neither."""
    if name not in scene.done and (finding := _crop_image(scene, name)):
        return finding
    caption = caption_of(name)
    if caption in scene.stored and caption not in scene.done:
        repository.copy(scene.stored[caption].key, scene.key_of(caption))
    return None


def _crop_image(scene: Scene, name: str) -> Finding | None:
    with BYTES.holding(scene.stored[name].size):
        data = repository.read(scene.stored[name].key)
        if data is None:
            return crop_findings.gone(name)
        try:
            repository.put_image(scene.key_of(name), cropped(name, data, scene.crop))
        except CannotCrop as refused:
            return refused.finding
    return None
