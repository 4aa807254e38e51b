"""The names are those of LoRAs that train_network.py and sdxl_train_network.py wrote at the pinned
commit; for a full-size SD 1.5 model all 792 names, shapes and types were compared."""

import re

import pytest

from kohya_trainer.rehearsal.network import text_encoder_layers, unet_layers
from kohya_trainer.rehearsal.weights import read_weight
from kohya_trainer.safetensors_file import Tensor, read_header
from tests.container.support import sd15_shapes, sdxl_shapes, write_safetensors


def tensors_of(shapes):
    return {name: Tensor("F16", shape, 0, 0) for name, shape in shapes.items()}


def test_sd15_layers_bear_diffusers_names():
    layers = unet_layers(tensors_of(sd15_shapes()), "sd_1_5")

    names = [layer.name for layer in layers]
    places = {re.match(r"lora_unet_(.+?_attentions_\d)", name)[1] for name in names}
    assert places == {
        "down_blocks_0_attentions_0",
        "down_blocks_2_attentions_1",
        "mid_block_attentions_0",
        "up_blocks_1_attentions_2",
    }
    assert sorted(n for n in names if "mid_block" in n) == [
        f"lora_unet_mid_block_attentions_0_{rest}"
        for rest in (
            "proj_in",
            "proj_out",
            "transformer_blocks_0_attn1_to_k",
            "transformer_blocks_0_attn1_to_out_0",
            "transformer_blocks_0_attn1_to_q",
            "transformer_blocks_0_attn1_to_v",
            "transformer_blocks_0_attn2_to_k",
            "transformer_blocks_0_attn2_to_out_0",
            "transformer_blocks_0_attn2_to_q",
            "transformer_blocks_0_attn2_to_v",
            "transformer_blocks_0_ff_net_0_proj",
            "transformer_blocks_0_ff_net_2",
        )
    ]


def test_a_convolution_keeps_its_kernel():
    layers = {layer.name: layer for layer in unet_layers(tensors_of(sd15_shapes()), "sd_1_5")}

    assert layers["lora_unet_mid_block_attentions_0_proj_in"].kernel == (1, 1)
    key = layers["lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"]
    assert (key.rows, key.columns, key.kernel) == (32, 48, ())


def test_sd15_has_one_text_encoder():
    names = [layer.name for layer in text_encoder_layers(tensors_of(sd15_shapes()))]

    stem = "lora_te_text_model_encoder_layers_0"
    assert names == [f"{stem}_mlp_fc1", f"{stem}_self_attn_q_proj"]


def test_sdxl_layers_bear_the_checkpoints_names():
    names = [layer.name for layer in unet_layers(tensors_of(sdxl_shapes()), "sd_xl")]

    assert "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_out_0" in names
    assert "lora_unet_input_blocks_4_1_proj_in" in names
    assert len(names) == 12


def test_sdxl_has_two_text_encoders_and_the_fused_weights_are_taken_apart():
    layers = {layer.name: layer for layer in text_encoder_layers(tensors_of(sdxl_shapes()))}

    second = "lora_te2_text_model_encoder_layers_0"
    assert sorted(layers) == [
        "lora_te1_text_model_encoder_layers_0_self_attn_out_proj",
        f"{second}_mlp_fc1",
        f"{second}_self_attn_k_proj",
        f"{second}_self_attn_out_proj",
        f"{second}_self_attn_q_proj",
        f"{second}_self_attn_v_proj",
    ]
    value = layers[f"{second}_self_attn_v_proj"]
    assert (value.rows, value.columns, value.part, value.parts) == (32, 32, 2, 3)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_of_a_fused_weight_is_read_alone(tmp_path, part):
    path = write_safetensors(tmp_path / "m.safetensors", sdxl_shapes())
    tensors = read_header(path).tensors
    fused = tensors["conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight"]
    layers = [layer for layer in text_encoder_layers(tensors) if layer.weight == fused]

    layer = next(layer for layer in layers if layer.part == part)
    raw = path.read_bytes()[fused.start : fused.end]

    expected = raw[part * len(raw) // 3 : (part + 1) * len(raw) // 3]
    assert read_weight(path, layer).astype("<f2").tobytes() == expected
