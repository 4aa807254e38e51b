"""A small client of the API: nothing but HTTP, as anybody's script would do it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

_CHUNK = 1024 * 1024


class ApiError(Exception):
    """The API refused a request; the text is the problem's, fault by fault."""


class Api:
    """The API at `url`, called with a bearer token."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        # Presigned URLs carry their own authorization; a bearer token would be one too many.
        self._s3 = httpx.Client(timeout=httpx.Timeout(60, read=600))

    def get(self, path: str, **query: Any) -> Any:
        """Return the body of a GET."""
        return self._body(self._http.get(path, params=query))

    def post(self, path: str, body: Any = None, key: str | None = None) -> Any:
        """Return the body of a POST; `key` is the Idempotency-Key."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._body(self._http.post(path, json=body, headers=headers))

    def put_file(self, upload: dict[str, Any], path: Path) -> None:
        """Send a whole file to a presigned URL."""
        self._put(upload, path.read_bytes())

    def put_part(self, upload: dict[str, Any], path: Path, offset: int, size: int) -> str:
        """Send a part of a file to a presigned URL; return S3's ETag."""
        return self._put(upload, _read(path, offset, size))

    def download(self, url: str, target: Path) -> None:
        """Save what a presigned URL gives."""
        unfinished = target.with_suffix(".part")
        with self._s3.stream("GET", url) as answer:
            answer.raise_for_status()
            with unfinished.open("wb") as file:
                for chunk in answer.iter_bytes(_CHUNK):
                    file.write(chunk)
        unfinished.replace(target)

    def _put(self, upload: dict[str, Any], content: bytes | Iterator[bytes]) -> str:
        answer = self._s3.put(upload["url"], headers=upload["headers"], content=content)
        if answer.is_error:
            raise ApiError(f"S3 answered {answer.status_code} to an upload: {answer.text[:300]}")
        return str(answer.headers["ETag"])

    @staticmethod
    def _body(answer: httpx.Response) -> Any:
        if answer.is_error:
            raise ApiError(_told(answer))
        return answer.json() if answer.content else None


def wait_for(api: Api, path: str, ends: set[str], pause: float) -> Iterator[dict[str, Any]]:
    """Yield the thing at `path` again and again, its end last."""
    while True:
        found: dict[str, Any] = api.get(path)
        yield found
        if found["status"] in ends:
            return
        time.sleep(pause)


def _read(path: Path, offset: int, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while size > 0:
            chunk = file.read(min(size, _CHUNK))
            size -= len(chunk)
            yield chunk


def _told(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        faults = [f"  {fault['pointer']}: {fault['message']}" for fault in problem["errors"]]
        return "\n".join([f"{answer.status_code} {problem['code']}: {problem['detail']}", *faults])
    except (ValueError, KeyError):
        return f"{answer.status_code}: {answer.text[:300]}"
