"""A SageMaker endpoint that runs training jobs: `python -m local.sagemaker --port P …`."""
