"""A headless Chromium from npm, asked over its DevTools protocol; it needs neither root nor a driver.

The package holds the program and the few libraries that a bare Linux lacks, all packed by Brotli,
which Node.js unpacks: https://github.com/Sparticuz/chromium
"""

import json
import os
import platform
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.pinned import Package

PACKAGE = Package(
    name="@sparticuz/chromium",
    version="143.0.4",
    sha512="/6I7uQTRhRDD2/gGPQ1Gkf+Dqk0RYDACPJDZfSzz0OWk4JmUTonNHPXbrn6UIklOHlnDLf8xAAzkOZKB/cJpLA==",
    folder="chromium",
)
IS_MADE_FOR_THIS = (sys.platform, platform.machine()) == ("linux", "x86_64")
_UNPACK = """
const [source, target] = process.argv.slice(1);
const fs = require("fs");
fs.writeFileSync(target, require("zlib").brotliDecompressSync(fs.readFileSync(source)));
"""
# What a machine without a display, a graphics card and a sandbox of its own needs. The pages that
# are opened are our own.
_OPTIONS = [
    *("--headless", "--remote-debugging-pipe", "--no-sandbox", "--no-zygote", "--single-process"),
    *("--in-process-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
]


def installed(build: Path) -> Path:
    """Return the program, unpacked when that was not done yet."""
    packed = PACKAGE.installed(build) / "bin"
    program = packed / "chromium"
    if not program.exists():
        for name in ("al2023.tar", "swiftshader.tar", "chromium"):
            draft = packed / f"{name}.new"
            _node(packed / f"{name}.br", draft)
            if name.endswith(".tar"):
                subprocess.run(["tar", "-xf", str(draft), "-C", str(packed)], check=True)
        draft.chmod(0o755)
        draft.rename(program)
    return program


def _node(source: Path, target: Path) -> None:
    subprocess.run(["node", "-e", _UNPACK, str(source), str(target)], check=True)


@dataclass
class Browser:
    """One page of a running browser, and what it told meanwhile."""

    _to: int
    _from: int
    _rest: bytes = b""
    _session: str = ""
    _number: int = 0
    told: deque[dict[str, Any]] = field(default_factory=deque)

    def ask(self, method: str, **params: Any) -> Any:
        """Send a command and return its result; what is told before it is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.told.append(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def begin(self) -> None:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Open a page and wait until all of it was loaded."""
        self.told.clear()
        self.ask("Page.navigate", url=url)
        while not any(one.get("method") == "Page.loadEventFired" for one in self.told):
            self.told.append(self._read())

    def run(self, expression: str) -> Any:
        """Return what JavaScript in the page comes to, after a promise of it."""
        done = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, text: str) -> None:
        """Type characters, as a keyboard would."""
        for one in text:
            self.ask("Input.dispatchKeyEvent", type="keyDown", key=one, text=one)
            self.ask("Input.dispatchKeyEvent", type="keyUp", key=one)

    @property
    def asked(self) -> list[str]:
        """The addresses that the page asked for."""
        requests = [one for one in self.told if one.get("method") == "Network.requestWillBeSent"]
        return [one["params"]["request"]["url"] for one in requests]

    @property
    def complaints(self) -> list[str]:
        """What the browser logged of the page: refused by its policy, broken, missing."""
        entries = [one for one in self.told if one.get("method") == "Log.entryAdded"]
        thrown = [one for one in self.told if one.get("method") == "Runtime.exceptionThrown"]
        return [one["params"]["entry"]["text"] for one in entries] + [str(one) for one in thrown]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._from, 65536)
            if not more:
                raise EOFError("the browser has ended")
            self._rest += more
        first, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message


@contextmanager
def browser(program: Path, profile: Path) -> Iterator[Browser]:
    """A browser with one empty page, which ends with the block."""
    command_in, command_out = os.pipe()
    answer_in, answer_out = os.pipe()

    def lay_pipes() -> None:
        # The protocol has its pipes at 3 and 4, which these may be themselves.
        os.dup2(command_in, 63), os.dup2(answer_out, 64)
        os.dup2(63, 3), os.dup2(64, 4)

    libraries = {"LD_LIBRARY_PATH": str(program.parent / "lib")}
    with subprocess.Popen(
        [str(program), *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        env=os.environ | libraries | {"HOME": str(profile)},
        preexec_fn=lay_pipes,  # noqa: PLW1509, no thread runs yet
        close_fds=False,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(command_in), os.close(answer_out)
        made = Browser(command_out, answer_in)
        try:
            made.begin()
            yield made
        finally:
            process.kill()
            os.close(command_out), os.close(answer_in)
