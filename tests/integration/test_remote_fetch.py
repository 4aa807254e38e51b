"""Fetching from links: every way to an inner address is tried, and none gets through."""

import contextlib
import json
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_server import PUBLIC, SECRET_OF_THE_VICTIM, Asked, Internet, answer, internet, redirect

from lambdas.core.errors import ServiceError, Unavailable, Unprocessable
from lambdas.core.public_address import is_public
from lambdas.models import download, remote_url
from lambdas.models.remote_http import MOST_REDIRECTS, Network, Secret

HOST = "https://models.example.com"
MIB = 1024**2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Internet]:
    with internet(tmp_path) as made:
        yield made


def fetch(world: Internet, link: str, secret: Secret | None = None) -> bytes:
    network = world.network()
    file = download.look_at(remote_url.download_of(link), network, secret)
    return b"".join(download.parts(file, network, 64 * 1024, secret=secret))


def refusal_of(world: Internet, link: str) -> ServiceError:
    """Fetch what must not be fetched, make sure that nothing got through, return the error."""
    with pytest.raises(ServiceError) as caught:
        fetch(world, link)
    assert world.victim_hits == []
    assert set(world.connected) <= {PUBLIC}
    assert SECRET_OF_THE_VICTIM.decode() not in str(caught.value)
    return caught.value


BY_FORM = {
    "plain http": ("http://models.example.com/f", "https://"),
    "another scheme": ("file:///etc/passwd", "https://"),
    "gopher": ("gopher://127.0.0.1:6379/_FLUSHALL", "https://"),
    "no scheme": ("models.example.com/f", "https://"),
    "loopback": ("https://127.0.0.1/f", "by numbers"),
    "metadata service": ("https://169.254.169.254/latest/meta-data/", "by numbers"),
    "container credentials": ("https://169.254.170.2/v2/credentials", "by numbers"),
    "decimal": ("https://2130706433/f", "by numbers"),
    "octal": ("https://0177.0.0.1/f", "by numbers"),
    "hexadecimal": ("https://0x7f000001/f", "by numbers"),
    "hexadecimal in parts": ("https://0x7f.0.0.0x1/f", "by numbers"),
    "short form": ("https://127.1/f", "by numbers"),
    "zero": ("https://0/f", "by numbers"),
    "final dot": ("https://127.0.0.1./f", "by numbers"),
    "percent-encoded": ("https://%31%32%37.0.0.1/f", "by numbers"),
    "IPv6 loopback": ("https://[::1]/f", "by numbers"),
    "IPv6 unspecified": ("https://[::]/f", "by numbers"),
    "IPv4 in IPv6": ("https://[::ffff:127.0.0.1]/f", "by numbers"),
    "IPv6 with zone": ("https://[fe80::1%25eth0]/f", "by numbers"),
    "public number": ("https://93.184.215.14/f", "by numbers"),
    "localhost": ("https://localhost/f", "private network"),
    "localhost.": ("https://localhost./f", "private network"),
    "LOCALHOST": ("https://LOCALHOST/f", "private network"),
    "below localhost": ("https://a.localhost/f", "private network"),
    "metadata name": ("https://metadata.google.internal/f", "private network"),
    "one label": ("https://metadata/f", "full host name"),
    "user": ("https://models.example.com@127.0.0.1/f", "user or password"),
    "user with a name behind": ("https://127.0.0.1@models.example.com/f", "user or password"),
    "backslash": ("https://models.example.com\\@127.0.0.1/f", "backslash"),
    "tab": ("https://127.0\t.0.1/f", "blank"),
    "line end": ("https://models.example.com/f\r\nHost: x", "blank"),
    "zero width": ("https://models.example.com\u200b/f", "control character"),
    "wide digits": ("https://１２７.0.0.1/f", "other letters"),
    "circled digits": ("https://①②⑦.⓪.⓪.①/f", "other letters"),
    "ideographic dots": ("https://127。0。0。1/f", "other letters"),
    "look-alike letters": ("https://mоdels.example.com/f", "other letters"),
    "another port": ("https://models.example.com:8443/f", "port 8443"),
    "port of ssh": ("https://models.example.com:22/f", "port 22"),
    "port that is none": ("https://models.example.com:99999/f", "can't be read"),
    "broken bracket": ("https://[::1/f", "can't be read"),
    "empty host": ("https:///f", "full host name"),
    "too long": (f"https://models.example.com/{'a' * 3000}", "characters"),
}


@pytest.mark.parametrize(("link", "words"), BY_FORM.values(), ids=BY_FORM)
def test_an_address_that_will_not_do_by_its_form_is_refused_before_anything_is_asked(
    world: Internet, link: str, words: str
) -> None:
    error = refusal_of(world, link)

    assert (error.code, [fault.pointer for fault in error.faults]) == ("url_refused", ["/url"])
    assert words in error.detail
    assert world.connected == []


NOT_PUBLIC = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200"),
    *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1"),
    *("::1", "::", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::127.0.0.1", "fe80::1"),
    *("fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "64:ff9b::7f00:1"),
    *("64:ff9b:1::1", "2001:0:53aa:64c:0:fbff:80ff:fffe", "2001:db8::1", "100::1", "5f00::1"),
    *("3fff::1", "fec0::1", "nonsense", ""),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_leads_to_an_inner_address_is_refused_and_not_connected_to(
    world: Internet, address: str
) -> None:
    world.dns["evil.example.org"] = [[address]]

    error = refusal_of(world, "https://evil.example.org/f")

    assert error.code == "url_refused"
    assert "private network" in error.detail
    assert world.connected == []


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_addresses_of_the_public_internet_are_public(address: str) -> None:
    assert is_public(address)


def test_one_inner_address_among_public_ones_is_enough_to_refuse(world: Internet) -> None:
    world.dns["evil.example.org"] = [[PUBLIC, "127.0.0.1"]]

    assert "private network" in refusal_of(world, "https://evil.example.org/f").detail
    assert world.connected == []


def test_a_name_that_is_bound_anew_between_look_and_connection_changes_nothing(
    world: Internet,
) -> None:
    world.dns["models.example.com"] = [[PUBLIC], ["127.0.0.1"]]
    world.answers["/f"] = answer(body=b"public")
    network = world.network()

    file = download.look_at(remote_url.parse(f"{HOST}/f"), network)
    with pytest.raises(Unprocessable, match="private network"):
        list(download.parts(file, network, 100))

    assert file.start == b"public"
    assert (world.connected, world.victim_hits) == ([PUBLIC], [])


def test_a_name_that_has_no_address_is_told(world: Internet) -> None:
    assert "can't be found" in refusal_of(world, "https://nowhere.example.org/f").detail
    world.dns["empty.example.org"] = [[]]
    assert "private network" in refusal_of(world, "https://empty.example.org/f").detail


LOCATIONS = {
    "loopback": "https://127.0.0.1/",
    "metadata service": "https://169.254.169.254/latest/meta-data/iam/",
    "plain http": "http://models.example.com/f",
    "plain http inside": "http://169.254.169.254/",
    "no scheme": "//127.0.0.1/",
    "backslashes": "https:\\\\127.0.0.1/",
    "decimal": "https://2130706433/",
    "IPv6": "https://[::1]/",
    "another scheme": "file:///etc/passwd",
    "user": "https://models.example.com@127.0.0.1/",
    "port": "https://models.example.com:6379/",
    "name inside": "https://inner.example.org/",
    "broken": "https://[",
}


@pytest.mark.parametrize("location", LOCATIONS.values(), ids=LOCATIONS)
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_to_what_may_not_be_reached_is_refused(
    world: Internet, location: str, status: int
) -> None:
    world.dns["inner.example.org"] = [["10.0.0.1"]]
    world.answers["/f"] = redirect(location, status)

    assert refusal_of(world, f"{HOST}/f").code == "url_refused"


def test_a_redirect_behind_redirects_is_looked_at_as_the_first(world: Internet) -> None:
    world.answers["/f"] = redirect("/g")
    world.answers["/g"] = redirect("https://cdn.example.net/h")
    world.answers["/h"] = redirect("https://localhost/")

    assert "redirects to an address" in refusal_of(world, f"{HOST}/f").detail
    assert [one.target for one in world.asked] == ["/f", "/g", "/h"]


def test_redirects_without_end_are_left(world: Internet) -> None:
    world.answers["/f"] = redirect("/f")

    assert f"more than {MOST_REDIRECTS} times" in refusal_of(world, f"{HOST}/f").detail
    assert len(world.asked) == MOST_REDIRECTS + 1


def test_a_server_whose_certificate_has_another_name_is_refused(world: Internet) -> None:
    world.dns["other.example.org"] = [[PUBLIC]]

    assert "certificate" in refusal_of(world, "https://other.example.org/f").detail
    assert world.asked == []


def test_a_server_that_speaks_no_tls_is_not_spoken_to(world: Internet) -> None:
    """Else an inner service reached by whatever hole would read the request."""
    network = world.network()
    to_victim = Network(
        network.resolve,
        lambda *_: socket.create_connection(("127.0.0.1", world.victim_port), 2),
        network.tls,
    )

    with pytest.raises(Unavailable):
        download.look_at(remote_url.parse(f"{HOST}/f"), to_victim)

    assert not any(b"GET" in hit for hit in world.victim_hits)


def test_a_secret_goes_to_its_own_host_and_to_no_other(world: Internet) -> None:
    world.answers["/f"] = redirect("https://cdn.example.net/g")
    world.answers["/g"] = answer(body=b"content")

    found = fetch(world, f"{HOST}/f", Secret("models.example.com", "hf_secret"))

    told = {one.host: one.headers.get("authorization") for one in world.asked}
    assert found == b"content"
    assert told == {"models.example.com": "Bearer hf_secret", "cdn.example.net": None}
    assert "hf_secret" not in repr(Secret("h", "hf_secret"))


def test_a_redirect_that_is_allowed_is_followed_and_begun_anew_for_each_part(
    world: Internet,
) -> None:
    world.answers["/f"] = redirect("https://cdn.example.net/g?signature=1")
    world.answers["/g?signature=1"] = answer(body=b"content")

    assert fetch(world, f"{HOST}/f") == b"content"
    assert [one.host for one in world.asked] == ["models.example.com", "cdn.example.net"] * 2


def content_of(size: int) -> bytes:
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def in_ranges(content: bytes, cuts: list[int], etag: str = '"one"'):
    """Answer as a server with ranges does; the answer breaks off as often as there are cuts."""

    def run(asked: Asked, sock: socket.socket) -> None:
        span = asked.headers.get("range", "").removeprefix("bytes=")
        first, _, last = span.partition("-")
        begin, end = int(first or 0), min(int(last or len(content)), len(content) - 1)
        told = {"ETag": etag, "Content_Range": f"bytes {begin}-{end}/{len(content)}"}
        whole = not span or asked.headers.get("if-range", etag) != etag
        if whole:
            begin, end = 0, len(content) - 1
        cut = cuts.pop(0) if cuts and not last else None
        status = 200 if whole else 206
        answer(status, content[begin : end + 1], cut, **told if not whole else {"ETag": etag})(
            asked, sock
        )

    return run


def test_a_download_goes_on_behind_the_last_byte_that_came(world: Internet) -> None:
    content = content_of(300_000)
    world.answers["/f"] = in_ranges(content, [100_000, 0, 50_000])
    network = world.network()
    file = download.look_at(remote_url.parse(f"{HOST}/f"), network)

    got = list(download.parts(file, network, 65_536))

    assert (file.size, file.resumable, file.etag) == (300_000, True, '"one"')
    assert file.start == content[:1024]
    assert [len(part) for part in got] == [65_536] * 4 + [300_000 - 4 * 65_536]
    assert b"".join(got) == content


def test_a_download_begins_at_any_byte(world: Internet) -> None:
    content = content_of(10_000)
    world.answers["/f"] = in_ranges(content, [])
    network = world.network()
    file = download.look_at(remote_url.parse(f"{HOST}/f"), network)

    assert b"".join(download.parts(file, network, 4096, first=5000)) == content[5000:]
    assert download.span(file, network, 8, 19) == content[8:20]


@pytest.mark.parametrize("filler", [10, 600_000])
def test_the_header_of_a_remote_model_is_read_without_the_model(
    world: Internet, filler: int
) -> None:
    text = json.dumps(
        {
            "__metadata__": {"filler": "x" * filler},
            "w": {"dtype": "F16", "shape": [MIB], "data_offsets": [0, 2 * MIB]},
        }
    ).encode()
    content = len(text).to_bytes(8, "little") + text + bytes(2 * MIB)
    world.answers["/f"] = in_ranges(content, [])
    network = world.network()
    file = download.look_at(remote_url.parse(f"{HOST}/f"), network)

    header = download.header_of(file, network)

    assert header.tensors["w"].shape == (MIB,)
    assert len(world.asked) == (2 if filler < 600_000 else 3)
    assert "bytes=0-524287" in world.asked[1].headers["range"]


def test_a_download_that_never_gets_further_is_given_up(world: Internet) -> None:
    world.answers["/f"] = in_ranges(content_of(10_000), [5000, 0, 0, 0, 0, 0])
    network = world.network()
    file = download.look_at(remote_url.parse(f"{HOST}/f"), network)

    with pytest.raises(Unavailable):
        list(download.parts(file, network, 4096))


def test_a_file_that_changes_on_the_way_is_told(world: Internet) -> None:
    content = content_of(10_000)
    world.answers["/f"] = in_ranges(content, [5000])
    network = world.network()
    file = download.look_at(remote_url.parse(f"{HOST}/f"), network)
    pieces = download.parts(file, network, 1000)
    next(pieces)
    world.answers["/f"] = in_ranges(content_of(10_000), [], etag='"two"')

    with pytest.raises(Unprocessable) as caught:
        list(pieces)

    assert caught.value.code == "url_changed"


def test_a_body_longer_than_was_told_is_not_taken(world: Internet) -> None:
    world.answers["/f"] = in_ranges(content_of(1000), [])
    network = world.network()
    file = download.look_at(remote_url.parse(f"{HOST}/f"), network)
    world.answers["/f"] = in_ranges(content_of(2000), [])

    with pytest.raises(Unprocessable, match="changed"):
        list(download.parts(file, network, 100))


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (answer(401), "url_needs_secret"),
        (answer(403), "url_needs_secret"),
        (answer(404), "url_not_found"),
        (answer(418), "url_not_found"),
        (answer(429), "url_unavailable"),
        (answer(503), "url_unavailable"),
        (answer(200, b"<html>", Content_Type="text/html; charset=utf-8"), "url_is_a_page"),
        (answer(200, b"x", Content_Encoding="gzip"), "url_refused"),
        (answer(200, bytes(2000), Content_Length=str(51 * 1024**3)), "url_too_large"),
        (answer(302), "url_refused"),
    ],
)
def test_what_a_server_answers_instead_of_a_file_is_told(
    world: Internet, script, code: str
) -> None:
    world.answers["/f"] = script

    assert refusal_of(world, f"{HOST}/f").code == code


def endless_headers(_: Asked, sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    with contextlib.suppress(OSError):
        for number in range(10_000_000):
            sock.sendall(f"X-{number}: {'x' * 1000}\r\n".encode())


def one_endless_line(_: Asked, sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _number in range(100_000):
            sock.sendall(b"x" * 10_000)


def dripping(_: Asked, sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000:
            sock.sendall(bytes([byte]))
            time.sleep(0.05)


def silent(_: Asked, sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.recv(1)


@pytest.mark.parametrize("script", [endless_headers, one_endless_line, dripping, silent])
def test_a_server_that_never_comes_to_the_point_is_left_soon(world: Internet, script) -> None:
    world.answers["/f"] = script
    began = time.monotonic()

    with pytest.raises(Unavailable):
        download.look_at(remote_url.parse(f"{HOST}/f"), world.network(header_seconds=0.5))

    assert time.monotonic() - began < 3


def test_a_header_that_drips_is_not_waited_for(world: Internet) -> None:
    def drips(_: Asked, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
            for _number in range(100):
                sock.sendall(b"x")
                time.sleep(0.05)

    world.answers["/f"] = drips
    began = time.monotonic()

    with pytest.raises(Unavailable):
        download.look_at(remote_url.parse(f"{HOST}/f"), world.network(look_seconds=0.5))

    assert time.monotonic() - began < 3


def test_a_download_holds_a_part_and_not_the_file_in_memory(world: Internet) -> None:
    piece = bytes(MIB)

    def large(_: Asked, sock: socket.socket) -> None:
        sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {400 * MIB}\r\n\r\n".encode())
        for _number in range(400):
            sock.sendall(piece)

    world.answers["/f"] = large
    network = world.network()
    file = download.look_at(remote_url.parse(f"{HOST}/f"), network)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert sum(len(part) for part in download.parts(file, network, 16 * MIB)) == 400 * MIB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 * 1024


LINKS = {
    "https://huggingface.co/a/b/blob/main/sub/x.safetensors": (
        "https://huggingface.co/a/b/resolve/main/sub/x.safetensors?download=true"
    ),
    "https://huggingface.co/a/b/resolve/main/x.safetensors": (
        "https://huggingface.co/a/b/resolve/main/x.safetensors?download=true"
    ),
    "https://huggingface.co/a/b/resolve/main/x.safetensors?download=true": (
        "https://huggingface.co/a/b/resolve/main/x.safetensors?download=true"
    ),
    "https://hf.co/a/b/blob/main/a%20b.safetensors#lfs": (
        "https://huggingface.co/a/b/resolve/main/a%20b.safetensors?download=true"
    ),
    "https://civitai.com/models/4384/dreamshaper?modelVersionId=128713": (
        "https://civitai.com/api/download/models/128713"
    ),
    "https://civitai.com/models/4384?modelVersionId=128713": (
        "https://civitai.com/api/download/models/128713"
    ),
    "https://civitai.com/api/download/models/128713?type=Model&format=SafeTensor&token=abc": (
        "https://civitai.com/api/download/models/128713?type=Model&format=SafeTensor"
    ),
    "https://civitai.com/model-versions/128713": "https://civitai.com/api/download/models/128713",
    "https://models.example.com/ü/x.safetensors?a=b": (
        "https://models.example.com/%C3%BC/x.safetensors?a=b"
    ),
}


@pytest.mark.parametrize(("link", "expected"), LINKS.items())
def test_links_from_the_browser_become_downloads(link: str, expected: str) -> None:
    assert str(remote_url.download_of(link)) == expected


@pytest.mark.parametrize(
    "link",
    [
        "https://huggingface.co/a/b",
        "https://huggingface.co/a/b/tree/main",
        "https://civitai.com/models/4384/dreamshaper",
        "https://civitai.com/models/4384?modelVersionId=x",
        "https://civitai.com/user/somebody",
    ],
)
def test_a_page_that_names_no_single_file_is_told(link: str) -> None:
    with pytest.raises(Unprocessable, match="copy the link") as caught:
        remote_url.download_of(link)

    assert caught.value.code == "url_refused"
    assert "token" not in remote_url.parse("https://a.example.com/f?token=abc").shown


def test_a_resolver_that_has_no_answer_for_now_is_told_as_unavailable(world: Internet) -> None:
    def away(_: str) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    with pytest.raises(Unavailable):
        download.look_at(remote_url.parse(f"{HOST}/f"), Network(away))
