"""The main job's steps as a client does them, for the tests of the running stack."""

import functools
import json
import struct
import time
import zlib
from collections.abc import Mapping
from typing import Any

import httpx

SD_1_5 = {
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": [768],
    "first_stage_model.decoder.conv_in.bias": [512],
    "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3],
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [320, 768],
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_v.weight": [320, 768],
}
SD_XL = {
    "conditioner.embedders.1.model.ln_final.weight": [1280],
    "first_stage_model.decoder.conv_in.bias": [512],
    "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3],
    "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [640, 2048],
}
ENDS = {"succeeded", "failed", "canceled"}


def png(width: int, height: int) -> bytes:
    """A whole PNG, all black."""
    rows = zlib.compress(bytes(height * (1 + (width + 7) // 8)))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


PNG = png(64, 64)


def checkpoint(shapes: Mapping[str, list[int]]) -> bytes:
    """A safetensors file of small numbers in F16."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * _product(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\x10\x20" * (end // 2)


def _product(shape: list[int]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product


def put(upload: Mapping[str, Any], content: bytes) -> httpx.Response:
    """Send bytes to a presigned URL with the headers that it asks for."""
    return _sender().put(upload["url"], headers=dict(upload["headers"]), content=content)


@functools.cache
def _sender() -> httpx.Client:
    """One for all uploads: each would read the certificates of the whole world first."""
    return httpx.Client()


def upload_model(api: httpx.Client, name: str, content: bytes) -> httpx.Response:
    """Upload a model's bytes and complete it; the answer of `complete`."""
    request = {"name": name, "file_name": "base.safetensors", "size": len(content)}
    made = api.post("/models", json=request).raise_for_status().json()
    parts, rest = [], content
    for part in made["parts"]:
        sent = put(part["upload"], rest[: part["size"]]).raise_for_status()
        rest = rest[part["size"] :]
        parts.append({"part_number": part["part_number"], "etag": sent.headers["ETag"]})
    return api.post(f"/models/{made['model']['id']}/complete", json={"parts": parts})


def upload_dataset(
    api: httpx.Client, name: str, files: Mapping[str, bytes] | None = None, **more: Any
) -> httpx.Response:
    """Upload a dataset's files, complete it and wait for the check; the dataset as it is then."""
    content = files or {"a.png": PNG, "a.txt": b"a rabbit", "b.png": PNG, "b.txt": b"b rabbit"}
    request = {
        "name": name,
        "prefix": "10_兔斯基",
        "files": [{"name": one, "size": len(data)} for one, data in content.items()],
    }
    made = api.post("/datasets", json=request | more).raise_for_status().json()
    for one in made["uploads"]:
        put(one["upload"], content[one["name"]]).raise_for_status()
    return checked(api, made["dataset"]["id"])


def checked(api: httpx.Client, dataset_id: str, seconds: float = 60) -> httpx.Response:
    """Complete a dataset and wait until it was checked."""
    answer = api.post(f"/datasets/{dataset_id}/complete")
    deadline = time.monotonic() + seconds
    while answer.is_success and answer.json()["status"] == "validating":
        assert time.monotonic() < deadline, f"not checked after {seconds} s"
        time.sleep(0.1)
        answer = api.get(f"/datasets/{dataset_id}")
    return answer


def follow(api: httpx.Client, training_id: str, seconds: float = 60) -> dict[str, Any]:
    """Wait for a training's end and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        training: dict[str, Any] = api.get(f"/trainings/{training_id}").raise_for_status().json()
        if training["status"] in ENDS:
            return training
        time.sleep(0.3)
    raise AssertionError(f"not ended after {seconds} s: {training['status']}")
