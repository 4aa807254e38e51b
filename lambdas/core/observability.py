"""Structured logs: JSON lines with request and workspace, never a token, a URL or a caption."""

from aws_lambda_powertools import Logger

logger = Logger(utc=True)
