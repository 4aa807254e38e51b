"""One image of a dataset with its caption: read from the bucket, and looked at."""

from dataclasses import dataclass

from lambdas.asset_worker import findings, repository
from lambdas.asset_worker.budget import Budget
from lambdas.asset_worker.captions import ReadCaption, read_caption
from lambdas.asset_worker.pictures import Looked, look_at
from lambdas.core.bucket import StoredObject
from lambdas.datasets.images import Image
from lambdas.datasets.repository import upload_key
from lambdas.datasets.schema import MOST_BYTES, Dataset, DeclaredFile, caption_of

# Files in memory: two of the largest, or many of the usual.
BYTES = Budget(2 * MOST_BYTES)


@dataclass(frozen=True)
class Check:
    """What all images of a check share."""

    workspace: str
    dataset: Dataset


@dataclass(frozen=True)
class Work:
    """An image to look at: its objects in the bucket and what was known of it before."""

    file: DeclaredFile
    stored: StoredObject | None
    caption: StoredObject | None
    known: Image | None

    @property
    def image_is_known(self) -> bool:
        """Whether the image is the one that was looked at before."""
        return bool(self.known and self.stored and self.known.etag == self.stored.etag)

    @property
    def caption_is_known(self) -> bool:
        """Whether the caption, or its absence, is the one of before."""
        etag = self.caption.etag if self.caption else None
        return bool(self.known and self.known.caption_etag == etag)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing new to look at."""
        return self.image_is_known and self.caption_is_known


def check(about: Check, work: Work) -> Image:
    """Look at an image and its caption, as far as they are not known."""
    image = work.known if work.known and work.image_is_known else _image(about, work)
    if work.known and work.caption_is_known:
        told = work.known
        return image.model_copy(
            update={
                "caption": told.caption,
                "caption_etag": told.caption_etag,
                "caption_findings": told.caption_findings,
            }
        )
    caption = _caption(about, work)
    return image.model_copy(
        update={
            "caption": caption.text,
            "caption_etag": work.caption.etag if work.caption else None,
            "caption_findings": caption.findings,
        }
    )


def _image(about: Check, work: Work) -> Image:
    file, stored = work.file, work.stored
    assert stored is not None
    with BYTES.holding(stored.size):
        data = repository.read(upload_key(about.workspace, about.dataset, file.name))
        looked = look_at(file.name, data) if data is not None else _gone(file.name)
    return Image(
        id=file.id,
        name=file.name,
        size=stored.size,
        etag=stored.etag,
        sha256=looked.sha256 or None,
        kind=looked.kind,
        mode=looked.mode,
        width=looked.size.width if looked.size else None,
        height=looked.size.height if looked.size else None,
        fingerprint=looked.fingerprint,
        findings=looked.findings,
    )


def _gone(name: str) -> Looked:
    return Looked("", findings=(findings.not_uploaded(name),))


def _caption(about: Check, work: Work) -> ReadCaption:
    required = about.dataset.caption_policy == "required"
    name = caption_of(work.file.name)
    if work.caption is None:
        finding = findings.missing_caption(work.file.name, name, required=required)
        return ReadCaption(None, (finding,))
    if work.caption.size > findings.MOST_CAPTION_BYTES:
        return read_caption(name, b"", work.caption.size, required=required)
    data = repository.read(upload_key(about.workspace, about.dataset, name))
    if data is None:
        return ReadCaption(None, (findings.not_uploaded(name),))
    return read_caption(name, data, len(data), required=required)
