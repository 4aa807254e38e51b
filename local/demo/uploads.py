"""Bringing a base model and a folder of images into the service."""

from pathlib import Path
from typing import Any

from local.demo.client import Api
from local.demo.screen import Screen


def upload_model(api: Api, path: Path, screen: Screen) -> dict[str, Any]:
    """Upload a base model in parts and complete it; return the model."""
    size = path.stat().st_size
    made = api.post("/models", {"name": "base", "file_name": path.name, "size": size})
    model_id, offset, parts = made["model"]["id"], 0, []
    for part in made["parts"]:
        etag = api.put_part(part["upload"], path, offset, part["size"])
        parts.append({"part_number": part["part_number"], "etag": etag})
        offset += part["size"]
    model: dict[str, Any] = api.post(f"/models/{model_id}/complete", {"parts": parts})
    screen.step(
        "model",
        f"{path.name}, {size / 1e6:.0f} MB in {len(parts)} parts: {model['type']}, "
        f"{model['fm_type']}, {model['header']['tensors']} tensors",
    )
    return model


def upload_dataset(api: Api, folder: Path, screen: Screen) -> dict[str, Any]:
    """Upload a `10_name` folder of images and captions and complete it; return the dataset."""
    files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    declared = [{"name": name, "size": path.stat().st_size} for name, path in files.items()]
    made = api.post("/datasets", {"name": "images", "prefix": folder.name, "files": declared})
    dataset_id = made["dataset"]["id"]
    while made["uploads"]:
        for one in made["uploads"]:
            api.put_file(one["upload"], files[one["name"]])
        made = api.post(f"/datasets/{dataset_id}/uploads", {})
    dataset: dict[str, Any] = api.post(f"/datasets/{dataset_id}/complete")
    report = dataset["report"]
    screen.step(
        "dataset",
        f"{folder.name}: {report['images']} images, {report['captions']} captions, "
        f"{dataset['repeats']} repeats",
    )
    return dataset
