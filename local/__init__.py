"""Local mode: the synthesized stack, served on one machine without an AWS account."""
