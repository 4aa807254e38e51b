"""What a dataset is, as the API takes it, tells it and keeps it."""

import re
import unicodedata
from collections import Counter
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lambdas.core.json_types import Whole
from lambdas.core.names import Name
from lambdas.core.presign import SignedDownload
from lambdas.datasets.origin_schema import Origin
from lambdas.datasets.report_schema import Finding, Report
from lambdas.datasets.subset_schema import Subset, subset_of

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
CAPTION_SUFFIX = ".txt"
MOST_FILES = 10_000
MOST_BYTES = 64 * 1024**2
MOST_NAME_BYTES = 200
MOST_SUBJECT_BYTES = 100
PREFIX_PATTERN = r"^[1-9][0-9]{0,3}_[^/\\\x00-\x1f\x7f]+$"
# What a schema can say of it; `check_file_name` says the rest.
FILE_NAME_PATTERN = (
    r"^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*"
    r"\.(txt|png|PNG|jpg|JPG|jpeg|JPEG|webp|WEBP|bmp|BMP)$"
)

_PREFIX = re.compile(r"([1-9][0-9]{0,3})_(.+)", re.DOTALL)

Status = Literal["uploading", "preparing", "validating", "ready", "invalid", "deleting"]
CaptionPolicy = Literal["required", "subject", "empty"]


def has_control_character(text: str) -> bool:
    """Say whether a text has a character of Unicode's kinds Cc, Cf, Cs, Co or Cn."""
    return any(unicodedata.category(character).startswith("C") for character in text)


def check_prefix(prefix: str) -> str:
    """Return the prefix in NFC.

    Raises ValueError when it is not repeats, an underscore and a subject.
    """
    prefix = unicodedata.normalize("NFC", prefix)
    found = _PREFIX.fullmatch(prefix)
    if found is None:
        raise ValueError(
            "must be repeats, an underscore and the subject, as in 10_tusiji: "
            "a number from 1 to 9999, then _, then a word"
        )
    subject = found[2]
    if "/" in subject or "\\" in subject or has_control_character(subject):
        raise ValueError("the subject may have no slash, backslash or control character")
    if len(subject.encode()) > MOST_SUBJECT_BYTES:
        raise ValueError(f"the subject may have at most {MOST_SUBJECT_BYTES} bytes in UTF-8")
    return prefix


def check_file_name(name: str) -> str:
    """Return the file name in NFC.

    Raises ValueError when it is a path, too long or of a kind that no dataset holds.
    """
    name = unicodedata.normalize("NFC", name)
    if "/" in name or "\\" in name or name.startswith(".."):
        raise ValueError("must be a plain file name: no folder, slash, backslash or ..")
    if name.startswith("."):
        raise ValueError("may not begin with a dot: sd-scripts passes over hidden files")
    if has_control_character(name):
        raise ValueError("may have no control or invisible character")
    if len(name.encode()) > MOST_NAME_BYTES:
        raise ValueError(f"may have at most {MOST_NAME_BYTES} bytes in UTF-8")
    if suffix_of(name) == CAPTION_SUFFIX and not name.endswith(CAPTION_SUFFIX):
        raise ValueError("a caption must end in .txt in lower case, or it is not read")
    if suffix_of(name) not in IMAGE_SUFFIXES | {CAPTION_SUFFIX}:
        raise ValueError("must end in .png, .jpg, .jpeg, .webp, .bmp (image) or .txt (caption)")
    small, capital = suffix_of(name), suffix_of(name).upper()
    if not name.endswith((small, capital)):  # library/train_util.py:104
        raise ValueError(f"must end in {small} or {capital}, or sd-scripts passes over it")
    return name


def check_path(name: str) -> str:
    """Return a file name, or a folder and a file name, in NFC.

    Raises ValueError when there is more than one folder, or the name will not do.
    """
    folder, slash, plain = unicodedata.normalize("NFC", name).rpartition("/")
    if "/" in folder or (slash and not folder):
        raise ValueError("has more than a folder and a name: write 100_demo/demo1.png")
    return f"{folder}{slash}{check_file_name(plain)}"


def suffix_of(name: str) -> str:
    """Return a file name's suffix in lower case, `.png` say."""
    return PurePosixPath(name).suffix.lower()


def stem_of(name: str) -> str:
    """Return a file name without its suffix: by it an image and its caption pair.

    The folder, where there is one, stays: they pair within one subset.
    """
    return name.removesuffix(PurePosixPath(name).suffix)


def caption_of(name: str) -> str:
    """Return what the caption of an image is called."""
    return f"{stem_of(name)}{CAPTION_SUFFIX}"


def is_image(name: str) -> bool:
    """Say whether a file name is that of an image."""
    return suffix_of(name) in IMAGE_SUFFIXES


class File(BaseModel):
    """A file that is to be uploaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(check_file_name)] = Field(
        description="Image or caption; a caption has its image's name with .txt. Unicode, NFC, at "
        "most 200 bytes.",
        json_schema_extra={"pattern": FILE_NAME_PATTERN, "maxLength": MOST_NAME_BYTES},
        examples=["demo1.png"],
    )
    size: Annotated[Whole, Field(ge=0, le=MOST_BYTES, description="In bytes, exactly.")]


class DeclaredFile(File):
    """A file that a dataset is to have, with the id of the image that it is, or whose caption.

    One that is imported says which object, as it was seen, it is a copy of. In a dataset of several
    subsets its name begins with the folder; it was checked when it was asked for.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: str
    source: str | None = None
    source_etag: str | None = None


AnyFile = TypeVar("AnyFile", bound=File)


def check_files(files: list[AnyFile]) -> list[AnyFile]:
    """Return the files.

    Raises ValueError when a name stands twice, images would share a caption or an image is empty.
    """
    names = Counter(file.name for file in files)
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise ValueError(f"each name once, but {_some(twice)} stands twice")
    stems = Counter(stem_of(file.name) for file in files if is_image(file.name))
    shared = sorted(stem for stem, count in stems.items() if count > 1)
    if shared:
        raise ValueError(
            f"one image for each caption, but several images are called {_some(shared)}: "
            "rename all but one"
        )
    empty = sorted(file.name for file in files if is_image(file.name) and file.size == 0)
    if empty:
        raise ValueError(f"an image has bytes, but {_some(empty)} has size 0")
    return files


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


Files = Annotated[list[File], Field(max_length=MOST_FILES), AfterValidator(check_files)]


class NewDataset(BaseModel):
    """A dataset to be: its name, its place in an epoch and its files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: str = Field(default="", max_length=1000, description="A note for people.")
    prefix: Annotated[str, AfterValidator(check_prefix)] = Field(
        description="Repeats within one epoch, an underscore, the subject: as Kohya's folders.",
        json_schema_extra={"pattern": PREFIX_PATTERN},
        examples=["10_tusiji"],
    )
    caption_policy: CaptionPolicy = Field(
        default="required",
        description="What of an image without caption: `required` refuses the dataset, `subject` "
        "trains it on the prefix's subject, `empty` on no words. A training with captioning takes "
        "a dataset that is refused for that alone.",
    )
    files: Files = Field(min_length=1, description="Every image and every caption.")


class Dataset(BaseModel):
    """Captioned images: a folder of them, or several as subsets."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="`ds_` and a ULID.")
    name: str = Field(description="Unique among the datasets of the workspace.")
    description: str = Field(description="A note for people.")
    tags: list[str] = Field(default=[], description="Words to find it by.")
    status: Status = Field(
        description="`preparing` while files are cropped or imported, `validating` while they are "
        "checked, then `ready` to be trained on, or `invalid`, and `report` says why."
    )
    prefix: str | None = Field(
        default=None,
        description="Repeats, an underscore, the subject. null where there are several subsets, "
        "like the next two.",
    )
    repeats: int | None = Field(
        default=None, description="How often each image is seen within one epoch."
    )
    subject: str | None = Field(
        default=None, description="What stands behind the underscore of the prefix."
    )
    subsets: list[Subset] = Field(
        description="Its folders: one, or those like 100_demo that were imported together, each "
        "with repeats and a subject of its own. Of several, files are called 100_demo/demo1.png."
    )
    caption_policy: CaptionPolicy = Field(description="What of an image without caption.")
    file_count: int = Field(description="How many files it has, images and captions.")
    total_bytes: int = Field(description="Their size in bytes.")
    report: Report | None = Field(default=None, description="null until the files were checked.")
    origin: Origin | None = Field(default=None, description="null where files were uploaded.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it last changed.")
    revision: int = Field(default=1, description="Grows with each PATCH; the ETag is made of it.")

    @model_validator(mode="before")
    @classmethod
    def _has_subsets(cls, given: Any) -> Any:
        # Records that were made before there were several folders have one alone.
        if isinstance(given, dict) and "subsets" not in given and given.get("prefix"):
            return given | {"subsets": [subset_of(given["prefix"])]}
        return given

    def path_of(self, name: str) -> str:
        """Return where a file lies below the dataset's own place: its folder and its name."""
        return name if len(self.subsets) > 1 else f"{self.subsets[0].prefix}/{name}"

    def holds(self, path: str) -> bool:
        """Say whether a path below the dataset's own place is that of a file in one folder."""
        return any(path.startswith(f"{one.prefix}/") for one in self.subsets)


class DatasetImage(BaseModel):
    """An image of a dataset with its caption."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="`img_` and a ULID.")
    name: str = Field(description="The image's file name.")
    size: int = Field(description="Its size in bytes.")
    width: int | None = Field(
        description="In pixels as sd-scripts reads them; null: can't be told."
    )
    height: int | None = Field(description="Pixels, as width.")
    mode: str | None = Field(description="RGB, L (grey), CMYK, ...; null: can't be decoded.")
    caption: str | None = Field(description="null where there is none, or it can't be read.")
    caption_etag: str = Field(
        description="Goes with the caption into PUT …/caption (`If-Match`) and PUT …/captions."
    )
    findings: list[Finding] = Field(description="What was found about this image or its caption.")
    preview: SignedDownload = Field(description="Shows the image.")
