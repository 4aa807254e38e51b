"""What the container tests are made of: a tiny base model of true names, images, a job."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, TEXT_WIDTH = 32, 48


def write_safetensors(path: Path, shapes: dict[str, tuple[int, ...]], metadata=None) -> Path:
    """A whole file of small random fp16 tensors."""
    generator = np.random.default_rng(7)
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    body = b""
    for name, shape in shapes.items():
        data = (generator.standard_normal(shape) * 0.05).astype("<f2").tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": offsets}
        body += data
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def transformer(prefix: str, width: int, context: int, *, linear: bool) -> dict[str, tuple]:
    """The tensors of one transformer of the U-Net, as a checkpoint names them."""
    block = f"{prefix}.transformer_blocks.0"
    ends = (width, width) if linear else (width, width, 1, 1)
    shapes: dict[str, tuple] = {
        f"{prefix}.norm.weight": (width,),
        f"{prefix}.proj_in.weight": ends,
        f"{prefix}.proj_out.weight": ends,
        f"{block}.ff.net.0.proj.weight": (8 * width, width),
        f"{block}.ff.net.2.weight": (width, 4 * width),
        f"{block}.norm1.weight": (width,),
    }
    for attention, inner in (("attn1", width), ("attn2", context)):
        shapes[f"{block}.{attention}.to_q.weight"] = (width, width)
        shapes[f"{block}.{attention}.to_k.weight"] = (width, inner)
        shapes[f"{block}.{attention}.to_v.weight"] = (width, inner)
        shapes[f"{block}.{attention}.to_out.0.weight"] = (width, width)
    return shapes


def sd15_shapes() -> dict[str, tuple]:
    """A stunted SD 1.5 checkpoint."""
    unet = "model.diffusion_model"
    layer = "cond_stage_model.transformer.text_model.encoder.layers.0"
    shapes = {
        f"{unet}.input_blocks.0.0.weight": (WIDTH, 4, 3, 3),
        f"{unet}.output_blocks.5.2.conv.weight": (WIDTH, WIDTH, 3, 3),
        f"{layer}.self_attn.q_proj.weight": (TEXT_WIDTH, TEXT_WIDTH),
        f"{layer}.mlp.fc1.weight": (4 * TEXT_WIDTH, TEXT_WIDTH),
        f"{layer}.layer_norm1.weight": (TEXT_WIDTH,),
    }
    for place in ("input_blocks.1.1", "input_blocks.8.1", "middle_block.1", "output_blocks.5.1"):
        shapes |= transformer(f"{unet}.{place}", WIDTH, TEXT_WIDTH, linear=False)
    return shapes


def sdxl_shapes() -> dict[str, tuple]:
    """A stunted SDXL checkpoint."""
    unet = "model.diffusion_model"
    clip = "conditioner.embedders.0.transformer.text_model.encoder.layers.0"
    open_clip = "conditioner.embedders.1.model.transformer.resblocks.0"
    shapes = {
        f"{unet}.input_blocks.0.0.weight": (WIDTH, 4, 3, 3),
        f"{unet}.label_emb.0.0.weight": (WIDTH, WIDTH),
        f"{clip}.self_attn.out_proj.weight": (TEXT_WIDTH, TEXT_WIDTH),
        f"{open_clip}.attn.in_proj_weight": (3 * WIDTH, WIDTH),
        f"{open_clip}.attn.out_proj.weight": (WIDTH, WIDTH),
        f"{open_clip}.mlp.c_fc.weight": (4 * WIDTH, WIDTH),
    }
    return shapes | transformer(f"{unet}.input_blocks.4.1", WIDTH, TEXT_WIDTH, linear=True)


def png(seed: int) -> bytes:
    """A true 8x8 PNG."""
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def job(**changes: Any) -> dict[str, Any]:
    """A good job.json as the API writes it."""
    return {
        "version": 1,
        "training_id": "trn_01",
        "training_name": "first",
        "workspace": "local",
        "fm_type": "sd_1_5",
        "output_name": "tusiji-style",
        "model": {"channel": "model", "model_id": "mdl_01", "file_name": "base.safetensors"},
        "datasets": [dataset()],
        "config_params": {"max_train_epochs": 3, "network_dim": 4, "learning_rate": 1e-3},
    } | changes


def dataset(**changes: Any) -> dict[str, Any]:
    """The job's dataset, with a folder that is hard on everybody."""
    return {
        "channel": "dataset_00",
        "dataset_id": "ds_01",
        "folder": '10_兔子 "x", y\'s',
        "repeats": 10,
        "subject": "兔子, jade",
        "caption_policy": "required",
    } | changes


def make_base(base: Path, body: dict[str, Any] | None = None, *, images: int = 3) -> Path:
    """An /opt/ml with job, model and captioned images; returns it."""
    body = body or job()
    shapes = sdxl_shapes() if body["fm_type"] == "sd_xl" else sd15_shapes()
    data = base / "input" / "data"
    write_safetensors(data / "model" / "base.safetensors", shapes)
    write_json(data / "config" / "job.json", body)
    for entry in body["datasets"]:
        folder = data / entry["channel"] / entry["folder"]
        folder.mkdir(parents=True)
        for number in range(images):
            (folder / f"图 {number}.png").write_bytes(png(number))
            (folder / f"图 {number}.txt").write_text(f"a jade rabbit, {number}", encoding="utf-8")
    return base


def write_json(path: Path, body: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body), encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def metrics_rows(base: Path) -> list[dict[str, Any]]:
    """All rows, in the order of the segments' names."""
    segments = sorted((base / "checkpoints" / "metrics").iterdir())
    return [json.loads(line) for path in segments for line in path.read_text().splitlines()]
