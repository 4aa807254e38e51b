"""Answers compressed as the gateway does, where the API has a least size for it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html
"""

import gzip
from dataclasses import replace

from local.http_exchange import HttpAnswer, HttpRequest

_LEVEL = 1  # on the client's own machine it is for the form's sake


def compressed(answer: HttpAnswer, request: HttpRequest, least: int | None) -> HttpAnswer:
    """Return the answer as gzip if it is `least` bytes long and the client accepts that."""
    accepted = (request.header("accept-encoding") or "").lower()
    wanted = {one.partition(";")[0].strip() for one in accepted.split(",") if ";q=0" not in one}
    if least is None or len(answer.body) < least or "gzip" not in wanted:
        return answer
    headers = [*answer.headers, ("content-encoding", "gzip")]
    return replace(answer, headers=headers, body=gzip.compress(answer.body, _LEVEL))
