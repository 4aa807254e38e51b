"""The page of the contract in a browser: whole, silent, readable, and usable without its script."""

import http.server
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
from chromium import Browser

from contract.reading import read_yaml
from published import publish

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = read_yaml(ROOT / "openapi.yaml")
OPERATIONS = [
    operation["operationId"]
    for part in (DOCUMENT["paths"], DOCUMENT["webhooks"])
    for operations in part.values()
    for operation in operations.values()
]
pytestmark = pytest.mark.skipif(
    not chromium.IS_MADE_FOR_THIS, reason="the browser is made for Linux on x86-64"
)
# Of everything with words of its own: how far its colour is from the one behind it, by WCAG 2.
CONTRASTS = """
(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = parts(text).slice(0, 3).map((one) => one / 255)
      .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (parts(color)[3] !== 0) return color;
    }
    return getComputedStyle(document.documentElement).backgroundColor;
  };
  const found = new Map();
  for (const node of document.querySelectorAll("body *:not(script)")) {
    if (![...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim())) continue;
    const [text, back] = [getComputedStyle(node).color, behind(node)];
    const [high, low] = [light(text), light(back)].sort((a, b) => b - a);
    found.set(`${text} on ${back}`, (high + 0.05) / (low + 0.05));
  }
  return Object.fromEntries(found);
})()
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page as it is sent, with its headers."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "openapi.yaml").write_text((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    published = publish(folder)
    headers = json.loads((published / "headers.json").read_text(encoding="utf-8"))["docs.html"]
    body = (published / "docs.html").read_bytes()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/docs"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = chromium.installed(ROOT / "build")
    with chromium.browser(program, tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Browser:
    """The page, opened once for all: each test leaves it as it was."""
    browser.open(url)
    return browser


def test_it_asks_for_nothing_else_and_nothing_is_refused_or_broken(page: Browser, url: str) -> None:
    page.open(url)

    assert [one for one in page.asked if not one.startswith("data:")] == [url]
    assert page.complaints == []


def test_its_policy_lets_no_other_script_run(page: Browser) -> None:
    page.run(
        "document.head.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.other = 1'}))"
    )

    assert page.run("window.other") is None


def test_every_link_leads_to_one_place_and_every_operation_has_one(page: Browser) -> None:
    ids = page.run("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    links = page.run("[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.hash.slice(1))")

    assert len(ids) == len(set(ids))
    assert set(links) <= set(ids)
    assert set(OPERATIONS) <= set(links)


def test_headings_go_down_one_step_at_a_time_and_tables_have_heads(page: Browser) -> None:
    levels = page.run(
        "[...document.querySelectorAll('main :is(h1, h2, h3, h4)')].map((one) => +one.tagName[1])"
    )

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert [pair for pair in itertools.pairwise(levels) if pair[1] > pair[0] + 1] == []
    assert page.run("document.querySelectorAll('table:not(:has(th[scope=col]))').length") == 0


def test_the_filter_is_reached_by_a_key_and_leaves_what_fits(page: Browser) -> None:
    shown = (
        "[...document.querySelectorAll('nav li')].filter((one) => one.checkVisibility())"
        ".map((one) => one.firstChild.hash)"
    )
    all_of_them = page.run(shown)
    page.press("/")
    page.press("webhook rot")

    assert page.run(shown) == ["#rotateWebhookSecret"]
    page.run("Object.assign(document.activeElement, {value: ''}).dispatchEvent(new Event('input'))")
    assert page.run(shown) == all_of_them


def test_a_link_shows_its_operation(page: Browser) -> None:
    page.run("document.querySelector('nav a[href=\"#createTraining\"]').click()")

    place = "document.getElementById('createTraining').getBoundingClientRect().top"
    assert 0 <= page.run(f"new Promise(requestAnimationFrame).then(() => {place})") < 200


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(page: Browser, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    page.ask("Emulation.setDeviceMetricsOverride", **size)

    assert page.run("document.documentElement.scrollWidth") <= width
    page.ask("Emulation.clearDeviceMetricsOverride")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_against_what_is_behind_it(page: Browser, scheme: str) -> None:
    wanted = [{"name": "prefers-color-scheme", "value": scheme}]
    page.ask("Emulation.setEmulatedMedia", features=wanted)
    # As each entry looks that stands for what is being read.
    page.run("document.querySelectorAll('nav li a').forEach((a) => a.classList.add('here'))")

    found = page.run(CONTRASTS)
    assert len(found) > 3
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


def test_without_script_the_page_is_whole(browser: Browser, url: str) -> None:
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(url)
    browser.ask("Emulation.setScriptExecutionDisabled", value=False)

    assert browser.run("document.querySelectorAll('article.operation').length") == len(OPERATIONS)
    assert browser.run("document.querySelectorAll('main [hidden]').length") == 0
    assert browser.run("document.querySelector('nav li a.here')") is None
