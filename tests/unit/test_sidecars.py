"""The files beside a model: what WebUI and ComfyUI read, under the names that they read."""

import hashlib
import json

import pytest

from tests.unit import model_headers as headers
from tests.unit.fakes import LORA, safetensors_file
from tests.unit.scenes import MODELS, complete_model, ready_model

pytestmark = pytest.mark.usefixtures("aws_calls")
TAGS = {"10_tusiji": {"tusiji": 20, "white fur": 12, "grass": 3}}
METADATA = {"ss_tag_frequency": json.dumps(TAGS), "lorastack_engine": "rehearsal"}


def made(content: bytes, kind: str = "lora") -> str:
    answer = complete_model(content, "tusiji", kind=kind)
    assert answer.status == 200, answer
    return answer.body["id"]


def test_a_civitai_info_tells_base_model_words_and_digest() -> None:
    content = safetensors_file(LORA, METADATA)
    model_id = made(content)
    MODELS.request("PATCH", f"/models/{model_id}", {"description": "A rabbit.", "tags": ["animal"]})

    info = MODELS.get(f"/models/{model_id}/civitai-info").body

    assert info == {
        "name": "tusiji",
        "description": "A rabbit.",
        "baseModel": "SD 1.5",
        "trainedWords": ["tusiji", "white fur"],
        "model": {
            "name": "tusiji",
            "type": "LORA",
            "nsfw": False,
            "poi": False,
            "tags": ["animal"],
        },
        "files": [
            {
                "name": "base.safetensors",
                "sizeKB": len(content) / 1024,
                "type": "Model",
                "primary": True,
                "metadata": {"fp": "fp16", "format": "SafeTensor"},
                "hashes": {"SHA256": hashlib.sha256(content).hexdigest().upper()},
            }
        ],
        "images": [],
    }


def test_webui_gets_an_activation_text() -> None:
    model_id = made(safetensors_file(LORA, METADATA))

    told = MODELS.get(f"/models/{model_id}/webui-metadata").body

    assert told == {
        "description": "",
        "sd version": "SD1",
        "activation text": "tusiji, white fur",
        "preferred weight": 0.0,
        "negative text": "",
        "notes": f"LoRAStack {model_id}; rehearsal: no real training made it",
    }


@pytest.mark.parametrize(
    ("shapes", "metadata", "kind", "base_model", "words"),
    [
        (headers.kohya(headers.SDXL_LAYERS, 4), {}, "LORA", "SDXL 1.0", []),
        (headers.LOHA, {"modelspec.trigger_phrase": "a tsj"}, "LoCon", "SD 1.5", ["a tsj"]),
        (
            headers.kohya(headers.SD_2_LAYERS, 4),
            {"ss_base_model_version": "sd_v2_v"},
            "LORA",
            "SD 2.1 768",
            [],
        ),
        (headers.kohya({"some_layer": (4, 4)}, 4), {}, "LORA", "Other", []),
    ],
)
def test_family_and_kind_are_told_in_civitais_words(
    shapes: dict, metadata: dict, kind: str, base_model: str, words: list[str]
) -> None:
    model_id = made(safetensors_file(shapes, metadata))

    info = MODELS.get(f"/models/{model_id}/civitai-info").body

    assert (info["model"]["type"], info["baseModel"]) == (kind, base_model)
    assert info["trainedWords"] == words


def test_a_checkpoint_has_one_too_and_what_is_not_ready_has_none() -> None:
    waiting = MODELS.post("/models", {"name": "w", "file_name": "b.safetensors", "size": 99}).body

    refused = MODELS.get(f"/models/{waiting['model']['id']}/civitai-info")

    info = MODELS.get(f"/models/{ready_model()}/civitai-info").body
    assert (info["model"]["type"], info["baseModel"]) == ("Checkpoint", "SD 1.5")
    assert (refused.status, refused.body["code"]) == (409, "model_not_ready")
