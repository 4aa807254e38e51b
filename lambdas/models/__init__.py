"""Models: base checkpoints that people upload and LoRAs that trainings leave."""
