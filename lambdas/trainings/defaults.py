"""What an option of sd-scripts has that the user does not set, by family and GPU."""

from typing import Any

from lambdas.trainings.instances import InstanceType

Params = dict[str, Any]


def defaults_for(fm_type: str, instance: InstanceType) -> Params:
    """Return the defaults for a family on an instance, each with its reason."""
    precision = "bf16" if instance.bf16 else "fp16"
    shared: Params = {
        "network_module": "networks.lora",  # the form that WebUI and ComfyUI load as it is
        "network_dim": 16,  # enough for one subject or style; a file of 19 MB (SD 1.5)
        "network_alpha": 8.0,  # half the rank: the usual damping, keeps learning rates comparable
        "optimizer_type": "AdamW",  # a LoRA's own states are small, 8 bit would save little
        "learning_rate": 1e-4,
        "lr_scheduler": "cosine",  # ends quietly, so that the last epoch is usually a good one
        "max_train_epochs": 10,
        "train_batch_size": 1,
        "save_every_n_epochs": 1,  # an earlier epoch is often the better one, and none is lost
        "mixed_precision": precision,  # bf16 where the GPU has it: no overflow
        "save_precision": "fp16",  # what WebUI and ComfyUI load without a conversion
        "sdpa": True,  # PyTorch's own attention, as quick as xformers and always there
        "cache_latents": True,  # the VAE runs once for each image instead of once a step
        "enable_bucket": True,  # images keep their shape
        "bucket_no_upscale": True,  # small images are not blown up
        "min_bucket_reso": 256,
        "max_data_loader_n_workers": 2,
        "seed": 42,  # the same training again gives the same LoRA
    }
    if fm_type == "sd_xl":
        return shared | {
            "resolution": "1024,1024",
            "max_bucket_reso": 2048,
            "bucket_reso_steps": 64,
            "gradient_checkpointing": True,  # SDXL at 1024 fits in 24 GB with it
            "network_train_unet_only": True,  # two text encoders cost much and give little
            "cache_text_encoder_outputs": True,
            "no_half_vae": True,  # SDXL's VAE overflows in fp16
        }
    return shared | {
        "resolution": "512,512",
        "max_bucket_reso": 1024,
        "bucket_reso_steps": 64,
        "text_encoder_lr": [5e-5],  # half the U-Net's: the usual guard against overfitting words
    }
