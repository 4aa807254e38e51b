"""Brings a work tree of sd-scripts from a git URL, a git directory or a plain folder."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from local.kohya import git_tree
from local.kohya.settings import COMMIT, KohyaError

Say = Callable[[str], None]

MARK = ".lorastack"
NEEDED = ("train_network.py", "sdxl_train_network.py", "library/train_util.py", "networks/lora.py")
NOT_COPIED = (".git", "venv", ".venv", "__pycache__", "*.safetensors", "*.ckpt", "*.pt")
URL = re.compile(r"^([a-z][a-z0-9+.-]*://|[^/\s]+@[^/\s]+:)", re.IGNORECASE)


class Kind(Enum):
    """How a source is read."""

    URL = "git URL"
    GIT_DIR = "git directory"
    FOLDER = "plain folder"


@dataclass(frozen=True)
class Source:
    """A place that sd-scripts come from; `place` is a URL or an absolute path."""

    kind: Kind
    place: str

    @property
    def mark(self) -> str:
        """What a finished work tree of this source says of itself."""
        return f"copy of {self.place}" if self.kind is Kind.FOLDER else COMMIT


def recognise(text: str) -> Source:
    """Tells what KOHYA_SOURCE names; a clone counts as its git directory.

    Raises KohyaError when it is no URL and no folder that could hold sd-scripts.
    """
    if URL.match(text):
        return Source(Kind.URL, text)
    folder = Path(text).expanduser().resolve()
    for git_dir in (folder, folder / ".git"):
        if _is_git_dir(git_dir):
            return Source(Kind.GIT_DIR, str(git_dir))
    if (folder / NEEDED[0]).is_file():
        return Source(Kind.FOLDER, str(folder))
    raise KohyaError(
        f"KOHYA_SOURCE={text} is no git URL, no git directory and no folder with {NEEDED[0]}; "
        "unset it to fetch sd-scripts from GitHub."
    )


def _is_git_dir(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()


def bring(source: Source, folder: Path, say: Say) -> None:
    """Makes the folder a complete work tree of the source, if it is not one already.

    The tree is written beside the folder and renamed, so an interrupted run leaves nothing half
    done. Raises KohyaError when the source cannot be reached or lacks the pinned commit.
    """
    if is_there(source, folder):
        return
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _WRITERS[source.kind](source.place, partial, say)
    _require_scripts(partial, source)
    (partial / MARK).write_text(source.mark, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def is_there(source: Source, folder: Path) -> bool:
    """Whether the folder is a finished work tree of this source."""
    mark = folder / MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == source.mark


def _require_scripts(folder: Path, source: Source) -> None:
    lacking = [name for name in NEEDED if not (folder / name).is_file()]
    if lacking:
        raise KohyaError(
            f"{source.place} lacks {', '.join(lacking)}; set KOHYA_SOURCE to a complete copy."
        )


def _fetch(url: str, folder: Path, say: Say) -> None:
    """Fetches exactly the pinned commit, without its history."""
    _require_git()
    say(f"fetching sd-scripts {COMMIT[:8]} from {url}")
    steps = (
        ("init", "--quiet"),
        ("fetch", "--progress", "--depth", "1", url, COMMIT),
        ("-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", COMMIT),
    )
    for step in steps:
        command = ["git", "-C", str(folder), *step]
        if subprocess.run(command, check=False, env=git_tree.environment()).returncode:
            raise KohyaError(
                f"git could not fetch commit {COMMIT[:8]} from {url} (its own words are above); "
                "check the network, or set KOHYA_SOURCE to a mirror or a local copy."
            )


def _write_out(git_dir: str, folder: Path, say: Say) -> None:
    _require_git()
    if not git_tree.holds_commit(Path(git_dir), COMMIT):
        raise KohyaError(
            f"{git_dir} does not hold commit {COMMIT}; fetch it there first, or set KOHYA_SOURCE "
            "to another copy."
        )
    written = git_tree.write_tree(Path(git_dir), COMMIT, folder)
    say(f"wrote {written.files} files of commit {COMMIT[:8]} from {git_dir}")
    for path in written.absent:
        say(f"left out {path}: its object is absent there")
    _pretend_repository(folder, head=COMMIT)


def _copy(place: str, folder: Path, say: Say) -> None:
    say(f"copying {place} as it is; which commit it holds is not known")
    ignore = shutil.ignore_patterns(*NOT_COPIED)
    shutil.copytree(place, folder, ignore=ignore, symlinks=True, dirs_exist_ok=True)
    _pretend_repository(folder, head="ref: refs/heads/unknown")


def _pretend_repository(folder: Path, head: str) -> None:
    """Leaves a git directory without objects, which answers `git rev-parse HEAD`.

    sd-scripts asks that for the LoRA's `ss_sd_scripts_commit_hash`; without an answer of its own
    it would write the commit of the repository around it, ours.
    """
    for name in ("objects", "refs"):
        (folder / ".git" / name).mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text(head + "\n", encoding="ascii")


def _require_git() -> None:
    if shutil.which("git") is None:
        raise KohyaError(
            "git is needed to bring sd-scripts and was not found; install it "
            "(for example `apt-get install git`) and run this again."
        )


_WRITERS: dict[Kind, Callable[[str, Path, Say], None]] = {
    Kind.URL: _fetch,
    Kind.GIT_DIR: _write_out,
    Kind.FOLDER: _copy,
}
