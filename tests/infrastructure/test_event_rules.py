"""What wakes the training_status function, tried with events as AWS sends them."""

import json

import pytest
from conftest import shown
from moto.events.models import EventPattern

FUNCTION = "<TrainingStatusFunction.Arn>"
WORKER = "<AssetWorkerFunction.Arn>"
NOTIFIER = "<NotifierFunction.Arn>"
QUEUE = "<EventsDeadLetters.Arn>"


@pytest.fixture(scope="module")
def rules(deployed) -> dict[str, dict]:
    return deployed.of_type("AWS::Events::Rule")


def matches(rule: dict, event: dict) -> bool:
    pattern = json.dumps(rule["EventPattern"]).replace(
        json.dumps(rule["EventPattern"]["detail"]["bucket"]["name"][0])
        if "bucket" in rule["EventPattern"]["detail"]
        else "\0",
        '"our-bucket"',
    )
    return EventPattern.load(pattern).matches_event(event)


def job_event(name: str) -> dict:
    return {
        "version": "0",
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Training Job State Change",
        "detail": {"TrainingJobName": name, "TrainingJobStatus": "InProgress"},
    }


def object_event(key: str, *, bucket: str = "our-bucket", kind: str = "Object Created") -> dict:
    return {
        "version": "0",
        "source": "aws.s3",
        "detail-type": kind,
        "detail": {"version": "0", "bucket": {"name": bucket}, "object": {"key": key, "size": 90}},
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lorastack-team-01K9ZQ3W7M8J2N4P6R8T0V2X4Z", True),
        ("lorastack2-team-01K9ZQ3W7M8J2N4P6R8T0V2X4Z", False),
        ("other-lorastack-01K9ZQ3W7M8J2N4P6R8T0V2X4Z", False),
        ("lorastack", False),
    ],
)
def test_only_the_jobs_of_this_deployment_wake_the_function(rules, name, expected):
    assert matches(rules["EventsJobStateRule"], job_event(name)) is expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (object_event("team/trainings/trn_1/checkpoints/progress.json"), True),
        (object_event("team/trainings/trn_1/checkpoints/metrics/00000001-00000020.jsonl"), False),
        (object_event("team/trainings/trn_1/checkpoints/lora/a.safetensors"), False),
        (object_event("team/trainings/trn_1/progress.json"), False),
        (object_event("a/trainings/b/checkpoints/progress.json", bucket="another"), False),
        (object_event("a/trainings/b/checkpoints/progress.json", kind="Object Deleted"), False),
    ],
)
def test_only_new_progress_objects_wake_the_function(rules, event, expected):
    assert matches(rules["EventsProgressRule"], event) is expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (object_event("team/inbox/detail.safetensors"), True),
        (object_event("team/inbox/loras/detail v2.safetensors"), True),
        (object_event("team/inbox/100_demo/1.png"), False),
        (object_event("team/inbox/100_demo/1.txt"), False),
        (object_event("team/inbox/model.ckpt"), False),
        (object_event("team/models/mdl_1/a.safetensors"), False),
        (object_event("team/inbox/a.safetensors", bucket="another"), False),
        (object_event("team/inbox/a.safetensors", kind="Object Deleted"), False),
    ],
)
def test_only_model_files_that_arrive_in_an_inbox_are_told_to_the_worker(rules, event, expected):
    assert matches(rules["AssetsArrivalRule"], event) is expected


@pytest.mark.parametrize("name", ["EventsProgressRule", "AssetsArrivalRule"])
def test_the_rules_for_objects_name_our_bucket(rules, name):
    (bucket,) = rules[name]["EventPattern"]["detail"]["bucket"]["name"]

    assert shown(bucket) == "<StorageBucket>"


def test_only_the_rule_may_put_events_into_the_workers_queue(deployed):
    policy = deployed.of_type("AWS::SQS::QueuePolicy")["AssetsQueuePolicy"]
    allowed = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]

    (statement,) = allowed
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage" or "sqs:SendMessage" in statement["Action"]
    (source,) = statement["Condition"]["ArnEquals"].values()
    assert shown(source) == "<AssetsArrivalRule.Arn>"


def test_an_arrival_that_cannot_be_queued_is_kept(rules):
    (target,) = rules["AssetsArrivalRule"]["Targets"]

    assert shown(target["DeadLetterConfig"]["Arn"]) == "<AssetsDeadLetters.Arn>"
    assert "InputTransformer" not in target


@pytest.mark.parametrize(
    "name", ["EventsReconcileRule", "AssetsReconcileRule", "NoticesReconcileRule"]
)
def test_every_minute_a_function_is_told_to_reconcile(rules, name):
    rule = rules[name]

    (target,) = rule["Targets"]
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert json.loads(target["Input"]) == {
        "source": "lorastack.schedule",
        "detail-type": "Reconcile",
    }


def test_there_are_these_rules_and_each_goes_to_its_one_function(rules, deployed):
    targets = {name: [shown(t["Arn"]) for t in rule["Targets"]] for name, rule in rules.items()}

    assert targets == {
        "EventsJobStateRule": [FUNCTION],
        "EventsProgressRule": [FUNCTION],
        "EventsReconcileRule": [FUNCTION],
        "AssetsReconcileRule": [WORKER],
        "AssetsArrivalRule": ["<AssetsQueue.Arn>"],
        "NoticesReconcileRule": [NOTIFIER],
    }
    callers = sorted(
        shown(permission["FunctionName"])
        for permission in deployed.of_type("AWS::Lambda::Permission").values()
        if permission["Principal"] == "events.amazonaws.com"
    )
    assert callers == [WORKER, NOTIFIER] + [FUNCTION] * 3


@pytest.mark.parametrize("name", ["EventsJobStateRule", "EventsProgressRule"])
def test_an_event_that_cannot_be_delivered_is_retried_and_then_kept(rules, name):
    (target,) = rules[name]["Targets"]

    assert shown(target["DeadLetterConfig"]["Arn"]) == QUEUE
    assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0


def test_an_event_that_the_function_failed_on_is_retried_and_then_kept(deployed):
    config = deployed.only("AWS::Lambda::EventInvokeConfig")

    assert shown(config["FunctionName"]) == "<TrainingStatusFunction>"
    assert config["MaximumRetryAttempts"] == 2
    assert shown(config["DestinationConfig"]["OnFailure"]["Destination"]) == QUEUE


def test_messages_are_encrypted_and_reached_by_tls_only(deployed):
    queues = deployed.of_type("AWS::SQS::Queue")
    policies = deployed.of_type("AWS::SQS::QueuePolicy")

    assert set(queues) == {
        *("EventsDeadLetters", "AssetsDeadLetters", "AssetsQueue"),
        *("NoticesDeadLetters", "NoticesQueue"),
    }
    assert {name.removesuffix("Policy") for name in policies} == set(queues)
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())
    for policy in policies.values():
        conditions = [s["Condition"].get("Bool") for s in policy["PolicyDocument"]["Statement"]]
        assert {"aws:SecureTransport": "false"} in conditions


def test_the_topic_is_encrypted_and_reached_by_tls_only(deployed):
    topic = deployed.only("AWS::SNS::Topic")
    policy = deployed.only("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]

    assert "alias/aws/sns" in shown(topic["KmsMasterKeyId"])
    assert {"aws:SecureTransport": "false"} in [one["Condition"].get("Bool") for one in policy]


@pytest.mark.parametrize("name", ["EventsDeadLetters", "AssetsDeadLetters", "NoticesDeadLetters"])
def test_what_could_not_be_done_is_kept_for_14_days(deployed, name):
    assert deployed.of_type("AWS::SQS::Queue")[name]["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize(
    ("room", "function", "tries"),
    [("Assets", "AssetWorkerFunction", 3), ("Notices", "NotifierFunction", 5)],
)
def test_a_message_comes_some_times_and_not_while_the_function_may_still_be_at_it(
    deployed, room, function, tries
):
    queue = deployed.of_type("AWS::SQS::Queue")[f"{room}Queue"]
    sources = deployed.of_type("AWS::Lambda::EventSourceMapping").values()
    (source,) = [one for one in sources if shown(one["FunctionName"]) == f"<{function}>"]

    assert (
        queue["VisibilityTimeout"] > deployed.of_type("AWS::Lambda::Function")[function]["Timeout"]
    )
    assert queue["RedrivePolicy"]["maxReceiveCount"] == tries
    assert shown(queue["RedrivePolicy"]["deadLetterTargetArn"]) == f"<{room}DeadLetters.Arn>"
    assert shown(source["EventSourceArn"]) == f"<{room}Queue.Arn>"
    assert source["BatchSize"] == 1
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
