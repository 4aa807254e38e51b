"""An import from S3: the file is copied part by part on S3's side, and no byte comes here."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lambdas.asset_worker.model_imports import Found, Import, Progress, Refused
from lambdas.core import bucket, multipart
from lambdas.core.bucket import StoredPart
from lambdas.core.multipart import Place, SourceGone
from lambdas.models import safetensors, verdict
from lambdas.models.safetensors import Header
from lambdas.models.schema import MOST_BYTES, UploadedPart

# Copied in a second or two; 50 GiB have 400 of them.
PART_SIZE = 128 * 1024**2
AT_ONCE = 8
GONE = "source_not_found"


def look(one: Import) -> Found:
    """Read size, ETag and header of the source.

    Raises NotSafetensors and Refused.
    """
    assert one.source.key
    found, header = read_header(one.source.key, one.source.bucket)
    reason = verdict.of(one.model, header, None).invalid_reason
    if reason:
        raise Refused(reason.code, reason.message)
    return found


def read_header(key: str, of: str | None = None) -> tuple[Found, Header]:
    """Return what an object is, by at most two ranged reads.

    Raises NotSafetensors, and Refused when it is not there, too large, or replaced meanwhile.
    """
    seen: list[Found] = []

    def read(first: int, last: int) -> tuple[bytes, int]:
        span = bucket.read_span(key, first, last, of)
        if span is None or (seen and span.etag != seen[0].etag):
            raise _gone()
        if span.total_size > MOST_BYTES:
            gibibytes = MOST_BYTES // 1024**3
            raise Refused("too_large", f"The file has more than {gibibytes} GiB.")
        seen.append(Found(span.total_size, span.etag))
        return span.data, span.total_size

    header = safetensors.read_header(read)
    return seen[0], header


def move(one: Import, stored: Sequence[StoredPart]) -> list[UploadedPart]:
    """Copy the parts that are missing, and return all.

    Raises Refused, TimeIsOver, UploadGone and Lost.
    """
    upload, size = one.upload, one.source.size
    assert upload
    assert size is not None
    there = {
        part.number: part.etag for part in stored if part.size == upload.size_of(part.number, size)
    }
    missing = sorted(set(range(1, upload.part_count(size) + 1)) - there.keys())
    done = sum(upload.size_of(number, size) for number in there)
    progress = Progress(one.tell)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        copied = threads.map(lambda number: _copy(one, number), missing)
        try:
            for number, etag in zip(missing, copied, strict=True):
                there[number] = etag
                done += upload.size_of(number, size)
                progress.tell(done)
                if done < size:
                    one.must_have_time()
        except SourceGone as error:
            raise _gone() from error
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
    return [UploadedPart(part_number=number, etag=there[number]) for number in sorted(there)]


def _copy(one: Import, number: int) -> str:
    source, upload = one.source, one.upload
    assert source.bucket and source.key and source.etag and upload  # noqa: PT018
    assert source.size is not None
    first = (number - 1) * upload.part_size
    last = first + upload.size_of(number, source.size) - 1
    place = Place(source.bucket, source.key, source.etag)
    return multipart.copy_part(place, one.key, upload.upload_id, number, (first, last))


def _gone() -> Refused:
    return Refused(
        GONE,
        "The file is not there, or it was replaced while it was copied: look at the address, and "
        "import it again.",
    )
