"""Writes the files of one commit out of a git directory whose largest objects may be absent."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SYMLINK = "120000"
EXECUTABLE = "100755"

# A partial clone would otherwise try to fetch what is absent, one object at a time.
GIT_ENVIRONMENT = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}


@dataclass(frozen=True)
class Entry:
    """One file of a commit."""

    mode: str
    object_id: str
    path: str


@dataclass(frozen=True)
class Written:
    """How many files were written, and which were not because their object is absent."""

    files: int
    absent: tuple[str, ...]


def git(git_dir: Path, *arguments: str) -> list[str]:
    """The command line of a git command on a git directory."""
    return ["git", f"--git-dir={git_dir}", *arguments]


def environment() -> dict[str, str]:
    """This process's environment with git kept from asking and from fetching."""
    return {**os.environ, **GIT_ENVIRONMENT}


def holds_commit(git_dir: Path, commit: str) -> bool:
    """Whether the commit itself is there; its files may still be absent."""
    command = git(git_dir, "cat-file", "-e", f"{commit}^{{commit}}")
    answer = subprocess.run(command, check=False, capture_output=True, env=environment())
    return answer.returncode == 0


def entries(git_dir: Path, commit: str) -> list[Entry]:
    """Every file of the commit; submodules are left out."""
    command = git(git_dir, "ls-tree", "-r", "-z", commit)
    listing = subprocess.run(command, capture_output=True, check=True, env=environment()).stdout
    return [entry for line in listing.split(b"\0") if line and (entry := _entry(line))]


def _entry(line: bytes) -> Entry | None:
    meta, path = line.split(b"\t", 1)
    mode, kind, object_id = meta.decode().split()
    return Entry(mode, object_id, os.fsdecode(path)) if kind == "blob" else None


def write_tree(git_dir: Path, commit: str, folder: Path) -> Written:
    """Writes the commit's files into the folder, skipping those whose object is absent.

    `git clone` and `git archive` stop at the first absent object.
    """
    files, absent = 0, []
    with _object_reader(git_dir) as (requests, answers):
        for entry in entries(git_dir, commit):
            content = _read_object(requests, answers, entry.object_id)
            if content is None:
                absent.append(entry.path)
                continue
            _write(folder / entry.path, entry.mode, content)
            files += 1
    return Written(files, tuple(absent))


@contextmanager
def _object_reader(git_dir: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    pipe = subprocess.PIPE
    command = git(git_dir, "cat-file", "--batch")
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin, process.stdout


def _read_object(requests: IO[bytes], answers: IO[bytes], object_id: str) -> bytes | None:
    requests.write(object_id.encode() + b"\n")
    requests.flush()
    header = answers.readline().split()
    if header[-1] == b"missing":
        return None
    content = answers.read(int(header[2]))
    answers.read(1)  # the newline after each object
    return content


def _write(path: Path, mode: str, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == SYMLINK:
        path.symlink_to(os.fsdecode(content))
        return
    path.write_bytes(content)
    if mode == EXECUTABLE:
        path.chmod(0o755)
