"""`make demo`: local mode, used over plain HTTP as a client would, from upload to LoRA."""
