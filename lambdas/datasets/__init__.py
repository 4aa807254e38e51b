"""Datasets: folders of captioned images, uploaded by presigned URL."""
