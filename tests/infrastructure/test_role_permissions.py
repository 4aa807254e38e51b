"""Who may do what: exactly what is needed, and never a Scan."""

import json
from collections import defaultdict

import pytest

RECORDS = {
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:Query",
    "dynamodb:BatchGetItem",
    "dynamodb:ConditionCheckItem",
}
TABLE = "<StorageTable.Arn>"
INDEXES = {f"{TABLE}/index/open", f"{TABLE}/index/facets"}
BUCKET = "<StorageBucket.Arn>"
ROLES = [
    "DatasetsFunctionRole",
    "ModelsFunctionRole",
    "TrainingsFunctionRole",
    "AccessFunctionRole",
    "AuthorizerFunctionRole",
    "TrainingStatusFunctionRole",
    "AssetWorkerFunctionRole",
    "WebhooksFunctionRole",
    "NotifierFunctionRole",
    "TrainingRole",
]
# Actions that know no resource, or whose resource AWS makes up.
MAY_SAY_ANY_RESOURCE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ecr:GetAuthorizationToken",
    "cloudwatch:PutMetricData",
}


def by_resource(deployed, role: str, service: str) -> dict[str, set[str]]:
    """Actions of one service by resource."""
    found = defaultdict(set)
    for statement in deployed.allowed(role):
        for resource in statement.resources:
            found[resource] |= {a for a in statement.actions if a.startswith(f"{service}:")}
    return {resource: actions for resource, actions in found.items() if actions}


def test_every_role_with_a_policy_is_looked_at_here(deployed):
    policies = deployed.of_type("AWS::IAM::Policy")

    assert set(policies) == {f"{role}DefaultPolicy" for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
def test_no_action_is_a_wildcard_and_none_is_a_scan(deployed, role):
    actions = {action for statement in deployed.allowed(role) for action in statement.actions}

    assert actions
    assert not {action for action in actions if "*" in action or action.endswith(":Scan")}


@pytest.mark.parametrize("role", ROLES)
def test_no_resource_is_everything_where_aws_knows_a_narrower_one(deployed, role):
    unbounded = {a for s in deployed.allowed(role) if "*" in s.resources for a in s.actions}

    assert unbounded <= MAY_SAY_ANY_RESOURCE


@pytest.mark.parametrize(
    "function",
    ["Datasets", "Models", "Trainings", "Access", "TrainingStatus", "Webhooks", "Notifier"],
)
def test_a_function_reads_and_writes_items_and_queries_the_indexes(deployed, function):
    granted = by_resource(deployed, f"{function}FunctionRole", "dynamodb")

    assert granted == {TABLE: RECORDS, **{index: {"dynamodb:Query"} for index in INDEXES}}


def test_the_worker_also_writes_items_in_batches(deployed):
    granted = by_resource(deployed, "AssetWorkerFunctionRole", "dynamodb")

    assert granted[TABLE] == RECORDS | {"dynamodb:BatchWriteItem"}


@pytest.mark.parametrize(
    ("queue", "taker", "senders"),
    [
        ("<AssetsQueue.Arn>", "AssetWorker", {"Datasets", "Models", "Trainings", "TrainingStatus"}),
        (
            "<NoticesQueue.Arn>",
            "Notifier",
            {"Models", "Trainings", "TrainingStatus", "AssetWorker", "Webhooks"},
        ),
    ],
)
def test_who_may_send_to_a_queue_and_who_may_take(deployed, queue, taker, senders):
    granted = {role: by_resource(deployed, role, "sqs").get(queue, set()) for role in ROLES}

    assert granted.pop(f"{taker}FunctionRole") == {
        "sqs:SendMessage",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
    }
    sending = {role.removesuffix("FunctionRole") for role, actions in granted.items() if actions}
    assert sending == senders
    assert all(actions in (set(), {"sqs:SendMessage"}) for actions in granted.values())


def test_the_notifier_alone_publishes_and_only_where_there_is_a_topic(deployed, synthesize_with):
    publishing = {role: by_resource(deployed, role, "sns") for role in ROLES}

    assert publishing.pop("NotifierFunctionRole") == {"<NoticesTopic>": {"sns:Publish"}}
    assert not any(publishing.values())
    without = synthesize_with(notice_topic=False)
    assert without.of_type("AWS::SNS::Topic") == {}
    assert by_resource(without, "NotifierFunctionRole", "sns") == {}
    told = without.of_type("AWS::Lambda::Function")["NotifierFunction"]["Environment"]["Variables"]
    assert "NOTICE_TOPIC_ARN" not in told


def test_no_deployment_posts_to_its_own_machine(deployed):
    functions = deployed.of_type("AWS::Lambda::Function").values()

    told = [one["Environment"]["Variables"] for one in functions if "Environment" in one]
    assert told
    assert not [variables for variables in told if "WEBHOOKS_TO_LOOPBACK" in variables]


def test_the_authorizer_reads_a_token_and_notes_its_use_and_no_more(deployed):
    granted = by_resource(deployed, "AuthorizerFunctionRole", "dynamodb")

    assert granted == {TABLE: {"dynamodb:GetItem", "dynamodb:UpdateItem"}}
    assert by_resource(deployed, "AuthorizerFunctionRole", "s3") == {}


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (
            "DatasetsFunctionRole",
            {
                BUCKET: {"s3:ListBucket"},
                f"{BUCKET}/*/datasets/*": {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"},
            },
        ),
        (
            "ModelsFunctionRole",
            {
                f"{BUCKET}/*/models/*": {
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                },
            },
        ),
        (
            "TrainingsFunctionRole",
            {
                BUCKET: {"s3:ListBucket"},
                f"{BUCKET}/*/trainings/*": {"s3:GetObject", "s3:PutObject"},
                f"{BUCKET}/*/trainings/*/input/*": {"s3:PutObjectTagging"},
            },
        ),
        (
            "TrainingStatusFunctionRole",
            {
                BUCKET: {"s3:ListBucket"},
                f"{BUCKET}/*/trainings/*": {"s3:GetObject"},
                f"{BUCKET}/*/models/*": {
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                },
            },
        ),
        (
            "AssetWorkerFunctionRole",
            {
                BUCKET: {"s3:ListBucket", "s3:ListBucketMultipartUploads"},
                f"{BUCKET}/*/datasets/*": {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"},
                f"{BUCKET}/*/inbox/*": {"s3:GetObject"},
                f"{BUCKET}/*/models/*": {
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                },
                f"{BUCKET}/*/trainings/*": {"s3:GetObject", "s3:DeleteObject"},
            },
        ),
        ("AccessFunctionRole", {}),
        ("WebhooksFunctionRole", {}),
        ("NotifierFunctionRole", {}),
        (
            "TrainingRole",
            {
                BUCKET: {"s3:ListBucket"},
                f"{BUCKET}/*/datasets/*": {"s3:GetObject"},
                f"{BUCKET}/*/models/*": {"s3:GetObject"},
                f"{BUCKET}/*/trainings/*": {
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                },
            },
        ),
    ],
)
def test_files_are_reached_by_kind(deployed, role, expected):
    assert by_resource(deployed, role, "s3") == expected


def test_the_worker_alone_reads_the_one_secret_and_what_settings_let_it_import(synthesize_with):
    given = synthesize_with(
        download_secret_name="team/downloads",
        import_prefixes={"acme": ["s3://acme-files/models/"], "other": ["s3://theirs/"]},
    )

    secrets = {role: by_resource(given, role, "secretsmanager") for role in ROLES}
    arn = "arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret"
    read = {f"{arn}:team/downloads-??????": {"secretsmanager:GetSecretValue"}}
    assert secrets.pop("AssetWorkerFunctionRole") == read
    assert not any(secrets.values())
    objects = by_resource(given, "AssetWorkerFunctionRole", "s3")
    for prefix in ("acme-files/models/", "theirs/"):
        assert objects[f"arn:<AWS::Partition>:s3:::{prefix}*"] == {"s3:GetObject"}
    told = {
        name: function["Environment"]["Variables"]
        for name, function in given.of_type("AWS::Lambda::Function").items()
        if "Environment" in function
    }
    knowing = {name for name, variables in told.items() if "IMPORT_PREFIXES" in variables}
    assert knowing == {"DatasetsFunction", "ModelsFunction"}
    assert json.loads(told["ModelsFunction"]["IMPORT_PREFIXES"])["other"] == ["s3://theirs/"]
    assert told["AssetWorkerFunction"]["DOWNLOAD_SECRET_NAME"] == "team/downloads"


def test_no_secret_can_be_read_where_none_is_set(deployed):
    assert not any(by_resource(deployed, role, "secretsmanager") for role in ROLES)


@pytest.mark.parametrize("role", ["TrainingsFunctionRole", "TrainingStatusFunctionRole"])
def test_only_jobs_of_this_deployment_can_be_started_and_stopped(deployed, role):
    jobs = by_resource(deployed, role, "sagemaker")

    prefix = "arn:<AWS::Partition>:sagemaker:<AWS::Region>:<AWS::AccountId>:training-job/"
    assert jobs == {
        f"{prefix}lorastack-*": {
            "sagemaker:CreateTrainingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:StopTrainingJob",
            "sagemaker:AddTags",
        }
    }


@pytest.mark.parametrize("role", ["TrainingsFunctionRole", "TrainingStatusFunctionRole"])
def test_only_the_training_role_can_be_passed_and_only_to_sagemaker(deployed, role):
    passing = [s for s in deployed.allowed(role) if "iam:PassRole" in s.actions]

    assert [(s.actions, s.resources, json.loads(s.condition)) for s in passing] == [
        (
            ("iam:PassRole",),
            ("<TrainingRole.Arn>",),
            {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )
    ]


@pytest.mark.parametrize(
    "function", ["Datasets", "Models", "Access", "Authorizer", "Webhooks", "Notifier"]
)
def test_the_other_functions_cannot_touch_jobs(deployed, function):
    actions = {a for s in deployed.allowed(f"{function}FunctionRole") for a in s.actions}

    assert not {a for a in actions if a.startswith(("sagemaker:", "iam:"))}


def test_a_training_job_cannot_reach_the_table(deployed):
    services = {a.split(":")[0] for s in deployed.allowed("TrainingRole") for a in s.actions}

    assert services == {"s3", "logs", "ecr", "cloudwatch"}


def test_only_sagemaker_of_this_account_can_take_the_training_role(deployed):
    role = deployed.of_type("AWS::IAM::Role")["TrainingRole"]

    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_a_training_job_writes_the_log_streams_of_this_deployment_only(deployed):
    writing = [s for s in deployed.allowed("TrainingRole") if "logs:PutLogEvents" in s.actions]

    (streams,) = [resource for s in writing for resource in s.resources]
    assert streams.endswith(":log-group:/aws/sagemaker/TrainingJobs:log-stream:lorastack-*")


def test_the_image_of_this_checkout_can_be_pulled_by_the_job(deployed):
    (pulled,) = [r for r in by_resource(deployed, "TrainingRole", "ecr") if r != "*"]
    assert "repository/cdk-hnb659fds-container-assets-" in pulled


def test_an_image_of_the_settings_is_pulled_from_its_own_repository(synthesize_with):
    given = synthesize_with(
        training_image_uri="111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/kohya:0.10"
    )

    granted = by_resource(given, "TrainingRole", "ecr")
    arn = "arn:<AWS::Partition>:ecr:eu-west-1:111122223333:repository/team/kohya"
    assert set(granted) == {arn, "*"}
    environment = given.of_type("AWS::Lambda::Function")["TrainingsFunction"]["Environment"]
    assert environment["Variables"]["TRAINING_IMAGE_URI"].endswith("team/kohya:0.10")


def test_a_job_in_a_vpc_may_make_its_network_interfaces(synthesize_with, deployed):
    inside = synthesize_with(subnet_ids=["subnet-0a1b2c3d"], security_group_ids=["sg-0a1b2c3d"])

    assert "ec2:CreateNetworkInterface" in by_resource(inside, "TrainingRole", "ec2")["*"]
    assert by_resource(deployed, "TrainingRole", "ec2") == {}


def test_a_folder_to_import_from_is_listed_by_one_function_and_read_by_the_worker(synthesize_with):
    given = synthesize_with(import_prefixes={"acme": ["s3://team-data/rabbits/"]})

    bucket = "arn:<AWS::Partition>:s3:::team-data"
    listing = by_resource(given, "DatasetsFunctionRole", "s3")
    reading = by_resource(given, "AssetWorkerFunctionRole", "s3")
    assert listing[bucket] == {"s3:ListBucket"}
    assert reading[f"{bucket}/rabbits/*"] == {"s3:GetObject"}
    assert bucket not in reading
    (statement,) = [s for s in given.allowed("DatasetsFunctionRole") if bucket in s.resources]
    assert json.loads(statement.condition) == {"StringLike": {"s3:prefix": ["rabbits/*"]}}
    environment = given.of_type("AWS::Lambda::Function")["DatasetsFunction"]["Environment"]
    told = json.loads(environment["Variables"]["IMPORT_PREFIXES"])
    assert told == {"acme": ["s3://team-data/rabbits/"]}
