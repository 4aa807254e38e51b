"""The rehearsal engine: another program behind sd-scripts' command line.

It takes the same TOML and dataset config, counts steps as sd-scripts does for one bucket, prints
the same bar, logs the same TensorBoard tags and saves the same files, so the whole service can be
tried on any machine. It truly optimises low-rank factors against tensors of the base model, but
on a small task of its own (task.py): its LoRA draws nothing. It says so in its log, in the LoRA's
metadata (``lorastack_engine: rehearsal``) and in report.json.
"""
