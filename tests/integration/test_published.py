"""The contract over HTTP, as the synthesized stack serves it."""

import httpx
import yaml
from local_stack import REPOSITORY, LocalStack


def test_a_stranger_reads_the_contract_and_its_page(stack: LocalStack) -> None:
    with stack.client() as api:
        del api.headers["Authorization"]

        document, page = api.get("/openapi.json"), api.get("/docs")

        assert document.json() == yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())
        assert document.headers["content-type"] == "application/json"
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for answer in (document, page):
            again = api.get(answer.url.path.rpartition("/v1")[2], headers=known(answer))
            assert (again.status_code, again.content) == (304, b"")


def known(answer: httpx.Response) -> dict[str, str]:
    return {"If-None-Match": answer.headers["etag"]}
