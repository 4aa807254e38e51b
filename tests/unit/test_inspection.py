"""Inspection: what a file is, told by its header alone, for every family, type and form."""

import json
import struct

import pytest

from lambdas.models import inspection, safetensors
from lambdas.models.inspection import Inspection
from tests.unit import model_headers as headers
from tests.unit.fakes import safetensors_file

SD_1 = headers.unet(768) | headers.CLIP_L | headers.vae()
SD_2 = headers.unet(1024) | headers.OPEN_CLIP_H | headers.vae()
SD_XL = headers.unet(2048) | headers.SDXL_TEXT | headers.vae()
REFINER = headers.unet(1280) | headers.REFINER_TEXT | headers.vae()
SD_3 = headers.mmdit() | headers.SD_3_TEXT | headers.vae(channels=16)
MARKED_V = SD_XL | {"v_pred": []}
SPEC = "modelspec.architecture"

# What lies in the file, its metadata; then type, family and fm_type.
KINDS = {
    "sd_1_5": (SD_1, {}, "checkpoint", "sd_1_5", "sd_1_5"),
    "sd_1_5 with inpainting": (
        *(headers.unet(768, 9) | headers.CLIP_L | headers.vae(), {}),
        *("checkpoint", "sd_1_5", "other"),
    ),
    "sd_1_5 without a VAE": (
        *(headers.unet(768) | headers.CLIP_L, {}),
        *("checkpoint", "sd_1_5", "other"),
    ),
    "instruct-pix2pix": (headers.unet(768, 8), {}, "checkpoint", "sd_1_5", "other"),
    "inpainting of diffusers": (
        *(headers.INPAINTING_DIFFUSERS, {}),
        *("checkpoint", "sd_1_5", "other"),
    ),
    "sd_2": (SD_2, {}, "checkpoint", "sd_2", "other"),
    "sd_xl": (SD_XL, {}, "checkpoint", "sd_xl", "sd_xl"),
    "sd_xl of v-prediction": (MARKED_V, {}, "checkpoint", "sd_xl", "sd_xl"),
    "sd_xl of diffusers": (headers.UNET_DIFFUSERS, {}, "checkpoint", "sd_xl", "other"),
    "sd_xl refiner": (REFINER, {}, "checkpoint", "sd_xl_refiner", "other"),
    "sd_3": (SD_3, {}, "checkpoint", "sd_3", "other"),
    "sd_3 large, bare": (headers.mmdit("", 2432), {}, "checkpoint", "sd_3", "other"),
    "sd_3 of diffusers": (headers.SD_3_DIFFUSERS, {}, "checkpoint", "sd_3", "other"),
    "flux": (headers.flux(), {}, "checkpoint", "flux", "other"),
    "flux in one file": (
        *(headers.flux(headers.LDM) | headers.vae("vae.", 16), {}),
        *("checkpoint", "flux", "other"),
    ),
    "flux fill": (headers.flux(channels=384), {}, "checkpoint", "flux", "other"),
    "flux of diffusers": (headers.FLUX_DIFFUSERS, {}, "checkpoint", "flux", "other"),
    "chroma": (
        *(headers.flux() | {"distilled_guidance_layer.in_proj.weight": [5120, 64]}, {}),
        *("checkpoint", "unknown", "other"),
    ),
    "a network of nobody's": (headers.unet(4096), {}, "checkpoint", "unknown", "other"),
    "lora sd_1_5": (headers.kohya(headers.SD_1_LAYERS, 8), {}, "lora", "sd_1_5", "sd_1_5"),
    "lora sd_2": (headers.kohya(headers.SD_2_LAYERS, 8), {}, "lora", "sd_2", "other"),
    "lora sd_xl": (headers.kohya(headers.SDXL_LAYERS, 8), {}, "lora", "sd_xl", "sd_xl"),
    "lora sd_xl, self attention": (
        *(headers.kohya(headers.SDXL_SELF_ATTENTION, 8), {}),
        *("lora", "sd_xl", "sd_xl"),
    ),
    "lora sd_xl, text encoder": (
        *(headers.kohya(headers.TEXT_ONLY_SDXL, 8), {}),
        *("lora", "sd_xl", "sd_xl"),
    ),
    "lora sd_1_5, text encoder": (
        *(headers.kohya(headers.TEXT_ONLY_SD_1, 8), {}),
        *("lora", "sd_1_5", "sd_1_5"),
    ),
    "lora sd_3": (headers.kohya(headers.SD_3_LAYERS, 8), {}, "lora", "sd_3", "other"),
    "lora flux": (headers.kohya(headers.FLUX_LAYERS, 8), {}, "lora", "flux", "other"),
    "lora by its metadata": (
        *(
            headers.kohya({"lora_te3_encoder_block_0_layer_0": (9, 9)}, 8),
            {SPEC: "Flux-1-dev/lora"},
        ),
        *("lora", "flux", "other"),
    ),
    "peft sd_xl": (headers.peft(headers.PEFT_SDXL, 8), {}, "lora", "sd_xl", "sd_xl"),
    "peft sd_1_5": (headers.peft(headers.PEFT_SD_1, 8, ".default"), {}, "lora", "sd_1_5", "sd_1_5"),
    "peft flux": (headers.peft(headers.PEFT_FLUX, 8), {}, "lora", "flux", "other"),
    "peft flux of ComfyUI": (headers.peft(headers.COMFY_FLUX, 8), {}, "lora", "flux", "other"),
    "peft sd_3": (headers.peft(headers.PEFT_SD_3, 8), {}, "lora", "sd_3", "other"),
    "old diffusers": (headers.DIFFUSERS_OLD, {}, "lora", "sd_1_5", "sd_1_5"),
    "diffusers with text encoder": (headers.DIFFUSERS_TEXT, {}, "lora", "sd_1_5", "sd_1_5"),
    "loha": (headers.LOHA, {}, "lora", "sd_1_5", "sd_1_5"),
    "loha, tucker": (headers.LOHA_TUCKER, {}, "lora", "sd_1_5", "sd_1_5"),
    "lokr": (headers.LOKR, {}, "lora", "sd_xl", "sd_xl"),
    "lokr, whole": (headers.LOKR_WHOLE, {}, "lora", "sd_xl", "sd_xl"),
    "dora": (headers.DORA, {}, "lora", "sd_1_5", "sd_1_5"),
    "vae": (headers.vae(""), {}, "vae", "unknown", "other"),
    "vae of a checkpoint": (headers.vae(), {}, "vae", "unknown", "other"),
    "controlnet": (headers.CONTROL_LDM, {}, "controlnet", "sd_1_5", "sd_1_5"),
    "controlnet of diffusers": (headers.CONTROL_DIFFUSERS, {}, "controlnet", "sd_xl", "sd_xl"),
    "controlnet flux": (headers.CONTROL_FLUX, {}, "controlnet", "flux", "other"),
    "controlnet lllite": (headers.CONTROL_LLLITE, {}, "controlnet", "unknown", "other"),
    "embedding sd_1_5": (headers.EMBEDDING_SD_1, {}, "embedding", "sd_1_5", "sd_1_5"),
    "embedding sd_2": (headers.EMBEDDING_SD_2, {}, "embedding", "sd_2", "other"),
    "embedding sd_xl": (headers.EMBEDDING_SDXL, {}, "embedding", "sd_xl", "sd_xl"),
    "embedding of diffusers": (headers.EMBEDDING_TOKEN, {}, "embedding", "sd_1_5", "sd_1_5"),
    "a text encoder alone": (
        *({"encoder.block.0.layer.0.SelfAttention.q.weight": [4096, 4096]}, {}),
        *(None, "unknown", "other"),
    ),
}


def header_of(shapes: dict, metadata: dict | None = None, dtype: str = "F16") -> bytes:
    """Return length and header alone: the tensors are never read."""
    whole = safetensors_header(shapes, metadata or {}, dtype)
    return struct.pack("<Q", len(whole)) + whole


def safetensors_header(shapes: dict, metadata: dict, dtype: str) -> bytes:
    width = {"F8_E4M3": 1, "F16": 2, "BF16": 2, "F32": 4}[dtype]
    entries: dict = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        begin, size = end, width
        for side in shape:
            size *= side
        end = begin + size
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    return json.dumps(entries).encode()


def inspected(shapes: dict, metadata: dict | None = None, dtype: str = "F16") -> Inspection:
    content = header_of(shapes, metadata, dtype)
    entries = json.loads(content[8:])
    last = max(one["data_offsets"][1] for name, one in entries.items() if name != "__metadata__")
    size = len(content) + last
    return inspection.inspect(
        safetensors.read_header(lambda first, to: (content[first : to + 1], size))
    )


@pytest.mark.parametrize(
    ("shapes", "metadata", "kind", "family", "fm_type"), KINDS.values(), ids=KINDS
)
def test_type_and_family_are_told_by_the_header(
    shapes: dict, metadata: dict, kind: str, family: str, fm_type: str
) -> None:
    found = inspected(shapes, metadata)

    assert (found.type, found.facts.family, found.fm_type) == (kind, family, fm_type)


@pytest.mark.parametrize("kind", ["sd_1_5 with inpainting", "inpainting of diffusers", "flux fill"])
def test_a_model_that_takes_a_mask_is_told(kind: str) -> None:
    assert inspected(KINDS[kind][0]).facts.inpainting is True
    assert inspected(SD_1).facts.inpainting is False


def test_the_parts_of_a_checkpoint_are_told() -> None:
    assert inspected(SD_1).facts.parts == ["diffusion", "text_encoder", "vae"]
    assert inspected(SD_3).facts.parts == ["diffusion", "text_encoder", "vae"]
    assert inspected(headers.unet(768)).facts.parts == ["diffusion"]
    assert inspected(headers.vae()).facts.parts == []


@pytest.mark.parametrize(
    ("shapes", "metadata", "prediction"),
    [
        (MARKED_V, {}, "v"),
        (SD_2, {SPEC: "stable-diffusion-v2-768-v"}, "v"),
        (SD_2, {SPEC: "stable-diffusion-v2-512"}, None),
        (SD_XL, {"modelspec.prediction_type": "v"}, "v"),
        (SD_XL, {"modelspec.prediction_type": "epsilon"}, "epsilon"),
        (headers.kohya(headers.SD_2_LAYERS, 4), {"ss_base_model_version": "sd_v2_v"}, "v"),
        (headers.kohya(headers.SD_2_LAYERS, 4), {SPEC: "stable-diffusion-v2-768-v/lora"}, "v"),
        (SD_1, {}, None),
    ],
)
def test_v_prediction_is_told_where_it_can_be_known(
    shapes: dict, metadata: dict, prediction: str | None
) -> None:
    assert inspected(shapes, metadata).facts.prediction == prediction


def test_what_a_lora_changes_is_told_with_the_tags_that_it_saw() -> None:
    frequency = {"10_tusiji": {"tusiji": 12, "red eyes": 3}, "2_more": {"tusiji": 2, " ": 9}}
    metadata = {
        "ss_network_dim": "8",
        "ss_network_alpha": "4.0",
        "ss_tag_frequency": json.dumps(frequency),
    }

    facts = inspected(headers.kohya(headers.SD_1_LAYERS, 8), metadata).facts

    assert (facts.rank, facts.alpha) == (8, 4.0)
    assert facts.lora
    assert (facts.lora.form, facts.lora.algorithm, facts.lora.ranks) == ("kohya", "lora", [8])
    assert facts.lora.targets == ["diffusion", "text_encoder"]
    assert facts.lora.module_count == 6
    assert set(facts.lora.modules) == {
        *("attn1_to_q", "attn2_to_k", "attn2_to_out_0", "ff_net_0_proj"),
        *("mlp_fc1", "self_attn_q_proj"),
    }
    assert [(one.tag, one.count) for one in facts.lora.trigger_tags] == [
        ("tusiji", 14),
        ("red eyes", 3),
    ]


@pytest.mark.parametrize(
    ("shapes", "form", "algorithm", "ranks", "rank"),
    [
        (headers.peft(headers.PEFT_SDXL, 16), "peft", "lora", [16], 16),
        (headers.DIFFUSERS_OLD, "diffusers", "lora", [4], 4),
        (headers.DIFFUSERS_TEXT, "diffusers", "lora", [4], 4),
        (headers.LOHA, "kohya", "loha", [8], 8),
        (headers.LOHA_TUCKER, "kohya", "loha", [8], 8),
        (headers.LOKR, "kohya", "lokr", [4], 4),
        (headers.LOKR_WHOLE, "kohya", "lokr", [], None),
        (headers.VARIED, "kohya", "lora", [8, 32], None),
    ],
)
def test_form_algorithm_and_rank_of_a_lora_are_read_from_its_tensors(
    shapes: dict, form: str, algorithm: str, ranks: list[int], rank: int | None
) -> None:
    facts = inspected(shapes).facts

    assert facts.lora
    assert (facts.lora.form, facts.lora.algorithm) == (form, algorithm)
    assert (facts.lora.ranks, facts.rank) == (ranks, rank)


def test_decomposed_weights_are_told() -> None:
    dora, plain = inspected(headers.DORA).facts.lora, inspected(headers.LOHA).facts.lora

    assert dora
    assert plain
    assert (dora.dora, plain.dora) == (True, False)


def test_the_alpha_of_a_peft_file_is_read_from_its_metadata() -> None:
    metadata = {"lora_adapter_metadata": json.dumps({"unet.r": 8, "unet.lora_alpha": 16})}

    assert inspected(headers.peft(headers.PEFT_SDXL, 8), metadata).facts.alpha == 16


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F16", "BF16", "F32"])
def test_precision_and_parameters_are_counted(dtype: str) -> None:
    facts = inspected(headers.EMBEDDING_SD_1, dtype=dtype).facts

    assert (facts.precision, facts.parameters, facts.tensors) == (dtype, 3072, 1)


def test_the_fields_of_modelspec_are_kept_and_cut() -> None:
    metadata = {
        SPEC: "stable-diffusion-xl-v1-base",
        "modelspec.title": "T" * 600,
        "modelspec.thumbnail": "data:image/png;base64,AAAA",
        "modelspec.nonsense": "x",
    }

    spec = inspected(SD_XL, metadata).facts.modelspec

    assert spec
    assert (spec.architecture, len(spec.title or ""), spec.author) == (
        *("stable-diffusion-xl-v1-base", 500),
        None,
    )
    assert inspected(SD_XL).facts.modelspec is None


@pytest.mark.parametrize(
    "frequency",
    [
        *("", "nonsense", "[1]", '{"a": 1}', '{"a": {"b": "c", "d": true, "e": -1}}'),
        *("[" * 9999, '{"a": {"\\ud800": 3}}', '{"a": {"b": 1' + "0" * 5000 + "}}"),
    ],
    ids=lambda text: text[:12],
)
def test_nonsense_among_the_tags_is_left_out(frequency: str) -> None:
    found = inspected(headers.kohya(headers.SD_1_LAYERS, 8), {"ss_tag_frequency": frequency})

    assert found.facts.lora
    assert found.facts.lora.trigger_tags == []


def test_a_whole_file_is_inspected_as_its_header_is() -> None:
    shapes = headers.EMBEDDING_SDXL
    content = safetensors_file(shapes)

    read = safetensors.read_header(lambda first, to: (content[first : to + 1], len(content)))

    assert inspection.inspect(read) == inspected(shapes)
