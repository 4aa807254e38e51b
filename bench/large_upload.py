"""A large model uploaded in parts with the connection cut twice: `python -m bench.large_upload`.

Runs the local stack, uploads a safetensors of as many bytes as the first argument says (7 GB),
cuts the connection in the middle of a part twice and asks each time what is missing, completes, and
says what that took of time and memory, and what the inspection read. With `right` or `wrong` behind
the size it gives a SHA-256 that is the file's or is not, and waits until the worker has checked it.
"""

import hashlib
import http.client
import json
import shutil
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.demo import engine
from local.demo.client import Api, wait_for

FOLDER = engine.ROOT / ".lorastack" / "bench-upload"
UNET = "model.diffusion_model."
NEEDED = {
    f"{UNET}input_blocks.0.0.weight": [320, 4, 3, 3],
    f"{UNET}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [640, 2048],
    "conditioner.embedders.1.model.ln_final.weight": [1280],
    "first_stage_model.decoder.conv_in.weight": [512, 4, 3, 3],
}
LAYERS = 2500  # about as many tensors as SDXL has
CUTS = 2


class ConnectionCut(Exception):
    """The connection broke off, as was meant."""


@dataclass(frozen=True)
class Process:
    """A process of the local stack."""

    pid: int
    command: str

    def peak_mib(self) -> float:
        """Return the most memory that it ever held."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = (one for one in status.splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def bytes_read(self) -> int:
        """Return how many bytes it has read from files, from the cache or not."""
        first = Path(f"/proc/{self.pid}/io").read_text().splitlines()[0]
        return int(first.split()[1])


def main() -> None:
    """Upload, cut, go on, complete, and print the figures."""
    size = int(float(sys.argv[1])) if len(sys.argv) > 1 else 7_000_000_000
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    try:
        file = _sparse_model(FOLDER / "large.safetensors", size)
        with engine.local_stack(FOLDER / "state", engine.environment("rehearsal"), 1) as endpoints:
            _measure(Api(endpoints["url"], endpoints["token"]), file, _digest_to_tell(file))
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


def _digest_to_tell(file: Path) -> dict[str, str]:
    told = sys.argv[2] if len(sys.argv) > 2 else None
    if told != "right":
        return {"sha256": "0" * 64} if told == "wrong" else {}
    with file.open("rb") as source:
        return {"sha256": hashlib.file_digest(source, "sha256").hexdigest()}


def _measure(api: Api, file: Path, told: dict[str, str]) -> None:
    size = file.stat().st_size
    wanted = {"name": "large", "file_name": file.name, "size": size, **told}
    began = time.perf_counter()
    made = api.post("/models", wanted)
    model_id, part_count = made["model"]["id"], made["part_count"]
    print(f"{size / 1e9:.2f} GB in {part_count} parts of {made['part_size'] / 2**20:.0f} MiB")
    for cut in range(1, CUTS + 1):
        _upload_missing(api, model_id, file, stop_after=part_count * cut // (CUTS + 1))
    _upload_missing(api, model_id, file)
    uploaded = time.perf_counter()
    processes = _processes()
    (s3,) = (one for one in processes if "local.s3" in one.command)
    before = s3.bytes_read()
    model = api.post(f"/models/{model_id}/complete", {})
    completed = time.perf_counter()
    read = s3.bytes_read() - before
    print(f"uploaded in {uploaded - began:.1f} s, completed in {completed - uploaded:.2f} s")
    facts = {name: model["header"][name] for name in ("family", "tensors", "parameters")}
    print(f"{model['status']}: {model['type']}, {model['fm_type']}, {facts}")
    print(f"S3 read {read / 1e6:.2f} MB from its files while the model was completed")
    if told:
        _wait_for_check(api, model_id, completed)
    for one in sorted(processes, key=Process.peak_mib, reverse=True):
        print(f"{one.peak_mib():7.0f} MiB at most  {one.command[:80]}")


def _wait_for_check(api: Api, model_id: str, since: float) -> None:
    for model in wait_for(api, f"/models/{model_id}", {"ready", "invalid"}, 0.5):
        so_far = model["check"] or model["invalid_reason"] or {"checked": model["sha256_checked"]}
        print(f"  {time.perf_counter() - since:5.1f} s after it: {model['status']}, {so_far}")


def _upload_missing(api: Api, model_id: str, file: Path, stop_after: int | None = None) -> None:
    """Upload what is missing, as a client does that knows nothing of what it did before."""
    state = api.get(f"/models/{model_id}/uploads")
    print(f"  {len(state['arrived'])} parts have arrived, {len(state['missing'])} are missing")
    missing = state["missing"]
    for first in range(0, len(missing), 500):
        asked = {"part_numbers": missing[first : first + 500]}
        for part in api.post(f"/models/{model_id}/uploads", asked)["parts"]:
            last = stop_after == part["part_number"]
            offset = (part["part_number"] - 1) * state["part_size"]
            try:
                _put(part["upload"], _pieces(file, offset, part["size"], cut=last))
            except ConnectionCut:
                print(f"  the connection was cut in the middle of part {part['part_number']}")
                return


def _put(upload: dict[str, Any], pieces: Iterator[bytes]) -> None:
    url = urlsplit(upload["url"])
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
    try:
        connection.request("PUT", f"{url.path}?{url.query}", body=pieces, headers=upload["headers"])
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"S3 answered {answer.status} to a part")
    finally:
        connection.close()


def _pieces(file: Path, offset: int, size: int, *, cut: bool) -> Iterator[bytes]:
    whole = size
    with file.open("rb") as source:
        source.seek(offset)
        while size > 0:
            if cut and size < whole // 2:
                raise ConnectionCut
            piece = source.read(min(size, 2**20))
            size -= len(piece)
            yield piece


def _sparse_model(path: Path, size: int) -> Path:
    """Make an SDXL checkpoint of about `size` bytes whose tensors are holes in the file."""
    numbers = size // 2 // LAYERS
    shapes = NEEDED | {f"{UNET}layer.{layer}.weight": [numbers] for layer in range(LAYERS)}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, count = end, 1
        for side in shape:
            count *= side
        end = begin + 2 * count
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


def _processes() -> list[Process]:
    """Return the processes of the stack, which this one started."""
    ours = (
        folder
        for folder in Path("/proc").iterdir()
        if folder.name.isdecimal() and str(FOLDER) in _text(folder / "environ", folder / "cmdline")
    )
    return [Process(int(folder.name), _text(folder / "cmdline").strip()) for folder in ours]


def _text(*files: Path) -> str:
    try:
        return " ".join(file.read_bytes().replace(b"\0", b" ").decode() for file in files)
    except OSError:
        return ""  # it has ended, or is another's


if __name__ == "__main__":
    main()
