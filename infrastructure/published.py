"""What the service publishes of itself, written when synthesizing: the document and its page.

The function `access` sends the files of build/published/ as they are, with the headers beside them,
and works out nothing at a request.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from document import parse_document, read_text
from reference.page import content_security_policy, page

FOLDER = Path("build", "published")
_KEPT = "public, max-age=300"


def publish(root: Path) -> Path:
    """Writes the files below `root` and returns their folder."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _texts(read_text(root)).items():
        _write(folder / name, text)
    return folder


def digest_of_published(folder: Path) -> bytes:
    """A digest of all files, for the hash of the zip that holds them."""
    return b"".join(hashlib.sha256(path.read_bytes()).digest() for path in sorted(folder.iterdir()))


@lru_cache(maxsize=1)
def _texts(contract: str) -> Mapping[str, str]:
    document = parse_document(contract)
    texts = {
        "openapi.json": json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        "docs.html": page(document),
    }
    headers = {name: _headers(name, text) for name, text in texts.items()}
    return texts | {"headers.json": json.dumps(headers)}


def _headers(name: str, text: str) -> Mapping[str, str]:
    kinds = {"openapi.json": "application/json", "docs.html": "text/html; charset=utf-8"}
    shared = {
        "Content-Type": kinds[name],
        # Weak, as the gateway may send the text compressed.
        "ETag": f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"',
        "Cache-Control": _KEPT,
        "X-Content-Type-Options": "nosniff",
    }
    if name != "docs.html":
        return shared
    return shared | {
        "Content-Security-Policy": content_security_policy(),
        "Referrer-Policy": "no-referrer",
    }


def _write(path: Path, text: str) -> None:
    # Whole or not at all: a function of local mode may read it at this moment.
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
