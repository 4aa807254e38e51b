"""An import from a link: looked at first, then streamed into the parts of an upload."""

import hashlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import takewhile

from lambdas.asset_worker.download_secrets import secret_for
from lambdas.asset_worker.model_imports import Found, Import, Progress, Refused, TimeIsOver
from lambdas.core import multipart
from lambdas.core import stored as room
from lambdas.core.bucket import StoredPart
from lambdas.core.errors import Unavailable
from lambdas.models import download, remote_url, safetensors, verdict
from lambdas.models.download import RemoteFile
from lambdas.models.remote_http import Network
from lambdas.models.remote_url import RemoteUrl
from lambdas.models.schema import MOST_BYTES, UploadedPart, part_size_for

# With the part that is being read and its copy: at most some 100 MiB in memory.
AT_ONCE = 3
MOST_STARTS = 3
# For parts of 16 MiB some 110 kB/s.
SLOWEST_PART_SECONDS = 150


@cache
def network() -> Network:
    """Return the way to the Internet: system resolver, port 443, public addresses only."""
    return Network()


def part_size(one: Import) -> int:
    """Return the size of the parts to make, in bytes."""
    return part_size_for(one.source.size or MOST_BYTES)


def look(one: Import) -> Found:
    """Ask for size, kind and name, and inspect the header before 7 GB are fetched.

    Raises Unprocessable, Unavailable, NotSafetensors and Refused.
    """
    url = _url(one)
    secret = secret_for(url.host)
    file = download.look_at(url, network(), secret)
    safetensors.check_start(file.start, MOST_BYTES if file.size is None else file.size)
    if file.resumable and file.size is not None:
        size = file.size
        header = safetensors.read_header(
            lambda first, last: (download.span(file, network(), first, last, secret), size)
        )
        reason = verdict.of(one.model, header, file.sha256).invalid_reason
        if reason:
            raise Refused(reason.code, reason.message)
    return Found(file.size, file.etag, file.resumable, file.sha256, file.file_name)


def start(one: Import) -> Import:
    """Note that the file is fetched from its first byte where it can't be gone on with.

    Raises Refused when that was in vain too often.
    """
    if one.source.resumable:
        return one
    if one.source.starts >= MOST_STARTS:
        raise _not_resumable(one, f"the connection broke off {MOST_STARTS} times")
    return one.kept(source=one.source.model_copy(update={"starts": one.source.starts + 1}))


def move(one: Import, stored: Sequence[StoredPart]) -> tuple[list[UploadedPart], str | None]:
    """Fetch what is missing; return all parts, and the SHA-256 if all bytes came by here.

    A file whose size is not told is held to the workspace's limit as it comes. Raises Unavailable,
    Unprocessable, LimitReached, Refused, TimeIsOver, UploadGone and Lost.
    """
    assert one.upload
    there = _going_on_behind(one, stored)
    position = sum(part.size for part in there)
    digest, done = hashlib.sha256(), [_uploaded(part.number, part.etag) for part in there]
    progress = Progress(one.tell)
    try:
        for number, etag, size in _sent(one, position, len(there), digest):
            done.append(_uploaded(number, etag))
            position += size
            progress.tell(position)
            if one.source.size is None:
                room.must_have_room(one.workspace, position)
            if one.source.size is None or position < one.source.size:
                one.must_have_time()
    except TimeIsOver:
        if one.source.resumable:
            raise
        raise _not_resumable(one, "it takes longer than the worker may run") from None
    return done, None if there else digest.hexdigest()


def _going_on_behind(one: Import, stored: Sequence[StoredPart]) -> list[StoredPart]:
    """Return the parts that stand whole at the beginning, none where there is no going on."""
    upload, size = one.upload, one.source.size
    assert upload
    if size is None or not one.source.resumable:
        return []
    whole = [part for part in stored if part.size == upload.size_of(part.number, size)]
    return [
        part
        for _, part in takewhile(
            lambda pair: pair[0] == pair[1].number,
            enumerate(sorted(whole, key=lambda part: part.number), 1),
        )
    ]


def _sent(one: Import, position: int, there: int, digest: object) -> Iterator[tuple[int, str, int]]:
    """Yield number, ETag and size of each part that S3 has, a few on their way meanwhile."""
    url, upload, key = _url(one), one.upload, one.key
    assert upload
    source = one.source
    file = RemoteFile(url, source.size, source.etag, None, source.resumable, b"")
    under_way: deque[tuple[int, int, Future[str]]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        secret, pace = secret_for(url.host), _Pace(one)
        fetched = download.parts(file, network(), upload.part_size, position, secret, pace.must_do)
        broken: Exception | None = None
        try:
            for number, data in enumerate(fetched, there + 1):
                digest.update(data)  # type: ignore[attr-defined]
                sending = threads.submit(multipart.put_part, key, upload.upload_id, number, data)
                under_way.append((number, len(data), sending))
                if len(under_way) >= AT_ONCE:
                    yield _arrived(under_way)
                pace.next_part()
        except (Unavailable, TimeIsOver) as error:
            broken = error  # what is on its way counts, too
        while under_way:
            yield _arrived(under_way)
        if broken:
            raise broken


class _Pace:
    """Whether bytes come fast enough, looked at with each piece of them."""

    def __init__(self, one: Import) -> None:
        self._one, self._parts, self._since = one, 0, time.monotonic()

    def must_do(self) -> None:
        """Raise TimeIsOver at the end of a run that got further, Unavailable at a crawl."""
        if self._parts:
            self._one.must_have_time()
        if time.monotonic() - self._since > SLOWEST_PART_SECONDS:
            raise Unavailable(
                f"{_url(self._one).host} sends too slowly: not one part within "
                f"{SLOWEST_PART_SECONDS} s. Try again later, or download the file and put it into "
                "the inbox.",
                code="url_too_slow",
            )

    def next_part(self) -> None:
        """Begin to count anew, after a part came and went on its way."""
        self._parts, self._since = self._parts + 1, time.monotonic()


def _arrived(under_way: deque[tuple[int, int, Future[str]]]) -> tuple[int, str, int]:
    number, size, sending = under_way.popleft()
    return number, sending.result(), size


def _uploaded(number: int, etag: str) -> UploadedPart:
    return UploadedPart(part_number=number, etag=etag)


def _url(one: Import) -> RemoteUrl:
    assert one.source.url is not None
    return remote_url.download_of(one.source.url)


def _not_resumable(one: Import, why: str) -> Refused:
    return Refused(
        "url_not_resumable",
        f"{_url(one).host} gives no part of a file alone, and {why}. Download the file and put it "
        "into the inbox, or upload it.",
    )
