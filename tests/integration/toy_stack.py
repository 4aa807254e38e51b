"""A small template with toy handlers, for what local mode does whatever the stack is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_stack import LocalStack

TOY_HANDLERS = """
import json, os, time

TABLE = os.environ.get("TABLE_NAME")

def answer(status, body, **more):
    return {"statusCode": status, "body": body if isinstance(body, str) else json.dumps(body), **more}

def handler(event, context):
    action = (event.get("queryStringParameters") or {}).get("do", "echo")
    return globals()[f"do_{action}"](event, context)

def do_echo(event, context):
    return answer(200, {"event": event, "process": os.getpid(), "environment": dict(os.environ),
                        "context": {"name": context.function_name, "arn": context.invoked_function_arn,
                                    "memory": context.memory_limit_in_mb, "request": context.aws_request_id,
                                    "left": context.get_remaining_time_in_millis()}})

def do_sleep(event, context):
    time.sleep(float(event["queryStringParameters"]["seconds"]))
    return answer(200, {"process": os.getpid()})

def do_raise(event, context):
    raise ValueError("as asked")

def do_exit(event, context):
    os._exit(3)

def do_malformed(event, context):
    return {"body": "no status"}

def do_number(event, context):
    return {"statusCode": 200, "body": 7}

def do_text(event, context):
    return "plain"

def do_huge(event, context):
    return answer(200, "x" * 7_000_000)

def do_headers(event, context):
    return answer(201, "", headers={"X-One": "1", "WWW-Authenticate": "Bearer"},
                  multiValueHeaders={"Set-Cookie": ["a=1", "b=2"]})

def do_bytes(event, context):
    return answer(200, "AAEC/w==", isBase64Encoded=True, headers={"Content-Type": "image/png"})

def do_large(event, context):
    return answer(200, {"size": len(event["body"])})
"""

TOY_AUTHORIZER = """
import os
CALLS = os.environ["CALLS_FILE"]

def handler(event, context):
    token = event["authorizationToken"].removeprefix("Bearer ")
    with open(CALLS, "a") as file:
        file.write(token + "\\n")
    if token.startswith("raise"):
        raise RuntimeError("as asked")
    if token.startswith("unauthorized"):
        raise Exception("Unauthorized")
    if token.startswith("malformed"):
        return {"principalId": "x"}
    if token.startswith("nested"):
        return policy("Allow", event, {"list": [1]})
    if token.startswith("deny"):
        return policy("Deny", event, {"code": "token_expired", "detail": "It is over."})
    if token.startswith("narrow"):
        return policy("Allow", event, {}, event["methodArn"])
    return policy("Allow", event, {"workspace": "toy", "admin": True, "count": 3})

def policy(effect, event, context, resource=None):
    stage = "/".join(event["methodArn"].split("/")[:2])
    return {"principalId": "someone", "context": context, "policyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": effect, "Action": "execute-api:Invoke",
                       "Resource": resource or stage + "/*"}]}}
"""

TOY_EVENTS = """
import json, os, time

def handler(event, context):
    with open(os.environ["EVENTS_FILE"], "a") as file:
        file.write(json.dumps({"at": time.time(), "event": event}) + "\\n")
"""

TOY_WORKER = """
import json, os, time

def handler(event, context):
    with open(os.environ["MESSAGES_FILE"], "a") as file:
        file.write(json.dumps({"at": time.time(), "event": event}) + "\\n")
    orders = {one["messageId"]: json.loads(one["body"])["do"] for one in event["Records"]}
    if "die" in orders.values():
        os._exit(3)
    if "sleep" in orders.values():
        time.sleep(30)
    failed = [name for name, order in orders.items() if order == "fail"]
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
"""

TOY_BOOTSTRAP = """
import json, sys
print(json.dumps({"token": "lsk_toy"}))
"""


@dataclass
class ToyStack:
    """The running toy stack, and the folder where its functions leave notes."""

    folder: Path
    stack: LocalStack

    def authorizer_calls(self, token: str) -> int:
        """How often the authorizer was asked about a token."""
        calls = self.folder / "calls"
        return calls.read_text().splitlines().count(token) if calls.exists() else 0

    def events(self) -> Iterator[dict[str, Any]]:
        """The events that the event function got, failed tries included."""
        notes = self.folder / "events"
        for line in notes.read_text().splitlines() if notes.exists() else []:
            yield json.loads(line)["event"]

    def messages(self) -> list[str]:
        """The bodies of the messages that the worker got, in order, each time it got them."""
        notes = self.folder / "messages"
        lines = notes.read_text().splitlines() if notes.exists() else []
        return [one["body"] for line in lines for one in json.loads(line)["event"]["Records"]]


def write_code(folder: Path) -> Path:
    """The toy `lambdas` package; gives the folder that holds it."""
    for package in ("lambdas", "lambdas/toy", "lambdas/access"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").touch()
    (folder / "lambdas/toy/handler.py").write_text(TOY_HANDLERS)
    (folder / "lambdas/toy/authorizer.py").write_text(TOY_AUTHORIZER)
    (folder / "lambdas/toy/events.py").write_text(TOY_EVENTS)
    (folder / "lambdas/toy/worker.py").write_text(TOY_WORKER)
    (folder / "lambdas/access/bootstrap.py").write_text(TOY_BOOTSTRAP)
    return folder


def arn_of(logical_id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def invocation(logical_id: str) -> dict[str, Any]:
    prefix = ["arn:aws:apigateway:", {"Ref": "AWS::Region"}, ":lambda:path/2015-03-31/functions/"]
    return {"Fn::Join": ["", [*prefix, arn_of(logical_id), "/invocations"]]}


def integration(logical_id: str, *, secured: bool = False, timeout: int = 29_000) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": invocation(logical_id),
            "timeoutInMillis": timeout,
        }
    }
    return {**operation, "security": [{"bearer": []}]} if secured else operation


def function(handler: str, timeout: int = 1, **environment: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Handler": handler,
            "Timeout": timeout,
            "MemorySize": 256,
            "Role": arn_of("ToyRole"),
            "Environment": {"Variables": {"TABLE_NAME": {"Ref": "ToyTable"}, **environment}},
        },
    }


def problem(status: int, code: str, detail: str = "") -> dict[str, Any]:
    body = {"code": code, "detail": detail, "request_id": "$context.requestId"}
    return {
        "statusCode": status,
        "responseParameters": {
            "gatewayresponse.header.Content-Type": "'application/problem+json'",
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
        },
        "responseTemplates": {"application/json": json.dumps(body)},
    }


GATEWAY_RESPONSES = {
    "UNAUTHORIZED": problem(401, "unauthorized"),
    "ACCESS_DENIED": problem(401, "$context.authorizer.code", "$context.authorizer.detail"),
    "REQUEST_TOO_LARGE": problem(413, "request_too_large"),
    "INTEGRATION_TIMEOUT": problem(504, "timeout"),
    "AUTHORIZER_FAILURE": problem(500, "authorizer_failure"),
    "AUTHORIZER_CONFIGURATION_ERROR": problem(500, "authorizer_configuration_error"),
    "MISSING_AUTHENTICATION_TOKEN": problem(404, "route_not_found"),
    "DEFAULT_5XX": {**problem(502, "internal_error"), "statusCode": None},
}

AUTHORIZER = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "x-amazon-apigateway-authtype": "custom",
    "x-amazon-apigateway-authorizer": {
        "type": "token",
        "authorizerUri": invocation("ToyAuthorizer"),
        "identityValidationExpression": "^Bearer [a-z0-9]+$",
        "authorizerResultTtlInSeconds": 60,
    },
}


def template(folder: Path) -> dict[str, Any]:
    """A stack with a table, three functions, an API, two rules."""
    any_method = "x-amazon-apigateway-any-method"
    return {
        "Resources": {
            "ToyTable": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "KeySchema": [
                        {"AttributeName": "pk", "KeyType": "HASH"},
                        {"AttributeName": "sk", "KeyType": "RANGE"},
                    ],
                    "AttributeDefinitions": [
                        {"AttributeName": "pk", "AttributeType": "S"},
                        {"AttributeName": "sk", "AttributeType": "S"},
                        {"AttributeName": "facet", "AttributeType": "S"},
                    ],
                    "GlobalSecondaryIndexes": [
                        {
                            "IndexName": "facets",
                            "KeySchema": [
                                {"AttributeName": "facet", "KeyType": "HASH"},
                                {"AttributeName": "sk", "KeyType": "RANGE"},
                            ],
                            "Projection": {"ProjectionType": "ALL"},
                        }
                    ],
                    "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
                },
            },
            "ToyQueue": {"Type": "AWS::SQS::Queue", "Properties": {}},
            "ToyWork": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "VisibilityTimeout": 2,
                    "RedrivePolicy": {
                        "maxReceiveCount": 2,
                        "deadLetterTargetArn": arn_of("ToyQueue"),
                    },
                },
            },
            "ToyTopic": {"Type": "AWS::SNS::Topic", "Properties": {}},
            "ToyRole": {"Type": "AWS::IAM::Role", "Properties": {}},
            "ToyPolicy": {
                "Type": "AWS::IAM::Policy",
                "Properties": {
                    "Roles": [{"Ref": "ToyRole"}],
                    "PolicyDocument": {
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": [
                                    "dynamodb:GetItem",
                                    "dynamodb:PutItem",
                                    "events:PutEvents",
                                ],
                                "Resource": [
                                    arn_of("ToyTable"),
                                    {
                                        "Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:*:event-bus/default"
                                    },
                                ],
                            },
                            {
                                "Effect": "Allow",
                                "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
                                "Resource": arn_of("ToyWork"),
                            },
                            {
                                "Effect": "Allow",
                                "Action": "dynamodb:Query",
                                "Resource": {
                                    "Fn::Join": ["", [arn_of("ToyTable"), "/index/facets"]]
                                },
                            },
                        ]
                    },
                },
            },
            "ToyFunction": function("lambdas.toy.handler.handler"),
            "ToyAuthorizer": function(
                "lambdas.toy.authorizer.handler", CALLS_FILE=str(folder / "calls")
            ),
            "ToyEvents": function("lambdas.toy.events.handler", EVENTS_FILE=str(folder / "events")),
            "ToyWorker": function(
                "lambdas.toy.worker.handler", timeout=1, MESSAGES_FILE=str(folder / "messages")
            ),
            "ToySource": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "BatchSize": 2,
                    "EventSourceArn": arn_of("ToyWork"),
                    "FunctionName": {"Ref": "ToyWorker"},
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                    "ScalingConfig": {"MaximumConcurrency": 2},
                },
            },
            "ToyRule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "EventPattern": {"source": ["toy"], "detail": {"name": [{"prefix": "a-"}]}},
                    "Targets": [{"Id": "one", "Arn": arn_of("ToyEvents")}],
                },
            },
            "ToySchedule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "ScheduleExpression": "rate(1 minute)",
                    "Targets": [
                        {
                            "Id": "one",
                            "Arn": arn_of("ToyEvents"),
                            "Input": '{"source":"toy.schedule"}',
                        }
                    ],
                },
            },
            "ToyStage": {"Type": "AWS::ApiGateway::Stage", "Properties": {"StageName": "v1"}},
            "ToyApi": {
                "Type": "AWS::ApiGateway::RestApi",
                "Properties": {
                    "BinaryMediaTypes": ["image/*"],
                    "Body": {
                        "openapi": "3.0.1",
                        "paths": {
                            "/things": {"get": integration("ToyFunction", secured=True)},
                            "/things/{thing_id}": {
                                "get": integration("ToyFunction", secured=True),
                                any_method: integration("ToyFunction"),
                            },
                            "/things/fixed": {"post": integration("ToyFunction")},
                            "/open": {any_method: integration("ToyFunction")},
                            "/hasty": {"get": integration("ToyFunction", timeout=300)},
                            "/rest/{proxy+}": {any_method: integration("ToyFunction")},
                        },
                        "components": {"securitySchemes": {"bearer": AUTHORIZER}},
                        "x-amazon-apigateway-gateway-responses": GATEWAY_RESPONSES,
                    },
                },
            },
        }
    }


def write_toy_stack(folder: Path) -> tuple[Path, Path]:
    """Write template and code; gives the folders for --cdk-out and --code."""
    cdk_out = folder / "cdk.out"
    cdk_out.mkdir()
    (cdk_out / "LoraStack.template.json").write_text(json.dumps(template(folder)))
    return cdk_out, write_code(folder / "code")
