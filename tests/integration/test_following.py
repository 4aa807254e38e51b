"""Following a training over HTTP: webhooks to a receiver on this machine, and the long poll."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from client import SD_1_5, checkpoint, upload_dataset, upload_model
from standardwebhooks.webhooks import Webhook

ENDS = {"succeeded", "failed", "canceled"}


@dataclass
class Receiver:
    """A server of webhooks; each path answers its statuses in order, then 204."""

    url: str
    answers: dict[str, list[int]] = field(default_factory=dict)
    received: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def at(self, path: str, secret: str) -> list[Any]:
        """What came to a path, each signature checked."""
        return [
            Webhook(secret).verify(body, headers)
            for where, headers, body in list(self.received)
            if where == path
        ]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.received.append((self.path, dict(self.headers), body))
            left = made.answers.get(self.path)
            self.send_response(left.pop(0) if left else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown(), server.server_close(), thread.join()


@pytest.fixture
def workspace(stack: Any, make_workspace: Any) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {make_workspace('following')}"}
    with httpx.Client(base_url=stack.endpoints["url"], headers=headers, timeout=60) as client:
        yield client


def make_hook(api: httpx.Client, url: str, *events: str) -> dict[str, Any]:
    made = api.post("/webhooks", json={"url": url, "events": events})
    return made.raise_for_status().json()


def deliveries(api: httpx.Client, hook: dict[str, Any]) -> list[dict[str, Any]]:
    return api.get(f"/webhooks/{hook['id']}/deliveries").raise_for_status().json()["data"]


def until(condition: Any, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)


def test_a_training_is_followed_by_webhooks_and_by_waiting(
    workspace: httpx.Client, receiver: Receiver
) -> None:
    all_of_it = make_hook(workspace, f"{receiver.url}/all")
    failing = make_hook(workspace, f"{receiver.url}/failing", "training.succeeded")
    receiver.answers["/failing"] = [503]
    upload_model(workspace, "base", checkpoint(SD_1_5)).raise_for_status()
    assert upload_dataset(workspace, "tusiji").json()["status"] == "ready"
    request = {
        "name": "style",
        "model": "base",
        "datasets": [{"dataset": "tusiji", "repeats": 2}],
        "config_params": {"max_train_epochs": 2},
    }
    training = workspace.post("/trainings", json=request).raise_for_status().json()

    etag, status, answers = "", training["status"], []
    while status not in ENDS:
        known = {"If-None-Match": etag} if etag else {}
        answer = workspace.get(f"/trainings/{training['id']}?wait=20", headers=known)
        answers.append(answer.status_code)
        if answer.status_code == 200:
            etag, status = answer.headers["ETag"], answer.json()["status"]
    again = workspace.get(f"/trainings/{training['id']}?wait=20", headers={"If-None-Match": etag})

    assert status == "succeeded"
    assert set(answers) <= {200, 304}
    assert (again.status_code, again.content) == (304, b"")
    assert again.elapsed.total_seconds() < 5
    wanted = {"model.ready", "dataset.ready", "training.started", "training.succeeded"}
    until(lambda: wanted <= {one["type"] for one in receiver.at("/all", all_of_it["secret"])})
    until(lambda: [one["status"] for one in deliveries(workspace, failing)] == ["delivered"])
    (one,) = deliveries(workspace, failing)
    assert [attempt["status_code"] for attempt in one["attempts"]] == [503, 204]
    first, second = receiver.at("/failing", failing["secret"])
    assert first == second
    assert first["data"]["id"] == training["id"]
    assert "http" not in json.dumps(first["data"])
    types = [
        event["type"]
        for event in workspace.get(f"/trainings/{training['id']}/events?order=asc").json()["data"]
    ]
    assert (types[0], types[-1]) == ("training.queued", "training.succeeded")


def test_no_address_inside_is_posted_to_but_this_machine(workspace: httpx.Client) -> None:
    for url in ("http://10.0.0.1/", "https://127.0.0.1/", "http://169.254.169.254/latest"):
        answer = workspace.post("/webhooks", json={"url": url})

        assert (answer.status_code, answer.json()["code"]) == (422, "url_refused"), url
