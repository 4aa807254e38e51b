"""What a person who deploys can set right."""


class DeploymentError(Exception):
    """Synthesis cannot go on; the text is one sentence that names what is wrong and the remedy."""
