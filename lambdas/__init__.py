"""The functions behind the LoRAStack API: one room per resource, what they share in `core`."""
