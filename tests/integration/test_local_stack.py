"""The synthesized stack as `make run` serves it."""

import itertools
import shlex

import httpx
import pytest

ORIGIN = {"Origin": "http://localhost:3000"}


def commands(said: str) -> list[list[str]]:
    """The curl lines of the banner, as a shell would split them."""
    return [shlex.split(line) for line in said.splitlines() if line.startswith("  curl ")]


def answer_to(command: list[str]) -> httpx.Response:
    """What curl would get; the test must not depend on curl being installed."""
    url = command[-1]
    headers = dict(
        value.split(": ", 1) for option, value in itertools.pairwise(command) if option == "-H"
    )
    if "-d" in command:
        return httpx.post(url, headers=headers, content=command[command.index("-d") + 1])
    return httpx.get(url, headers=headers)


@pytest.mark.parametrize(
    ("number", "path", "status"), [(0, "/health", 200), (1, "/trainings", 200), (2, "/tokens", 201)]
)
def test_the_three_commands_of_the_banner_work_as_printed(stack, number, path, status):
    found = commands(stack.output.read_text())
    assert len(found) == 3

    answer = answer_to(found[number])

    assert found[number][-1].endswith(path)
    assert answer.status_code == status, answer.text


def test_another_workspaces_token_sees_nothing_of_the_first(stack, api, make_workspace):
    api.post("/tokens", json={"name": "seen", "role": "viewer"}).raise_for_status()

    with stack.client(make_workspace("others")) as other:
        names = [token["name"] for token in other.get("/tokens").json()["data"]]

    assert "seen" not in names


def test_the_gateway_refuses_as_the_synthesized_body_says(stack, api):
    nobody = httpx.get(f"{stack.url}/trainings")
    unknown = httpx.get(
        f"{stack.url}/trainings", headers={"Authorization": f"Bearer lsk_{'x' * 43}"}
    )
    large = api.post("/datasets", content=b"x" * (10 * 1024 * 1024 + 1))
    wrong_method = httpx.put(f"{stack.url}/trainings", headers=ORIGIN)
    nowhere = httpx.get(f"{stack.url}/no/such/path", headers=ORIGIN)

    answers = (nobody, unknown, large, wrong_method, nowhere)
    assert [answer.status_code for answer in answers] == [401, 401, 413, 405, 404]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert {"type", "title", "status", "code", "detail", "errors", "request_id"} <= set(
            answer.json()
        )


def test_a_browsers_preflight_needs_no_token(stack):
    answer = httpx.options(
        f"{stack.url}/trainings",
        headers=ORIGIN | {"Access-Control-Request-Method": "POST"},
    )

    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == "*"
