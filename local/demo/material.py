"""What the demo trains on when nothing is given: drawn images and a small base model."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

IMAGES = 20
PREFIX = "10_tusiji"
_SIDE = 512
_COLOURS = ("crimson", "teal", "goldenrod", "slateblue", "seagreen")
_MOODS = ("smiling", "asleep", "surprised", "winking")


def draw_dataset(folder: Path) -> Path:
    """Draw captioned PNG images of a rabbit into `folder/10_tusiji`; return that folder."""
    target = folder / PREFIX
    target.mkdir(parents=True, exist_ok=True)
    for index in range(IMAGES):
        colour, mood = _COLOURS[index % len(_COLOURS)], _MOODS[index % len(_MOODS)]
        _rabbit(colour, mood, index).save(target / f"tusiji-{index:02d}.png")
        caption = f"tusiji, a {mood} rabbit, {colour} background, flat drawing\n"
        (target / f"tusiji-{index:02d}.txt").write_text(caption)
    return target


def _rabbit(colour: str, mood: str, index: int) -> Image.Image:
    image = Image.new("RGB", (_SIDE, _SIDE), colour)
    draw = ImageDraw.Draw(image)
    lean = 12 * (index % 5) - 24
    for x in (176, 276):
        draw.ellipse((x + lean, 40, x + 60 + lean, 260), "white", "black", 6)
    draw.ellipse((136, 200, 376, 440), "white", "black", 6)
    closed = {"asleep": (True, True), "winking": (False, True)}.get(mood, (False, False))
    for x, shut in zip((206, 286), closed, strict=True):
        if shut:
            draw.line((x, 300, x + 24, 300), "black", 6)
        else:
            draw.ellipse((x, 288, x + 24, 312), "black")
    if mood == "surprised":
        draw.ellipse((241, 350, 271, 385), "black")
    else:
        draw.arc((221, 330, 291, 380), 20, 160, "black", 6)
    return image


def write_small_model(path: Path) -> Path:
    """Write a small base model: tensors of SD 1.5 by their true names and shapes, a few of them.

    Random numbers in fp16, 26 MB, the same each time.
    """
    shapes = dict(_sd_1_5_shapes())
    header: dict[str, dict[str, object]] = {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    numbers = np.random.default_rng(1).standard_normal(end // 2, dtype=np.float32) * 0.02
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.write(numbers.astype(np.float16).tobytes())
    return path


def _sd_1_5_shapes() -> Iterator[tuple[str, list[int]]]:
    unet = "model.diffusion_model"
    yield f"{unet}.input_blocks.0.0.weight", [320, 4, 3, 3]
    yield f"{unet}.input_blocks.0.0.bias", [320]
    blocks = {"input_blocks.1": 320, "input_blocks.2": 320, "input_blocks.4": 640}
    for block, width in blocks.items():
        yield from _attention(f"{unet}.{block}.1.transformer_blocks.0", width)
    yield f"{unet}.out.2.weight", [4, 320, 3, 3]
    yield "first_stage_model.decoder.conv_in.weight", [512, 4, 3, 3]
    text = "cond_stage_model.transformer.text_model"
    yield f"{text}.embeddings.position_embedding.weight", [77, 768]
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        yield f"{text}.encoder.layers.0.self_attn.{name}.weight", [768, 768]
    yield f"{text}.encoder.layers.0.mlp.fc1.weight", [3072, 768]
    yield f"{text}.encoder.layers.0.mlp.fc2.weight", [768, 3072]


def _attention(block: str, width: int) -> Iterator[tuple[str, list[int]]]:
    for name, text_width in (("attn1", width), ("attn2", 768)):
        yield f"{block}.{name}.to_q.weight", [width, width]
        yield f"{block}.{name}.to_k.weight", [width, text_width]
        yield f"{block}.{name}.to_v.weight", [width, text_width]
        yield f"{block}.{name}.to_out.0.weight", [width, width]
