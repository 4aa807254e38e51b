"""The zips of the functions: `lambdas/` and what a requirements file names, without Docker.

Two of them: one for all functions that answer requests, which must start quickly, and one for the
asset worker, which decodes images.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_

from problems import DeploymentError
from published import FOLDER, digest_of_published, publish

PYTHON = "3.13"
PLATFORM = "aarch64-manylinux_2_28"  # Lambda's Amazon Linux 2023 has glibc 2.34
SHARED, ASSET_WORKER = "lambdas.txt", "asset_worker.txt"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "tests", "*.pyc", "*.md", ".*")


def function_code(root: Path, requirements: str = SHARED) -> lambda_.Code:
    """The code asset with the packages of a requirements file; a README does not make it anew.

    Raises DeploymentError when the packages can be neither found under build/ nor downloaded.
    """
    # Here already, as jsii would wrap an error that try_bundle raises.
    dependencies(root, requirements)
    return lambda_.Code.from_asset(
        str(root / "lambdas"),
        asset_hash=code_hash(root, requirements),
        asset_hash_type=cdk.AssetHashType.CUSTOM,
        bundling=cdk.BundlingOptions(
            # Never started: CDK asks for an image even where bundling is local.
            image=cdk.DockerImage.from_registry("none"),
            local=LocalBundling(root, requirements),
        ),
    )


def code_hash(root: Path, requirements: str = SHARED) -> str:
    """SHA-256 over what goes into the zip: sources, requirements, Python and platform."""
    digest = hashlib.sha256(dependencies_hash(root, requirements).encode())
    for path in source_files(root / "lambdas"):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    if requirements == SHARED:
        digest.update(digest_of_published(publish(root)))
    return digest.hexdigest()


def dependencies_hash(root: Path, requirements: str = SHARED) -> str:
    """SHA-256 over what decides which packages are installed."""
    pinned = (root / "requirements" / requirements).read_bytes()
    return hashlib.sha256(f"{PYTHON} {PLATFORM}\0".encode() + pinned).hexdigest()


def source_files(folder: Path) -> Iterator[Path]:
    """The files of `lambdas/` that a function needs, in an order that is always the same."""
    for path in sorted(folder.iterdir()):
        if LEFT_OUT(str(folder), [path.name]):
            continue
        if path.is_dir():
            yield from source_files(path)
        else:
            yield path


@jsii.implements(cdk.ILocalBundling)
class LocalBundling:
    """Puts the code together here; packages are downloaded once per requirements file."""

    def __init__(self, root: Path, requirements: str = SHARED) -> None:
        self._root, self._requirements = root, requirements

    def try_bundle(self, output_dir: str, *args: object, **kwargs: object) -> bool:  # noqa: ARG002
        """Fills `output_dir`; CDK calls it unless it has an asset of this hash already."""
        packages = dependencies(self._root, self._requirements)
        shutil.copytree(packages, output_dir, dirs_exist_ok=True)
        lambdas = Path(output_dir) / "lambdas"
        shutil.copytree(self._root / "lambdas", lambdas, ignore=LEFT_OUT)
        if self._requirements == SHARED:
            shutil.copytree(self._root / FOLDER, Path(output_dir) / FOLDER)
        return True


def dependencies(root: Path, requirements: str = SHARED) -> Path:
    """The folder of installed packages under build/, made when it is not there yet."""
    folder = root / "build" / "lambda-packages" / dependencies_hash(root, requirements)[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            packages = Path(draft) / "packages"
            _install(root / "requirements" / requirements, packages)
            _move_unless_there(packages, folder)
    return folder


def _move_unless_there(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        # Another synthesis made the same folder meanwhile.
        if not target.is_dir():
            raise


def _install(requirements: Path, target: Path) -> None:
    command = [
        f"{sys.prefix}/bin/uv", "pip", "install", "--quiet", "--target", str(target),
        "--python", sys.executable, "--python-platform", PLATFORM, "--python-version", PYTHON,
        "--only-binary=:all:", "--require-hashes", "--requirements", str(requirements),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as exc:
        raise DeploymentError(f"{command[0]} is missing; `make clean setup` brings it.") from exc
    except subprocess.CalledProcessError as exc:
        said = " ".join(exc.stderr.split())
        raise DeploymentError(
            f"The packages of requirements/{requirements.name} could not be installed for the "
            f"functions; check the network to the package index, then run again (uv: {said})."
        ) from exc
    for unwanted in (target / ".lock", target / "bin"):
        shutil.rmtree(unwanted) if unwanted.is_dir() else unwanted.unlink(missing_ok=True)
