"""Makes a WD14 tagger of random weights: `python -m local.kohya.random_tagger SEED FOLDER`.

Runs in the environment of sd-scripts (`local.kohya.tagger` starts it so). The input is a batch of
448x448 pictures, BGR, height by width by channels, 0 to 255; the output has a certainty for each
row of selected_tags.csv: four ratings, then general tags, then characters.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import onnx  # type: ignore[import-not-found]
from onnx import TensorProto, helper, numpy_helper

SIDE = 448
CELLS = 8
"""The picture is averaged to so many cells each way, and each tag weighs them."""
RATINGS = ("general", "sensitive", "questionable", "explicit")
GENERAL, CHARACTERS = 6947, 2132
"""As many as SmilingWolf/wd-v1-4-convnext-tagger-v2 has."""
SURENESS = -3.8
"""What the sigmoid gets of a grey picture: a colourful one has some fifty tags above 0.35."""


def tag_rows() -> list[tuple[int, str, int, int]]:
    """The rows of selected_tags.csv: id, name, category (9 rating, 0 general, 4 character), count.

    Names have what real ones have: underscores, brackets, a face.
    """
    names = [(name, 9) for name in RATINGS]
    names += [(f"random_tag_{number:04d}", 0) for number in range(GENERAL - 1)]
    names += [("^_^", 0)]
    names += [(f"nobody_{number:04d}_(random)", 4) for number in range(CHARACTERS)]
    return [(number, name, kind, 1000) for number, (name, kind) in enumerate(names)]


def weights(tags: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A weight for each cell, channel and tag, and each tag's bias."""
    inputs = CELLS * CELLS * 3
    weight = generator.standard_normal((inputs, tags)) / np.sqrt(inputs) / 64
    middle = -weight.sum(axis=0) * 127.5
    return weight.astype(np.float32), (middle + SURENESS).astype(np.float32)


def build(tags: int, seed: int) -> onnx.ModelProto:
    """The model: averages, a matrix, a sigmoid."""
    weight, bias = weights(tags, np.random.default_rng(seed))
    cell = SIDE // CELLS
    nodes = [
        helper.make_node("Transpose", ["input"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool",
            ["channels_first"],
            ["cells"],
            kernel_shape=[cell, cell],
            strides=[cell, cell],
        ),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "random-wd14",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", tags])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def main(seed: str, folder: str) -> None:
    """Writes both files."""
    rows = tag_rows()
    model = build(len(rows), int(seed))
    onnx.checker.check_model(model)
    onnx.save(model, Path(folder) / "model.onnx")
    with (Path(folder) / "selected_tags.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("tag_id", "name", "category", "count"), *rows])


if __name__ == "__main__":
    main(*sys.argv[1:])
