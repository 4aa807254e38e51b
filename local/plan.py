"""What a local stack consists of: addresses, credentials, environments, programs."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.children import Program
from local.credentials import OPERATOR, access_key_id, secret_access_key
from local.function_sockets import FunctionSockets
from local.functions import Hosted
from local.intrinsics import ACCOUNT, REGION
from local.state import State
from local.template import Function, Template

ROOT = Path(__file__).resolve().parent.parent
MOTO, JOBS = "moto", "sagemaker"
INHERITED = ("PATH", "HOME", "LANG", "PYTHONDONTWRITEBYTECODE")  # by functions, and no more
KOHYA_VARIABLES = (
    *("KOHYA_HOME", "KOHYA_PYTHON", "KOHYA_TOKENIZERS", "KOHYA_TAGGER", "KOHYA_CPU"),
)
# What no deployment sets: receivers of webhooks on this machine, over http.
LOCAL_ALONE = {"WEBHOOKS_TO_LOOPBACK": "true"}
REPORT_SECONDS = "LORASTACK_REPORT_SECONDS"
ENGINE_VARIABLES = (*KOHYA_VARIABLES, "LORASTACK_REHEARSAL_STEP_SECONDS")


@dataclass(frozen=True)
class Options:
    """The command line."""

    port: int
    state: Path
    processes: int
    workspace: str
    cdk_out: Path
    code: Path


@dataclass(frozen=True)
class Addresses:
    """Where everything listens, as URLs."""

    gateway: str
    s3: str
    sagemaker: str
    moto: str
    events: str


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the first process starts."""

    options: Options
    state: State
    template: Template
    addresses: Addresses

    @property
    def base_url(self) -> str:
        """The URL of the API's stage."""
        return f"{self.addresses.gateway}/{self.template.api.stage}"

    def credentials(self, key_id: str) -> dict[str, str]:
        """The environment that makes AWS's libraries use this key against this stack only."""
        a = self.addresses
        return {
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret_access_key(self.state.secret, key_id),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # What has no endpoint of its own goes to moto and never to AWS.
            "AWS_ENDPOINT_URL": a.moto,
            "AWS_ENDPOINT_URL_DYNAMODB": a.moto,
            "AWS_ENDPOINT_URL_EVENTBRIDGE": a.moto,
            "AWS_ENDPOINT_URL_EVENTS": a.moto,
            "AWS_ENDPOINT_URL_SNS": a.moto,
            "AWS_ENDPOINT_URL_SQS": a.moto,
            "AWS_ENDPOINT_URL_S3": a.s3,
            "AWS_ENDPOINT_URL_SAGEMAKER": a.sagemaker,
        }

    def operator_environment(self) -> dict[str, str]:
        """The environment of a command that acts as the operator of the deployment."""
        tables = {"TABLE_NAME": self.template.tables[0].name} if self.template.tables else {}
        buckets = {"BUCKET_NAME": self.template.buckets[0].name} if self.template.buckets else {}
        return {**clean_environment(), **self.credentials(OPERATOR), **tables, **buckets}

    def function_environment(self, function: Function) -> dict[str, str]:
        """What Lambda's runtime would set, and what the template sets for this function.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
        """
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "LAMBDA_TASK_ROOT": str(self.options.code),
            "_HANDLER": function.handler,
            "_X_AMZN_TRACE_ID": "",
            "TZ": ":UTC",
            "POWERTOOLS_TRACE_DISABLED": "true",
            **LOCAL_ALONE,
            # A request that waits holds one of a few processes here, and others want them.
            "MOST_WAITS": str(max(1, self.options.processes // 2)),
            **function.environment,
            **self.credentials(access_key_id(function.logical_id)),
        }


def clean_environment() -> dict[str, str]:
    """Our own environment without anything of the user's AWS account; `local` can be imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def programs(plan: Plan, sockets: FunctionSockets) -> list[Program]:
    """The processes that the template has work for, the slowest to start first."""
    state, addresses = plan.state, plan.addresses
    moto = {
        "secret": state.secret,
        "cdk_out": str(plan.options.cdk_out),
        "events_url": addresses.events,
    }
    endpoint = _endpoint_config(plan)
    state.write_json("moto.json", moto)
    state.write_json("s3.json", endpoint)
    state.write_json("sagemaker.json", endpoint)
    state.write_json("functions.json", _functions_config(plan, sockets))
    found = [
        _endpoint(plan, MOTO, "local.moto_server", addresses.moto, state.root),
        _functions(plan, sockets),
    ]
    if plan.template.training_role:
        end_seconds = 15.0  # its jobs get a while to end
        found.append(
            _endpoint(plan, JOBS, "local.sagemaker", addresses.sagemaker, None, end_seconds)
        )
    if plan.template.buckets:
        found.append(_endpoint(plan, "s3", "local.s3", addresses.s3))
    return found


def _endpoint(
    plan: Plan,
    name: str,
    module: str,
    url: str,
    root: Path | None = None,
    end_seconds: float = 5.0,
) -> Program:
    state = plan.state
    arguments = ["--port", url.rpartition(":")[2], "--root", str(root or state.root / name)]
    return Program(
        name=name,
        arguments=[module, *arguments, "--config", str(state.root / f"{name}.json")],
        environment=clean_environment(),
        log=state.fresh_log(name),
        inherited=[state.lock],
        end_seconds=end_seconds,
    )


def _functions(plan: Plan, sockets: FunctionSockets) -> Program:
    return Program(
        name=f"{len(sockets)} functions",
        arguments=["local.functions", str(plan.state.root / "functions.json")],
        environment=clean_environment(),
        log=plan.state.fresh_log("functions"),
        inherited=[plan.state.lock, *(one.fileno() for _, one in sockets.values())],
    )


def _endpoint_config(plan: Plan) -> dict[str, Any]:
    template = plan.template
    training_role = template.training_role
    report_seconds = _report_seconds()
    return {
        "buckets": {
            b.name: {"cors": list(b.cors), "event_bridge": b.event_bridge} for b in template.buckets
        },
        "events_url": plan.addresses.events,
        "secret": plan.state.secret,
        "cdk_out": str(plan.options.cdk_out),
        "s3_url": plan.addresses.s3,
        "region": REGION,
        "account": ACCOUNT,
        "image_environment": {
            REPORT_SECONDS: str(report_seconds),
            **{name: os.environ[name] for name in ENGINE_VARIABLES if os.environ.get(name)},
        },
        "sync_seconds": report_seconds,  # what is told goes to S3 as often
        "pythonpath": [str(plan.options.code / "training_container")],
        "training_role_access_key_id": access_key_id(training_role) if training_role else OPERATOR,
    }


def _report_seconds() -> float:
    """How often a training tells what it does; like the container, no number means the default."""
    try:
        return max(0.05, float(os.environ.get(REPORT_SECONDS) or 1))
    except ValueError:
        return 1.0


def _functions_config(plan: Plan, sockets: FunctionSockets) -> dict[str, Any]:
    hosted = [
        Hosted(
            name=function.name,
            arn=function.arn,
            handler=function.handler,
            environment=plan.function_environment(function),
            timeout=function.timeout,
            memory=function.memory,
            socket=sockets[function.logical_id][1].fileno(),
            processes=plan.options.processes,
            log=str(plan.state.fresh_log(log_name(function))),
        ).to_json()
        for function in plan.template.functions.values()
    ]
    return {"path": [str(plan.options.code)], "functions": hosted}


def log_name(function: Function) -> str:
    """`datasets` for lambdas.datasets.handler.handler, `access.authorizer` for the authorizer."""
    module = function.handler.rpartition(".")[0]
    return module.removeprefix("lambdas.").removesuffix(".handler")
