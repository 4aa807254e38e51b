"""What a model is, as the API takes it, tells it and keeps it."""

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lambdas.core.json_types import Whole
from lambdas.core.names import Name
from lambdas.core.presign import SignedDownload, SignedUpload
from lambdas.models.header_schema import HeaderFacts
from lambdas.models.progress_schema import CheckProgress, ImportProgress

MOST_BYTES = 50 * 1024**3
MOST_PARTS = 10_000
_MIB = 1024**2

ModelType = Literal["checkpoint", "lora", "vae", "embedding", "controlnet", "hypernetwork"]
FmType = Literal["sd_1_5", "sd_xl", "other"]
Status = Literal["uploading", "importing", "checking", "ready", "invalid", "deleting"]
_SHA_256 = re.compile(r"[0-9a-f]{64}")
# What a schema can say of it; `check_file_name` says the rest.
FILE_NAME_PATTERN = r"^[^./\\\x22][^/\\\x22]*\.[Ss][Aa][Ff][Ee][Tt][Ee][Nn][Ss][Oo][Rr][Ss]$"


def check_file_name(name: str) -> str:
    """Return the file name in NFC.

    Raises ValueError when it is a path, too long, or not a safetensors file.
    """
    name = unicodedata.normalize("NFC", name)
    if any(character in name for character in '/\\"') or name.startswith("."):
        raise ValueError("must be a plain file name: no folder, slash, quote or leading dot")
    if any(unicodedata.category(character).startswith("C") for character in name):
        raise ValueError("may have no control or invisible character")
    if len(name.encode()) > 200:
        raise ValueError("may have at most 200 bytes in UTF-8")
    if not name.lower().endswith(".safetensors"):
        raise ValueError(
            "must end in .safetensors; a .ckpt or .pt can run code when it is loaded: convert it"
        )
    return name


def check_tag(tag: str) -> str:
    """Return the tag in NFC without blanks around it.

    Raises ValueError when nothing is left or it has a control character.
    """
    tag = unicodedata.normalize("NFC", tag).strip()
    if not tag or any(unicodedata.category(character).startswith("C") for character in tag):
        raise ValueError("a tag has at least one letter and no control or invisible character")
    return tag


def _each_once(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


def _check_sha256(digest: str) -> str:
    digest = digest.lower().removeprefix("0x")
    if not _SHA_256.fullmatch(digest):
        raise ValueError("must be the 64 hexadecimal digits of the whole file's SHA-256")
    return digest


Tags = Annotated[
    list[
        Annotated[
            str,
            Field(max_length=50, json_schema_extra={"pattern": r"\S"}),
            AfterValidator(check_tag),
        ]
    ],
    AfterValidator(_each_once),
    Field(max_length=20, description="Words to find it by; each stands once."),
]
Description = Annotated[str, Field(max_length=1000)]
Sha256 = Annotated[
    str,
    AfterValidator(_check_sha256),
    Field(min_length=64, max_length=66, json_schema_extra={"pattern": "^(0[xX])?[0-9a-fA-F]{64}$"}),
]


class NewModel(BaseModel):
    """A model that is to be uploaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    type: ModelType = Field(default="checkpoint", description="`checkpoint` is a base model.")
    description: Description = Field(default="", description="A note for people.")
    tags: Tags = []
    file_name: Annotated[str, AfterValidator(check_file_name)] = Field(
        json_schema_extra={"pattern": FILE_NAME_PATTERN},
        examples=["v1-5-pruned-emaonly.safetensors"],
        description="The file's name, which ends with `.safetensors`.",
    )
    size: Whole = Field(ge=9, le=MOST_BYTES, description="In bytes, exactly.")
    sha256: Sha256 | None = Field(
        default=None,
        description="Of the whole file, as sha256sum tells it: one that has another is `invalid`. "
        "A file of more than 512 MiB is `checking` after it was completed, until it is read.",
    )


class ModelChanges(BaseModel):
    """What is to change of a model; what is absent stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name | None = Field(default=None, description="Another name.")
    description: Description | None = Field(default=None, description="Another description.")
    tags: Tags | None = Field(default=None, description="All of them: they replace those there.")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.asked():
            raise ValueError("name, description or tags: give at least one that is not null")
        return self

    def asked(self) -> dict[str, Any]:
        """Return the fields that are to change."""
        return self.model_dump(exclude_none=True)


class UploadedPart(BaseModel):
    """A part that was put, with the ETag that S3 answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part_number: Whole = Field(ge=1, le=MOST_PARTS, description="Counted from 1.")
    etag: str = Field(min_length=1, max_length=100, description="As S3 answered it.")


class CompleteModel(BaseModel):
    """The parts of an upload; without them S3 is asked which have arrived."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: list[UploadedPart] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_PARTS,
        description="All of them, in any order. Absent: those that have arrived, if all have.",
    )


class PartsWanted(BaseModel):
    """The parts for which fresh URLs are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part_numbers: list[Annotated[Whole, Field(ge=1, le=MOST_PARTS)]] = Field(
        min_length=1, max_length=500, description="Counted from 1; each once."
    )


class Reason(BaseModel):
    """Why a model is invalid."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="Stable and for programs.")
    message: str = Field(description="What is wrong, for people.")


class Upload(BaseModel):
    """The multipart upload that a model's bytes come by; sizes in bytes."""

    model_config = ConfigDict(frozen=True)

    upload_id: str
    part_size: int
    expires_at: datetime | None = None

    def part_count(self, size: int) -> int:
        """Return how many parts a file of `size` bytes has."""
        return -(-size // self.part_size)

    def size_of(self, part_number: int, size: int) -> int:
        """Return the size of one part: all are alike but the last."""
        return min(self.part_size, size - (part_number - 1) * self.part_size)


def part_size_for(size: int) -> int:
    """Return the part size for a file: 16 MiB, more where that would make over 9,000 parts."""
    wanted = max(16 * _MIB, -(-size // 9000))
    return -(-wanted // _MIB) * _MIB


class Model(BaseModel):
    """A model file in the workspace's library."""

    # `import` is a word of Python's.
    model_config = ConfigDict(frozen=True, validate_by_name=True, serialize_by_alias=True)

    id: str = Field(description="`mdl_` and a ULID.")
    name: str = Field(description="Unique among the models of the workspace.")
    description: str = Field(description="A note for people.")
    tags: list[str] = Field(default=[], description="Words to find it by.")
    type: ModelType = Field(description="What kind of file it is.")
    fm_type: FmType | None = Field(
        default=None, description="Read from the file; null until it is complete."
    )
    status: Status = Field(
        description="`checking`: all bytes are there and are being held to their SHA-256. "
        "`invalid` says why in `invalid_reason`."
    )
    file_name: str = Field(description="The name under which it is downloaded.")
    size: int = Field(description="In bytes; 0 until an import has found it out.")
    import_: ImportProgress | None = Field(
        default=None, alias="import", description="Of a model that was or is being imported."
    )
    check: CheckProgress | None = Field(default=None, description="Of a model that is `checking`.")
    sha256: str | None = Field(
        default=None, description="Of the whole file; null where nobody has told or reckoned it."
    )
    sha256_checked: bool = Field(
        default=False,
        description="Whether it was reckoned from the stored bytes; else it is as it was told.",
    )
    header: HeaderFacts | None = Field(
        default=None, description="What its header tells; null until it is ready."
    )
    invalid_reason: Reason | None = Field(
        default=None, description="Why it is invalid; null unless it is."
    )
    training_id: str | None = Field(default=None, description="The training that made it.")
    training_deleted: bool = Field(
        default=False, description="That training is gone, its logs and checkpoints with it."
    )
    partial: bool = Field(
        default=False, description="The LoRA of a training that did not come to its end."
    )
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it last changed.")
    revision: int = Field(default=1, description="Grows with each change; the ETag is made of it.")


class ModelWithDownload(Model):
    """A model and, when it is ready, where its file is to be had."""

    download: SignedDownload | None = Field(
        description="Where its bytes are; null unless it is ready."
    )


class PartUpload(BaseModel):
    """Where one part of a model's file is to be put."""

    model_config = ConfigDict(frozen=True)

    part_number: int = Field(description="Counted from 1.")
    size: int = Field(description="In bytes: send exactly so many.")
    upload: SignedUpload = Field(description="How to send its bytes.")


class ModelUploads(BaseModel):
    """A model and where the parts of its file go, at most 500 to an answer."""

    model_config = ConfigDict(frozen=True)

    model: Model = Field(description="The model itself.")
    part_size: int = Field(description="In bytes; the last part is what is left.")
    part_count: int = Field(description="Of how many parts the file is.")
    expires_at: datetime | None = Field(
        default=None, description="When the upload is given up and the model's name is free again."
    )
    parts: list[PartUpload] = Field(
        description="Ask POST /models/{id}/uploads for others, or for fresh URLs. Keep the ETag "
        "that each PUT answers for `complete`."
    )
