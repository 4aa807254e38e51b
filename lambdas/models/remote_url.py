"""Links to models as people copy them from the browser, turned into what can be downloaded."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

from lambdas.core.errors import Fault, Unprocessable

MOST_CHARACTERS = 2048
_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}")
_INSIDE = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "onion")
_HUGGING_FACE = {"huggingface.co", "www.huggingface.co", "hf.co"}
_CIVITAI = {"civitai.com", "www.civitai.com", "civitai.green", "civitai.red"}
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True)
class RemoteUrl:
    """An https address that was checked by its form: a name, port 443, no user.

    `host` is in lower case without a final dot; `target` is path and query as they are sent.
    """

    host: str
    target: str

    def __str__(self) -> str:
        return f"https://{self.host}{self.target}"

    @property
    def shown(self) -> str:
        """The address without its query, which may hold a signature or a token."""
        return f"https://{self.host}{self.target.partition('?')[0]}"


def parse(text: str) -> RemoteUrl:
    """Check an address by its form.

    Raises Unprocessable for all but https to a name on port 443. What a name leads to is checked
    when it is resolved.
    """
    if len(text) > MOST_CHARACTERS:
        raise refused(f"has more than {MOST_CHARACTERS} characters")
    if _FORBIDDEN.search(text) or any(unicodedata.category(one)[0] in "CZ" for one in text):
        raise refused("has a blank, a backslash or a control character: copy it again")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise refused("can't be read as an address") from error
    if parts.scheme.lower() != "https":
        raise refused("must begin with https://, so that nobody on the way can change the file")
    if "@" in parts.netloc:
        raise refused("may hold no user or password: keep those in a secret")
    if port not in (None, 443):
        raise refused(f"names port {port}: only https on its own port 443 is fetched")
    host = _checked_host(parts.hostname or "")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return RemoteUrl(host, f"{target}?{query}" if query else target)


def download_of(text: str) -> RemoteUrl:
    """Turn a link to a model's page into the address of its file; other links stay as they are.

    Hugging Face's `/blob/` becomes `/resolve/`; a page of Civitai with `modelVersionId` becomes its
    download. Raises Unprocessable when the page names no single file.
    """
    url = parse(text)
    if url.host in _HUGGING_FACE:
        return _of_hugging_face(url)
    return _of_civitai(url) if url.host in _CIVITAI else url


def refused(why: str) -> Unprocessable:
    """Return the error for an address that is not fetched."""
    return Unprocessable(
        f"The address can't be fetched: it {why}.",
        code="url_refused",
        faults=[Fault("/url", why)],
    )


def _checked_host(host: str) -> str:
    host = host.lower().removesuffix(".")
    if not host.isascii():
        raise refused(
            "has a host name in other letters than a to z: write it as the browser sends it"
        )
    if host.startswith("[") or ":" in host or _is_number(host.rpartition(".")[2]):
        raise refused("names an address by numbers: give the name of a public server")
    if host in _INSIDE or host.endswith(tuple(f".{one}" for one in _INSIDE)):
        raise refused("names a machine of a private network: give a public server")
    if not _HOST.fullmatch(host):
        raise refused("has no full host name, models.example.com say")
    return host


def _is_number(label: str) -> bool:
    """Say whether browsers take a host with this last label for an IPv4 address.

    See https://url.spec.whatwg.org/#ends-in-a-number-checker: 2130706433, 0x7f.1 and 0177.0.0.1.
    """
    return label.isdigit() or re.fullmatch(r"0x[0-9a-f]*", label) is not None


def _of_hugging_face(url: RemoteUrl) -> RemoteUrl:
    path = url.target.partition("?")[0]
    steps = path.strip("/").split("/")
    if "blob" in steps[2:3] or "raw" in steps[2:3]:
        steps[2] = "resolve"
    if steps[2:3] != ["resolve"] or len(steps) < 5:
        raise _no_single_file(
            "names no file: open the repository's Files and versions, choose the .safetensors and "
            "copy the link of its page or of its download button"
        )
    return RemoteUrl("huggingface.co", f"/{'/'.join(steps)}?download=true")


def _of_civitai(url: RemoteUrl) -> RemoteUrl:
    path, _, query = url.target.partition("?")
    if path.startswith("/api/download/models/"):
        return RemoteUrl("civitai.com", _without_token(path, query))
    version = re.fullmatch(r"/(?:api/v1/)?model-versions/(\d{1,12})", path)
    number = version[1] if version else parse_qs(query).get("modelVersionId", [""])[0]
    if path.startswith("/models/") or version:
        if re.fullmatch(r"[0-9]{1,12}", number):
            return RemoteUrl("civitai.com", f"/api/download/models/{number}")
        raise _no_single_file(
            "names a model of several versions: choose one on its page, so that the link ends in "
            "modelVersionId=, or copy the link of the Download button"
        )
    raise _no_single_file("leads to no model's page: copy the link of a model or of its Download")


def _without_token(path: str, query: str) -> str:
    """Return the target without `token=`, by which Civitai takes a key that belongs in a secret."""
    kept = [one for one in query.split("&") if one and not one.lower().startswith("token=")]
    return f"{path}?{'&'.join(kept)}" if kept else path


def _no_single_file(why: str) -> Unprocessable:
    return refused(why)
