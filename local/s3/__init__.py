"""A file-backed S3 endpoint: `python -m local.s3 --port P --root DIR --config FILE`."""
