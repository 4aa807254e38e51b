"""The tokens for gated downloads: one secret, a JSON object from host to token."""

import json
import re

from lambdas.core import aws, settings
from lambdas.core.observability import logger
from lambdas.models.remote_http import Secret

_TOKEN = re.compile(r"[!-~]{1,4096}")  # what a header may hold


class Settings(settings.Settings):
    """What the worker is told besides; empty where the deployment has no such secret."""

    download_secret_name: str = ""


def secret_for(host: str) -> Secret | None:
    """Return the token to show to a host; None where there is none.

    A secret that can't be read is told in the log, without a word of what is in it.
    """
    token = _tokens().get(host)
    if token is None:
        return None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        logger.error("the secret for downloads has no usable token for a host", host=host)
        return None
    return Secret(host, token)


def _tokens() -> dict[str, object]:
    name = Settings.load().download_secret_name
    if not name:
        return {}
    try:
        answer = aws.secretsmanager().get_secret_value(SecretId=name)
    except aws.ERRORS as error:
        logger.error("the secret for downloads can't be read", error=type(error).__name__)
        return {}
    return _parsed(answer.get("SecretString", ""))


def _parsed(text: str) -> dict[str, object]:
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if isinstance(told, dict):
        return told
    logger.error('the secret for downloads is no JSON object such as {"huggingface.co": "..."}')
    return {}
