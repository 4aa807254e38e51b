"""Bringing a base model and a folder of images into the service."""

from pathlib import Path
from typing import Any

from local.demo.client import Api, ApiError, wait_for
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
    for found in wait_for(api, f"/datasets/{dataset_id}", {"ready", "invalid"}, 0.2):
        dataset = found
    report = dataset["report"]
    if dataset["status"] == "invalid":
        raise ApiError("\n".join(["The dataset can't be trained on:", *_told(report)]))
    screen.step(
        "dataset",
        f"{folder.name}: {report['images']} images, {report['captions']} captions, "
        f"{dataset['repeats']} repeats, {report['warnings']} warnings",
    )
    return dataset


def _told(report: dict[str, Any]) -> list[str]:
    return [
        f"  {one['file'] or 'dataset'}: {one['message']}. {one['remedy']}"
        for one in report["findings"]
        if one["severity"] == "error"
    ]
