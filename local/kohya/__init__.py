"""Brings kohya-ss/sd-scripts beside the project, so that local mode can train with the real thing.

`python -m local.kohya.setup` fetches the pinned commit, makes an environment for it and writes the
tokenizers; `python -m local.kohya.model` makes a full-size base model of random weights. Nothing of
sd-scripts is kept in this repository: all of it lands in `.kohya/`, which git ignores.
"""
