"""What SageMaker, the checkpoint folder and the clock tell of a training, put in its record."""
