"""The functions: what each is, and what each is told."""

import json
import re
from pathlib import Path

import pytest
from conftest import shown

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = {
    "DatasetsFunction": ("lambdas.datasets.handler.handler", 29),
    "ModelsFunction": ("lambdas.models.handler.handler", 29),
    "TrainingsFunction": ("lambdas.trainings.handler.handler", 29),
    "AccessFunction": ("lambdas.access.handler.handler", 29),
    "AuthorizerFunction": ("lambdas.access.authorizer.handler", 10),
    "TrainingStatusFunction": ("lambdas.training_status.handler.handler", 300),
    "AssetWorkerFunction": ("lambdas.asset_worker.handler.handler", 900),
    "WebhooksFunction": ("lambdas.webhooks.handler.handler", 29),
    "NotifierFunction": ("lambdas.notifier.handler.handler", 60),
}
COMMON = {
    "TABLE_NAME": "<StorageTable>",
    "BUCKET_NAME": "<StorageBucket>",
    "DEPLOYMENT": "lorastack",
    "CONSOLE_ORIGINS": "*",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}
JOBS = {
    "TRAINING_ROLE_ARN": "<TrainingRole.Arn>",
    "DEFAULT_INSTANCE_TYPE": "ml.g5.xlarge",
    "DEFAULT_MAX_RUNTIME_MINUTES": "360",
    "VOLUME_SIZE_GB": "100",
    "SUBNET_IDS": "",
    "SECURITY_GROUP_IDS": "",
    "KMS_KEY_ID": "",
    "TRAINING_PRICES": "{}",
    "TRAINING_TAGS": "{}",
}
LIMITS = {
    "MAX_ACTIVE_TRAININGS": "20",
    "MAX_GPU_HOURS_PER_MONTH": "500",
    "MAX_USD_PER_MONTH": "1000",
    "MAX_STORED_GB": "2000",
    "AUDIT_DAYS": "90",
}
# Those that make something for which a limit holds, and the one that tells of limits.
LIMITED = {
    *("DatasetsFunction", "ModelsFunction", "TrainingsFunction", "AccessFunction"),
    "AssetWorkerFunction",
}
QUEUE = {"ASSET_QUEUE_URL": "<AssetsQueue>"}
SENDS = {
    *("DatasetsFunction", "ModelsFunction", "TrainingsFunction"),
    *("AssetWorkerFunction", "TrainingStatusFunction"),
}
NOTICES = {"NOTICE_QUEUE_URL": "<NoticesQueue>"}
TELLS = {
    *("ModelsFunction", "TrainingsFunction", "TrainingStatusFunction", "AssetWorkerFunction"),
    *("WebhooksFunction", "NotifierFunction"),
}
STARTS_JOBS = {"TrainingsFunction", "TrainingStatusFunction"}


def environment(deployed, function: str) -> dict[str, str]:
    variables = deployed.of_type("AWS::Lambda::Function")[function]["Environment"]["Variables"]
    return {name: shown(value) for name, value in variables.items()}


def test_the_functions_are_these(deployed):
    functions = deployed.of_type("AWS::Lambda::Function")

    assert {n: (f["Handler"], f["Timeout"]) for n, f in functions.items()} == HANDLERS


@pytest.mark.parametrize("handler", [handler for handler, _ in HANDLERS.values()])
def test_every_handler_is_a_function_in_the_sources(handler):
    *module, name = handler.split(".")

    source = (ROOT / Path(*module)).with_suffix(".py").read_text(encoding="utf-8")
    assert re.search(rf"^(def {name}\(|{name} = )", source, re.MULTILINE)


@pytest.mark.parametrize("function", HANDLERS)
def test_every_function_runs_python_3_13_on_arm_with_json_logs_and_traces(deployed, function):
    properties = deployed.of_type("AWS::Lambda::Function")[function]

    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["MemorySize"] == (2048 if function == "AssetWorkerFunction" else 1024)
    assert properties["TracingConfig"] == {"Mode": "Active"}
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert properties["LoggingConfig"]["ApplicationLogLevel"] == "INFO"
    assert shown(properties["LoggingConfig"]["LogGroup"]) == f"<{function}Logs>"


def test_no_log_is_kept_for_ever(deployed):
    groups = deployed.of_type("AWS::Logs::LogGroup")

    assert {f"{function}Logs" for function in HANDLERS} <= set(groups)
    assert all(group["RetentionInDays"] <= 90 for group in groups.values())


@pytest.mark.parametrize("function", sorted(set(HANDLERS) - STARTS_JOBS))
def test_a_function_is_told_what_all_are_told(deployed, function):
    room = HANDLERS[function][0].split(".")[1]

    queue = QUEUE if function in SENDS else {}
    limits = LIMITS if function in LIMITED else {}
    queue = queue | (NOTICES if function in TELLS else {})
    if function == "AssetWorkerFunction":
        queue = queue | {"PILLOW_BLOCK_SIZE": "256m"}
    if function == "NotifierFunction":
        queue = queue | {"NOTICE_TOPIC_ARN": "<NoticesTopic>"}
    assert environment(deployed, function) == {
        **COMMON,
        **queue,
        **limits,
        "POWERTOOLS_SERVICE_NAME": room,
    }


@pytest.mark.parametrize("function", sorted(STARTS_JOBS))
def test_a_function_that_starts_jobs_is_told_how(deployed, function):
    told = environment(deployed, function)
    image = told.pop("TRAINING_IMAGE_URI")

    room = HANDLERS[function][0].split(".")[1]
    queue = QUEUE if function in SENDS else {}
    limits = LIMITS if function in LIMITED else {}
    assert told == {**COMMON, **JOBS, **NOTICES, **queue, **limits, "POWERTOOLS_SERVICE_NAME": room}
    assert ".dkr.ecr." in image


def test_the_settings_reach_the_functions(synthesize_with):
    told = environment(
        synthesize_with(
            deployment="second",
            default_instance_type="ml.g4dn.xlarge",
            default_max_runtime_minutes=90,
            volume_size_gb=50,
            max_active_trainings=3,
            max_gpu_hours_per_month=12.5,
            max_usd_per_month="none",
            audit_days=7,
            subnet_ids=["subnet-0a1b2c3d", "subnet-1a1b2c3d"],
            security_group_ids=["sg-0a1b2c3d"],
            tags={"team": "Ünïcode", "cost": "1/2"},
            training_prices={"ml.g5.xlarge": 1.5},
            log_level="WARNING",
        ),
        "TrainingsFunction",
    )

    assert told["DEPLOYMENT"] == "second"
    assert told["POWERTOOLS_LOG_LEVEL"] == "WARNING"
    assert told["DEFAULT_INSTANCE_TYPE"] == "ml.g4dn.xlarge"
    assert told["DEFAULT_MAX_RUNTIME_MINUTES"] == "90"
    assert told["VOLUME_SIZE_GB"] == "50"
    assert told["MAX_ACTIVE_TRAININGS"] == "3"
    assert told["MAX_GPU_HOURS_PER_MONTH"] == "12.5"
    assert told["MAX_USD_PER_MONTH"] == ""
    assert told["AUDIT_DAYS"] == "7"
    assert told["SUBNET_IDS"] == "subnet-0a1b2c3d,subnet-1a1b2c3d"
    assert told["SECURITY_GROUP_IDS"] == "sg-0a1b2c3d"
    assert json.loads(told["TRAINING_PRICES"]) == {"ml.g5.xlarge": 1.5}
    assert json.loads(told["TRAINING_TAGS"]) == {"team": "Ünïcode", "cost": "1/2"}
