"""npm packages of an exact version, checked by their SHA-512 and kept under build/.

The network is needed once. None of a package's scripts is run, and nothing that it depends on is
brought: these are packages that stand alone.
"""

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path


class PackageMissing(Exception):
    """A package can't be had; the text says what to do."""


@dataclass(frozen=True)
class Package:
    """A package as it is known: another file of the same name is not taken."""

    name: str
    version: str
    sha512: str
    folder: str

    def installed(self, build: Path) -> Path:
        """Return its folder below another, downloaded when it is not there yet.

        Raises PackageMissing when it can't be downloaded or is not the one that is pinned.
        """
        folder = build / f"{self.folder}-{self.version}"
        if not folder.exists():
            build.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=build) as draft:
                packed = self._packed(Path(draft))
                with tarfile.open(packed) as archive:
                    archive.extractall(Path(draft) / "unpacked", filter="data")
                (Path(draft) / "unpacked" / "package").rename(folder)
        return folder

    def _packed(self, folder: Path) -> Path:
        named = f"{self.name}@{self.version}"
        command = ["npm", "pack", "--silent", "--pack-destination", str(folder), named]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
        except FileNotFoundError as exc:
            raise PackageMissing(
                "npm is missing; it comes with Node.js, which the CDK needs too."
            ) from exc
        except subprocess.CalledProcessError as exc:
            raise PackageMissing(
                f"{self.name} {self.version} could not be downloaded; check the network to the npm "
                f"registry, then run again (npm: {' '.join(exc.stderr.split())})."
            ) from exc
        (packed,) = folder.glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if digest != self.sha512:
            raise PackageMissing(
                f"What npm gave for {self.name} {self.version} is another file than the one known."
            )
        return packed
