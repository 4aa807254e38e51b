"""Headers of models as they are found in the world: true tensor names and shapes, a few of each.

Names and shapes are those that sd-scripts, diffusers, LyCORIS and ComfyUI read and write.
"""

from collections.abc import Mapping

Shapes = dict[str, list[int]]

LDM = "model.diffusion_model."


def vae(prefix: str = "first_stage_model.", channels: int = 4) -> Shapes:
    return {
        f"{prefix}decoder.conv_in.weight": [512, channels, 3, 3],
        f"{prefix}decoder.mid.attn_1.k.weight": [512, 512, 1, 1],
        f"{prefix}encoder.conv_in.weight": [128, 3, 3, 3],
        f"{prefix}encoder.conv_out.bias": [2 * channels],
    }


def unet(text_width: int, channels: int = 4, prefix: str = LDM) -> Shapes:
    return {
        f"{prefix}input_blocks.0.0.weight": [320, channels, 3, 3],
        f"{prefix}input_blocks.4.1.transformer_blocks.0.attn1.to_k.weight": [640, 640],
        f"{prefix}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [640, text_width],
        f"{prefix}middle_block.1.transformer_blocks.0.attn2.to_k.weight": [1280, text_width],
        f"{prefix}time_embed.0.weight": [1280, 320],
        f"{prefix}out.2.bias": [4],
    }


CLIP_L = {
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": [49408, 768],
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": [768],
}
OPEN_CLIP_H = {
    "cond_stage_model.model.token_embedding.weight": [49408, 1024],
    "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight": [3072, 1024],
}
SDXL_TEXT = {
    "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight": [768],
    "conditioner.embedders.1.model.ln_final.weight": [1280],
    "conditioner.embedders.1.model.text_projection": [1280, 1280],
}
REFINER_TEXT = {"conditioner.embedders.0.model.ln_final.weight": [1280]}


def mmdit(prefix: str = LDM, width: int = 1536) -> Shapes:
    return {
        f"{prefix}x_embedder.proj.weight": [width, 16, 2, 2],
        f"{prefix}pos_embed": [1, 36864, width],
        f"{prefix}y_embedder.mlp.0.weight": [width, 2048],
        f"{prefix}context_embedder.weight": [width, 4096],
        f"{prefix}joint_blocks.0.context_block.attn.qkv.weight": [3 * width, width],
        f"{prefix}joint_blocks.0.x_block.attn.qkv.weight": [3 * width, width],
    }


def flux(prefix: str = "", channels: int = 64) -> Shapes:
    return {
        f"{prefix}img_in.weight": [3072, channels],
        f"{prefix}txt_in.weight": [3072, 4096],
        f"{prefix}guidance_in.in_layer.weight": [3072, 256],
        f"{prefix}double_blocks.0.img_attn.qkv.weight": [9216, 3072],
        f"{prefix}double_blocks.0.img_attn.norm.key_norm.scale": [128],
        f"{prefix}single_blocks.0.linear1.weight": [21504, 3072],
    }


FLUX_DIFFUSERS = {
    "x_embedder.weight": [3072, 64],
    "context_embedder.weight": [3072, 4096],
    "transformer_blocks.0.attn.add_k_proj.weight": [3072, 3072],
    "single_transformer_blocks.0.attn.to_q.weight": [3072, 3072],
}
SD_3_DIFFUSERS = {
    "pos_embed.proj.weight": [1536, 16, 2, 2],
    "context_embedder.weight": [1536, 4096],
    "transformer_blocks.0.attn.add_k_proj.weight": [1536, 1536],
}
UNET_DIFFUSERS = {
    "conv_in.weight": [320, 4, 3, 3],
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": [640, 2048],
    "time_embedding.linear_1.weight": [1280, 320],
}
INPAINTING_DIFFUSERS = {
    "conv_in.weight": [320, 9, 3, 3],
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": [320, 768],
}
SD_3_TEXT = {
    "text_encoders.clip_l.transformer.text_model.final_layer_norm.weight": [768],
    "text_encoders.clip_g.transformer.text_model.final_layer_norm.weight": [1280],
    "text_encoders.t5xxl.transformer.shared.weight": [32128, 4096],
}


def kohya(sides: Mapping[str, tuple[int, int]], rank: int) -> Shapes:
    """LoRA layers as sd-scripts writes them: by layer, outputs and inputs."""
    made: Shapes = {}
    for layer, (outputs, inputs) in sides.items():
        made[f"{layer}.alpha"] = []
        made[f"{layer}.lora_down.weight"] = [rank, inputs]
        made[f"{layer}.lora_up.weight"] = [outputs, rank]
    return made


_DOWN_0 = "lora_unet_down_blocks_0_attentions_0"
SD_1_LAYERS = {
    f"{_DOWN_0}_transformer_blocks_0_attn1_to_q": (320, 320),
    f"{_DOWN_0}_transformer_blocks_0_attn2_to_k": (320, 768),
    f"{_DOWN_0}_transformer_blocks_0_attn2_to_out_0": (320, 320),
    f"{_DOWN_0}_transformer_blocks_0_ff_net_0_proj": (2560, 320),
    "lora_te_text_model_encoder_layers_0_mlp_fc1": (3072, 768),
    "lora_te_text_model_encoder_layers_0_self_attn_q_proj": (768, 768),
}
SD_2_LAYERS = {
    f"{_DOWN_0}_transformer_blocks_0_attn2_to_k": (320, 1024),
    "lora_te_text_model_encoder_layers_0_self_attn_q_proj": (1024, 1024),
}
SDXL_LAYERS = {
    "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k": (640, 2048),
    "lora_unet_input_blocks_4_1_proj_in": (640, 640),
    "lora_te1_text_model_encoder_layers_0_self_attn_q_proj": (768, 768),
    "lora_te2_text_model_encoder_layers_0_self_attn_q_proj": (1280, 1280),
}
SDXL_SELF_ATTENTION = {"lora_unet_output_blocks_0_1_transformer_blocks_0_attn1_to_q": (1280, 1280)}
TEXT_ONLY_SDXL = {"lora_te2_text_model_encoder_layers_0_self_attn_q_proj": (1280, 1280)}
TEXT_ONLY_SD_1 = {"lora_te_text_model_encoder_layers_0_self_attn_q_proj": (768, 768)}
FLUX_LAYERS = {
    "lora_unet_double_blocks_0_img_attn_qkv": (9216, 3072),
    "lora_unet_single_blocks_0_linear1": (21504, 3072),
    "lora_te1_text_model_encoder_layers_0_self_attn_q_proj": (768, 768),
}
SD_3_LAYERS = {"lora_unet_joint_blocks_0_x_block_attn_qkv": (4608, 1536)}


def peft(layers: Mapping[str, tuple[int, int]], rank: int, adapter: str = "") -> Shapes:
    made: Shapes = {}
    for layer, (outputs, inputs) in layers.items():
        made[f"{layer}.lora_A{adapter}.weight"] = [rank, inputs]
        made[f"{layer}.lora_B{adapter}.weight"] = [outputs, rank]
    return made


_PEFT_UNET = "unet.down_blocks.1.attentions.0.transformer_blocks.0"
PEFT_SDXL = {
    f"{_PEFT_UNET}.attn2.to_k": (640, 2048),
    f"{_PEFT_UNET}.attn1.to_q": (640, 640),
    "text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj": (1280, 1280),
}
PEFT_SD_1 = {
    f"base_model.model.{_PEFT_UNET[5:]}.attn2.to_k": (640, 768),
}
PEFT_FLUX = {"transformer.single_transformer_blocks.0.attn.to_q": (3072, 3072)}
COMFY_FLUX = {"diffusion_model.double_blocks.0.img_attn.qkv": (9216, 3072)}
PEFT_SD_3 = {"transformer.transformer_blocks.0.attn.to_q": (1536, 1536)}
DIFFUSERS_OLD = {
    f"{_PEFT_UNET}.attn2.processor.to_k_lora.down.weight": [4, 768],
    f"{_PEFT_UNET}.attn2.processor.to_k_lora.up.weight": [640, 4],
}
DIFFUSERS_TEXT = {
    f"{_PEFT_UNET}.attn2.to_k.lora.down.weight": [4, 768],
    f"{_PEFT_UNET}.attn2.to_k.lora.up.weight": [640, 4],
    "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight": [
        *(4, 768)
    ],
}

_LAYER = f"{_DOWN_0}_transformer_blocks_0_attn2_to_k"
LOHA = {
    f"{_LAYER}.alpha": [],
    f"{_LAYER}.hada_w1_a": [320, 8],
    f"{_LAYER}.hada_w1_b": [8, 768],
    f"{_LAYER}.hada_w2_a": [320, 8],
    f"{_LAYER}.hada_w2_b": [8, 768],
}
LOHA_TUCKER = LOHA | {
    f"{_DOWN_0}_proj_in.hada_t1": [8, 8, 3, 3],
    f"{_DOWN_0}_proj_in.hada_w1_a": [8, 320],
    f"{_DOWN_0}_proj_in.hada_w1_b": [8, 320],
    f"{_DOWN_0}_proj_in.hada_t2": [8, 8, 3, 3],
    f"{_DOWN_0}_proj_in.hada_w2_a": [8, 320],
    f"{_DOWN_0}_proj_in.hada_w2_b": [8, 320],
}
_LOKR_LAYER = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
LOKR = {
    f"{_LOKR_LAYER}.alpha": [],
    f"{_LOKR_LAYER}.lokr_w1": [16, 16],
    f"{_LOKR_LAYER}.lokr_w2_a": [40, 4],
    f"{_LOKR_LAYER}.lokr_w2_b": [4, 128],
}
LOKR_WHOLE = {f"{_LOKR_LAYER}.lokr_w1": [16, 16], f"{_LOKR_LAYER}.lokr_w2": [40, 128]}
DORA = kohya(SD_1_LAYERS, 16) | {f"{_LAYER}.dora_scale": [1, 768]}
VARIED = kohya(SD_1_LAYERS, 8) | kohya({f"{_DOWN_0}_proj_in": (320, 320)}, 32)

CONTROL_LDM = unet(768, prefix="control_model.") | {
    "control_model.zero_convs.0.0.weight": [320, 320, 1, 1],
    "control_model.input_hint_block.0.weight": [16, 3, 3, 3],
}
CONTROL_DIFFUSERS = UNET_DIFFUSERS | {
    "controlnet_cond_embedding.conv_in.weight": [16, 3, 3, 3],
    "controlnet_down_blocks.0.weight": [320, 320, 1, 1],
}
CONTROL_FLUX = FLUX_DIFFUSERS | {"controlnet_x_embedder.weight": [3072, 64]}
CONTROL_LLLITE = {
    "lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight": [32, 640],
    "lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.cond_emb.weight": [32, 32],
}

EMBEDDING_SD_1 = {"emb_params": [4, 768]}
EMBEDDING_SD_2 = {"emb_params": [4, 1024]}
EMBEDDING_SDXL = {"clip_g": [4, 1280], "clip_l": [4, 768]}
EMBEDDING_TOKEN = {"<cat-toy>": [768]}
