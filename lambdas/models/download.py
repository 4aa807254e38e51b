"""Fetching a file from a link: looked at first, then read in parts, resumed where it breaks off."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lambdas.core.errors import Unavailable, Unprocessable
from lambdas.models.remote_http import (
    BREAKS,
    Answer,
    Network,
    Secret,
    following,
    no_file,
    not_to_be_had,
    told_as_unavailable,
)
from lambdas.models.remote_url import RemoteUrl
from lambdas.models.safetensors import Header, read_header
from lambdas.models.schema import MOST_BYTES

_LOOKED_AT = 1024
_FRUITLESS_ATTEMPTS = 3


@dataclass(frozen=True)
class RemoteFile:
    """A file as its server tells of it; size in bytes, None where the server does not tell.

    `sha256` is what Hugging Face tells of a file in LFS, None of others.
    """

    url: RemoteUrl
    size: int | None
    etag: str | None
    file_name: str | None
    resumable: bool
    start: bytes = field(repr=False)
    sha256: str | None = None


def look_at(url: RemoteUrl, network: Network, secret: Secret | None = None) -> RemoteFile:
    """Ask for the first bytes of a file, and so for its size, kind and name.

    Raises Unprocessable when there is no such file, and Unavailable when the server is not to be
    had for now.
    """
    with following(url, network, secret, {"Range": f"bytes=0-{_LOOKED_AT - 1}"}) as answer:
        with told_as_unavailable(url):
            start = _first_bytes(_looking(answer, network), _LOOKED_AT)
        size, resumable = _size_of(answer)
        if size is not None and size > MOST_BYTES:
            raise _too_large(url)
        return RemoteFile(
            url=url,
            size=size,
            etag=_one_line(answer.headers.get("ETag")),
            file_name=_one_line(answer.headers.get_filename()),
            resumable=resumable,
            start=start,
            sha256=answer.linked_sha256,
        )


def parts(
    file: RemoteFile,
    network: Network,
    part_size: int,
    first: int = 0,
    secret: Secret | None = None,
    each: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """Yield a file in parts of `part_size` bytes, the last one shorter, from byte `first` on.

    One part is held in memory; `each` is called with every piece of it that comes, and what it
    raises ends the matter. Where the connection breaks it goes on behind the last byte that
    came, as long as something comes. Raises Unavailable when nothing more does, and Unprocessable
    when the file is another than before.
    """
    buffer = bytearray()
    for piece in _resumed(file, network, first, secret):
        buffer += piece
        each()
        while len(buffer) >= part_size:
            yield bytes(buffer[:part_size])
            del buffer[:part_size]
    if buffer:
        yield bytes(buffer)


def span(
    file: RemoteFile, network: Network, first: int, last: int, secret: Secret | None = None
) -> bytes:
    """Return the bytes `first` to `last`, both counted, as far as they exist: the header, say.

    Raises Unprocessable when the server gives no spans or the file is another than before.
    """
    with (
        following(file.url, network, secret, {"Range": f"bytes={first}-{last}"}) as answer,
        told_as_unavailable(file.url),
    ):
        if first and answer.status != 206:
            raise no_file(f"{file.url.host} gives no part of a file alone", "url_refused")
        return _first_bytes(_looking(answer, network), last - first + 1)


def _looking(answer: Answer, network: Network) -> Iterator[bytes]:
    return answer.pieces(network.stall_seconds, network.look_seconds)


def header_of(file: RemoteFile, network: Network, secret: Secret | None = None) -> Header:
    """Read a file's safetensors header, so that what will not do is told before it is fetched.

    Raises NotSafetensors, and Unprocessable as `span` does or when the size is not known.
    """
    size = file.size
    if size is None:
        raise no_file(f"{file.url.host} does not tell how large the file is", "url_refused")
    return read_header(lambda first, last: (span(file, network, first, last, secret), size))


def _resumed(
    file: RemoteFile, network: Network, first: int, secret: Secret | None
) -> Iterator[bytes]:
    position, fruitless = first, 0
    while file.size is None or position < file.size:
        before = position
        try:
            for piece in _body_from(file, network, position, secret):
                position += len(piece)
                _must_not_pass(file, position)
                yield piece
        except (*BREAKS, Unavailable) as error:
            fruitless = fruitless + 1 if position == before else 0
            if fruitless >= _FRUITLESS_ATTEMPTS or not file.resumable:
                raise not_to_be_had(file.url) from error
            continue
        if file.size is not None and position < file.size:
            raise _another_file(file)
        return


def _must_not_pass(file: RemoteFile, position: int) -> None:
    if file.size is not None and position > file.size:
        raise _another_file(file)
    if position > MOST_BYTES:
        raise _too_large(file.url)


def _too_large(url: RemoteUrl) -> Unprocessable:
    gibibytes = MOST_BYTES // 1024**3
    return no_file(f"{url.shown} has more than {gibibytes} GiB", "url_too_large")


def _body_from(
    file: RemoteFile, network: Network, position: int, secret: Secret | None
) -> Iterator[bytes]:
    headers = {"Range": f"bytes={position}-"} if position else {}
    if position and file.etag and not file.etag.startswith("W/"):
        headers["If-Range"] = file.etag
    with following(file.url, network, secret, headers) as answer:
        if position and (answer.status != 206 or _begins_at(answer) != position):
            raise _another_file(file)
        if file.size is not None and _size_of(answer)[0] not in (None, file.size):
            raise _another_file(file)
        yield from answer.pieces(network.stall_seconds)


def _size_of(answer: Answer) -> tuple[int | None, bool]:
    told = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if answer.status == 206:
        return (int(told) if _is_size(told) else None), True
    told = answer.headers.get("Content-Length") or ""
    return (int(told) if _is_size(told) else None), False


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16


def _begins_at(answer: Answer) -> int | None:
    span = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(span) if _is_size(span) else None


def _first_bytes(pieces: Iterator[bytes], count: int) -> bytes:
    start = b""
    for piece in pieces:
        start += piece[: count - len(start)]
        if len(start) == count:
            break
    return start


def _one_line(text: str | None) -> str | None:
    return text[:200] if text and text.isprintable() else None


def _another_file(file: RemoteFile) -> Unprocessable:
    return no_file(f"{file.url.shown} changed while it was fetched", "url_changed")
