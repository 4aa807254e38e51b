"""Where notices may be posted: to public servers over TLS, and in local mode to this machine."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from lambdas.core import settings
from lambdas.core.errors import Fault, Unprocessable
from lambdas.models import remote_url

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Settings(settings.Settings):
    """What local mode sets, and no deployment does."""

    webhooks_to_loopback: bool = False


@dataclass(frozen=True)
class Address:
    """An address that was checked by its form; `plain` is http to this machine, in local mode."""

    host: str
    port: int
    target: str
    plain: bool = False

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 and not self.plain else f"{host}:{self.port}"


def parse(text: str) -> Address:
    """Check an address by its form; what a name leads to is checked at each delivery.

    Raises Unprocessable.
    """
    if Settings.load().webhooks_to_loopback and (found := _loopback(text)):
        return found
    if not text.lower().startswith("https://"):
        raise _refused("must begin with https://, so that nobody on the way can read or change it")
    try:
        url = remote_url.parse(text)
    except Unprocessable as error:
        raise _refused(error.faults[0].message) from error
    return Address(url.host, 443, url.target)


def _loopback(text: str) -> Address | None:
    try:
        parts = urlsplit(text)
        port = parts.port or 80
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK or "@" in parts.netloc:
        return None
    if not text.isascii() or any(one <= " " for one in text):
        return None
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Address(parts.hostname, port, target, plain=True)


def _refused(why: str) -> Unprocessable:
    return Unprocessable(
        f"Nothing can be posted to this address: it {why}.",
        code="url_refused",
        faults=[Fault("/url", why)],
    )
