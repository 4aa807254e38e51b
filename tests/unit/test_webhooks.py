"""Webhooks: made, signed, delivered, tried again, disabled; never a secret told twice."""

import json
from datetime import timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from lambdas.core import aws, clock, table
from lambdas.notifier import delivering, sending
from lambdas.notifier.signing import signature_headers
from lambdas.webhooks import address
from tests.unit.fakes import AwsCalls, Client
from tests.unit.hooks import (
    HOOKS,
    PUBLISHED,
    QUEUE,
    URL,
    Receiver,
    deliveries,
    hand_over,
    make_hook,
    reconcile,
    tell,
    waiting,
)
from tests.unit.scenes import ready_dataset, ready_model
from tests.unit.web import Page, Web

pytestmark = pytest.mark.usefixtures("aws_calls")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Receiver:
    made = Receiver()
    monkeypatch.setattr(sending, "post", made.post)
    return made


def pass_time(monkeypatch: pytest.MonkeyPatch, **time: float) -> None:
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + timedelta(**time))


def test_the_signature_is_that_of_the_specification() -> None:
    headers = signature_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        '{"test": 2432232314}',
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_is_told_of_a_model_is_taken_by_the_library_of_the_specification(
    receiver: Receiver,
) -> None:
    hook = make_hook()
    model_id = ready_model()
    assert tell() == 2

    (one,) = receiver.received
    told = Webhook(hook["secret"]).verify(one.body.encode(), dict(one.headers))
    assert (told["type"], told["data"]["id"]) == ("model.ready", model_id)
    assert set(told) == {"type", "timestamp", "data"}
    assert one.headers["webhook-id"].startswith("evt_")
    with pytest.raises(WebhookVerificationError):
        Webhook(hook["secret"]).verify(one.body.encode() + b" ", dict(one.headers))


def test_a_secret_is_told_once_and_never_again() -> None:
    made = HOOKS.post("/webhooks", {"url": URL}, key="one")
    again = HOOKS.post("/webhooks", {"url": URL}, key="one")

    secret = made.body["secret"]
    assert secret.startswith("whsec_")
    assert (again.status, again.body["code"]) == (409, "secret_already_shown")
    path = f"/webhooks/{made.body['id']}"
    shown = [HOOKS.get("/webhooks").body, HOOKS.get(path).body]
    shown.append(HOOKS.request("PATCH", path, {"description": "mine"}).body)
    assert shown[2]["description"] == "mine"
    assert secret not in json.dumps(shown)
    assert "secret" not in json.dumps(shown)


def test_after_a_change_of_secret_both_sign_for_a_day(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook()
    fresh = HOOKS.post(f"/webhooks/{hook['id']}/rotate").body["secret"]
    HOOKS.post(f"/webhooks/{hook['id']}/test")
    tell()
    pass_time(monkeypatch, hours=25)
    HOOKS.post(f"/webhooks/{hook['id']}/test")
    tell()

    both, one = (got.headers["webhook-signature"].split(" ") for got in receiver.received)
    assert (len(both), len(one)) == (2, 1)
    first = receiver.received[0]
    for secret in (hook["secret"], fresh):
        Webhook(secret).verify(first.body, dict(first.headers))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "must begin with https://"),
        ("https://127.0.0.1/", "by numbers"),
        ("https://[::1]/", "by numbers"),
        ("https://2130706433/", "by numbers"),
        ("https://localhost/", "private network"),
        ("https://example.com:8443/", "port 8443"),
        ("https://user:word@example.com/", "user or password"),
        ("https://example.com/\nX: y", "control character"),
    ],
)
def test_an_address_that_nothing_is_posted_to_is_refused_with_the_reason(
    url: str, why: str
) -> None:
    made = HOOKS.post("/webhooks", {"url": url})
    hook = make_hook()
    changed = HOOKS.request("PATCH", f"/webhooks/{hook['id']}", {"url": url})

    for answer in (made, changed):
        assert (answer.status, answer.body["code"]) == (422, "url_refused")
        assert answer.pointers == ["/url"]
        assert why in answer.body["errors"][0]["message"]


def test_a_wrong_event_type_and_an_unknown_field_are_named_at_once() -> None:
    answer = HOOKS.post("/webhooks", {"url": URL, "events": ["model.ready", "x"], "secret": "mine"})

    assert (answer.status, sorted(answer.pointers)) == (422, ["/events/1", "/secret"])


def test_a_null_is_refused_where_there_is_none() -> None:
    hook = make_hook()

    answer = HOOKS.request("PATCH", f"/webhooks/{hook['id']}", {"events": None})

    assert (answer.status, answer.pointers) == (422, ["/events"])


def test_another_workspace_and_a_lesser_role_see_none_of_it() -> None:
    hook = make_hook()
    other, trainer = Client(HOOKS.handler, "other"), Client(HOOKS.handler, role="trainer")

    for method, path in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""),
        ("POST", "/rotate"), ("POST", "/test"), ("GET", "/deliveries"),
    ):  # fmt: skip
        body = {} if method == "PATCH" else None
        asked = f"/webhooks/{hook['id']}{path}"
        assert other.request(method, asked, body).status == 404, asked
        assert trainer.request(method, asked, body).status == 403, asked
    assert other.get("/webhooks").body["data"] == []
    assert HOOKS.get(f"/webhooks/{hook['id']}").status == 200


def test_a_workspace_has_twenty_webhooks_at_most_and_a_deleted_one_makes_room() -> None:
    made = [make_hook() for _ in range(20)]

    refused = HOOKS.post("/webhooks", {"url": URL})
    HOOKS.request("DELETE", f"/webhooks/{made[0]['id']}")
    HOOKS.request("DELETE", f"/webhooks/{made[0]['id']}")

    assert (refused.status, refused.body["code"]) == (429, "too_many_webhooks")
    assert HOOKS.post("/webhooks", {"url": URL}).status == 201
    assert HOOKS.post("/webhooks", {"url": URL}).status == 429


def test_only_the_types_that_were_asked_for_are_told(receiver: Receiver) -> None:
    make_hook(events=["dataset.ready"])
    disabled = make_hook()
    HOOKS.request("PATCH", f"/webhooks/{disabled['id']}", {"enabled": False})
    ready_model(), ready_dataset()
    tell()

    assert receiver.types == ["dataset.ready"]


def test_the_topic_gets_every_notice_with_what_filters_go_by() -> None:
    model_id = ready_model()
    tell()

    (envelope,) = waiting(PUBLISHED)
    told = json.loads(envelope["Message"])
    assert (told["type"], told["workspace"], told["data"]["id"]) == (
        "model.ready",
        "acme",
        model_id,
    )
    attributes = {name: one["Value"] for name, one in envelope["MessageAttributes"].items()}
    assert attributes == {"id": told["id"], "type": "model.ready", "workspace": "acme"}


def test_a_test_notice_goes_out_even_where_the_webhook_is_disabled(receiver: Receiver) -> None:
    hook = make_hook(events=["dataset.ready"])
    HOOKS.request("PATCH", f"/webhooks/{hook['id']}", {"enabled": False})

    answer = HOOKS.post(f"/webhooks/{hook['id']}/test")
    tell()

    assert (answer.status, answer.body["status"], answer.body["attempts"]) == (202, "pending", [])
    (one,) = deliveries(hook)
    assert (one["event_id"], one["type"]) == (answer.body["event_id"], "webhook.test")
    assert (one["status"], one["attempts"][0]["status_code"]) == ("delivered", 204)
    assert receiver.types == ["webhook.test"]


def test_a_failure_is_tried_again_with_the_same_id_and_text_until_it_goes_well(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook()
    receiver.answers = [500, None, 302]
    ready_model()
    for _ in range(4):
        tell()
        pass_time(monkeypatch, hours=1)
        reconcile()

    (one,) = deliveries(hook)
    assert [(a["status_code"], a["error"]) for a in one["attempts"]] == [
        (500, "answered 500"),
        (None, "no answer within 10 s"),
        (302, "answered 302"),
        (204, None),
    ]
    assert (one["status"], one["next_attempt_at"]) == ("delivered", None)
    assert len({(got.headers["webhook-id"], got.body) for got in receiver.received}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.received}) == 4
    assert HOOKS.get(f"/webhooks/{hook['id']}").body["failing_since"] is None


def test_the_pauses_are_those_of_the_specification_and_have_an_end(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook()
    receiver.answers = [500] * 99
    ready_model()
    pauses = []
    for _ in range(12):
        tell()
        (one,) = deliveries(hook)
        if one["next_attempt_at"]:
            told = clock.now().fromisoformat(one["next_attempt_at"])
            pauses.append(round((told - clock.now()).total_seconds()))
        pass_time(monkeypatch, hours=11)
        reconcile()

    assert pauses == list(delivering.RETRY_SECONDS)
    assert (one["status"], len(one["attempts"])) == ("failed", 8)
    assert len(receiver.received) == 8


def test_an_attempt_within_15_minutes_comes_by_message_and_a_later_one_by_the_schedule(
    receiver: Receiver, aws_calls: AwsCalls
) -> None:
    hook = make_hook()
    receiver.answers = [500, 500, 500]
    ready_model()
    tell()
    sent = []
    for attempt in (2, 3):
        aws_calls.reset()
        (one,) = deliveries(hook)
        aws_calls.reset()
        hand_over(
            {
                "kind": "delivery",
                "workspace": "acme",
                "id": one["event_id"],
                "webhook_id": hook["id"],
                "attempt": attempt,
            }
        )
        sent.append(aws_calls.made.count("SendMessage"))

    assert sent == [1, 0]


def test_a_message_that_comes_twice_or_late_makes_no_second_attempt(receiver: Receiver) -> None:
    hook = make_hook()
    receiver.answers = [500]
    ready_model()
    (notice,) = waiting()
    hand_over(notice)
    (delivery,) = waiting()
    for _ in range(3):
        hand_over(notice), hand_over(delivery)

    assert len(receiver.received) == 1
    assert len(deliveries(hook)) == 1


def test_a_webhook_that_fails_for_days_is_disabled_with_a_word_on_it_and_begins_anew_when_enabled(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook()
    receiver.answers = [500] * 9
    ready_model("first")
    tell()
    pass_time(monkeypatch, days=5, hours=1)
    assert HOOKS.get(f"/webhooks/{hook['id']}").body["enabled"] is True
    ready_model("second")
    tell()

    disabled = HOOKS.get(f"/webhooks/{hook['id']}").body
    assert disabled["enabled"] is False
    assert "5 days" in disabled["disabled_reason"]
    assert "answered 500" in disabled["disabled_reason"]
    ready_model("third")
    tell()
    assert len(receiver.received) == 2
    enabled = HOOKS.request("PATCH", f"/webhooks/{hook['id']}", {"enabled": True}).body
    assert (enabled["disabled_reason"], enabled["failing_since"]) == (None, None)


def test_a_receiver_that_is_gone_for_good_is_taken_at_its_word(receiver: Receiver) -> None:
    hook = make_hook()
    receiver.answers = [410]
    ready_model()
    tell()

    assert deliveries(hook)[0]["status"] == "failed"
    assert "410" in HOOKS.get(f"/webhooks/{hook['id']}").body["disabled_reason"]


def test_what_waits_for_a_webhook_that_was_deleted_is_not_sent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook()
    receiver.answers = [500]
    ready_model()
    tell()
    HOOKS.request("DELETE", f"/webhooks/{hook['id']}")
    pass_time(monkeypatch, hours=1)
    reconcile(), tell(), reconcile()

    assert (len(receiver.received), tell()) == (1, 0)
    assert not list(table.query_all("acme#webhook#secret"))


def test_a_new_address_is_used_by_the_next_attempt(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook()
    receiver.answers = [500]
    ready_model()
    tell()
    HOOKS.request("PATCH", f"/webhooks/{hook['id']}", {"url": "https://example.org/new"})
    pass_time(monkeypatch, hours=1)
    reconcile(), tell()

    assert [one.url for one in receiver.received] == [URL, "https://example.org/new"]


@pytest.fixture
def internet(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    monkeypatch.setattr(sending, "network", web.network)
    return web


def test_a_post_goes_to_a_public_server_over_tls_with_all_its_headers(internet: Web) -> None:
    internet.pages["https://models.example.com/hook?a=1"] = Page(status=204)

    outcome = sending.post(
        "https://models.example.com/hook?a=1", {"webhook-id": "evt_1"}, '{"ü":1}'
    )

    assert (outcome.status_code, outcome.error) == (204, None)
    (asked,) = internet.asked
    assert asked.headers["webhook-id"] == "evt_1"
    assert (asked.headers["content-length"], asked.headers["host"]) == ("8", "models.example.com")


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1"])
def test_a_name_that_leads_inside_is_not_connected_to(internet: Web, inside: str) -> None:
    internet.names["models.example.com"] = inside

    outcome = sending.post("https://models.example.com/hook", {}, "{}")

    assert outcome.status_code is None
    assert "private network" in (outcome.error or "")
    assert internet.asked == []


def test_a_redirect_is_not_followed(internet: Web) -> None:
    internet.pages["https://models.example.com/hook"] = Page(
        status=307, headers={"Location": "https://civitai.com/hook"}
    )

    outcome = sending.post("https://models.example.com/hook", {}, "{}")

    assert "redirects are not followed" in (outcome.error or "")
    assert [one.host for one in internet.asked] == ["models.example.com"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://nowhere.example.net/", "can't be found"),
        ("https://example.net/", "certificate"),
    ],
)
def test_why_a_receiver_was_not_reached_is_told(internet: Web, url: str, why: str) -> None:
    internet.names["example.net"] = internet.names["models.example.com"]

    outcome = sending.post(url, {}, "{}")

    assert outcome.status_code is None
    assert why in (outcome.error or "")


def test_http_to_this_machine_is_for_local_mode_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:8099/hook"
    refused = HOOKS.post("/webhooks", {"url": url})
    local = address.Settings.load().model_copy(update={"webhooks_to_loopback": True})
    monkeypatch.setattr(address.Settings, "load", lambda: local)

    assert refused.status == 422
    assert HOOKS.post("/webhooks", {"url": url}).status == 201
    for other in ("http://10.0.0.1/", "http://example.com/", "https://127.0.0.1/"):
        assert HOOKS.post("/webhooks", {"url": other}).status == 422, other


def test_the_log_of_a_delivery_names_no_secret_and_no_address(
    receiver: Receiver, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = make_hook(url=f"{URL}?token=hidden")
    ready_model()
    tell()

    logged = "".join(capsys.readouterr())
    assert hook["secret"] not in logged
    assert "hidden" not in logged


def test_messages_say_whose_they_are_so_that_the_queue_is_fair() -> None:
    ready_model()

    (message,) = aws.sqs().receive_message(QueueUrl=QUEUE, AttributeNames=["All"])["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "acme"
