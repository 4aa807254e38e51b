"""The linter of the contract is the one that is pinned, or none."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from contract import pinned
from contract.lint import REDOCLY


def gives(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Let npm give a package of one file."""
    program = folder / "cli.js"
    program.write_bytes(content)

    def pack(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        target = Path(command[command.index("--pack-destination") + 1]) / "cli.tgz"
        with tarfile.open(target, "w:gz") as archive:
            archive.add(program, "package/bin/cli.js")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(pinned.subprocess, "run", pack)


def test_another_package_than_the_one_known_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gives(tmp_path, monkeypatch, b"anything")

    with pytest.raises(pinned.PackageMissing, match="another file"):
        REDOCLY.installed(tmp_path / "build")

    assert list((tmp_path / "build").iterdir()) == []


def test_without_npm_it_says_where_npm_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(pinned.PackageMissing, match=r"comes with Node\.js"):
        REDOCLY.installed(tmp_path / "build")


def test_what_was_downloaded_once_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"redocly-{REDOCLY.version}").mkdir()
    monkeypatch.setenv("PATH", "")

    assert REDOCLY.installed(tmp_path) == tmp_path / f"redocly-{REDOCLY.version}"
