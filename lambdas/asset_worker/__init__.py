"""The asset worker: what takes longer than a request may, on datasets and models."""
