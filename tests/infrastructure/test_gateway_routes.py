"""The body that API Gateway imports has the routes of openapi.yaml, and answers all others too."""

import json
import re
from pathlib import Path

import pytest
from conftest import shown

from document import read_document

ROOT = Path(__file__).resolve().parents[2]
METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}
ANY = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
FUNCTIONS = {
    "datasets": "DatasetsFunction",
    "models": "ModelsFunction",
    "trainings": "TrainingsFunction",
    "access": "AccessFunction",
    "webhooks": "WebhooksFunction",
}


@pytest.fixture(scope="module")
def contract() -> dict[tuple[str, str], dict]:
    paths = read_document(ROOT)["paths"]
    return {
        (path, method): operation
        for path, item in paths.items()
        for method, operation in item.items()
        if method in METHODS
    }


def served_by(operation: dict) -> str:
    """The function that an operation's integration names."""
    uri = shown(operation[INTEGRATION]["uri"])
    return re.fullmatch(
        r"arn:<AWS::Partition>:apigateway:<AWS::Region>:lambda:path/2015-03-31/functions/"
        r"<(\w+)\.Arn>/invocations",
        uri,
    )[1]


def test_the_routes_are_those_of_the_contract_and_no_others(deployed, contract):
    routes = {
        (path, method)
        for path, item in deployed.body["paths"].items()
        for method in item
        if method != ANY
    }

    assert routes == set(contract)


def test_each_route_goes_to_the_function_that_the_contract_names(deployed, contract):
    paths = deployed.body["paths"]

    assert {route: served_by(paths[route[0]][route[1]]) for route in contract} == {
        route: FUNCTIONS[operation["x-lorastack-function"]] for route, operation in contract.items()
    }


def test_each_route_needs_a_token_unless_the_contract_says_otherwise(deployed, contract):
    paths = deployed.body["paths"]

    open_routes = {route for route in contract if "security" not in paths[route[0]][route[1]]}

    assert open_routes == {("/docs", "get"), ("/health", "get"), ("/openapi.json", "get")}
    assert all(
        paths[path][method]["security"] == [{"bearer": []}]
        for path, method in set(contract) - open_routes
    )


def test_any_other_method_of_a_path_reaches_the_function_of_the_path_without_a_token(
    deployed, contract
):
    paths = deployed.body["paths"]

    for path, method in contract:
        assert served_by(paths[path][ANY]) == served_by(paths[path][method])
        assert "security" not in paths[path][ANY]


def test_every_unknown_path_reaches_the_access_function(deployed, contract):
    paths = deployed.body["paths"]

    assert set(paths) - {path for path, _ in contract} == {"/", "/{proxy+}"}
    for path in ("/", "/{proxy+}"):
        assert list(paths[path]) == [ANY]
        assert served_by(paths[path][ANY]) == "AccessFunction"


def test_every_integration_is_a_lambda_proxy_that_is_given_29_seconds(deployed):
    for item in deployed.body["paths"].values():
        for operation in item.values():
            integration = operation[INTEGRATION]
            assert integration["type"] == "aws_proxy"
            assert integration["httpMethod"] == "POST"
            assert integration["timeoutInMillis"] == 29_000


def test_the_parameters_of_a_path_are_declared(deployed):
    for path, item in deployed.body["paths"].items():
        for operation in item.values():
            declared = [parameter["name"] for parameter in operation["parameters"]]
            assert declared == [name.rstrip("+") for name in re.findall(r"{([^}]+)}", path)]


def test_one_place_in_a_path_has_one_parameter_name(deployed):
    # API Gateway refuses siblings like /datasets/{id} and /datasets/{dataset_id}/uploads.
    names: dict[str, set[str]] = {}
    for path in set(deployed.body["paths"]) - {"/{proxy+}"}:
        for found in re.finditer(r"{(\w+)}", path):
            names.setdefault(path[: found.start()], set()).add(found[1])

    assert names
    assert all(len(siblings) == 1 for siblings in names.values())


def test_the_authorizer_reads_bearer_tokens_and_is_cached_for_a_minute(deployed):
    scheme = deployed.body["components"]["securitySchemes"]["bearer"]

    authorizer = scheme["x-amazon-apigateway-authorizer"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Authorization")
    assert "<AuthorizerFunction.Arn>" in shown(authorizer["authorizerUri"])
    assert authorizer["type"] == "token"
    assert authorizer["authorizerResultTtlInSeconds"] == 60


@pytest.mark.parametrize(
    ("header", "passes"),
    [
        ("Bearer lsk_" + "a" * 43, True),
        ("Bearer lsk_" + "-" * 42 + "_", True),
        ("Bearer lsk_" + "a" * 42, False),
        ("Bearer lsk_" + "a" * 44, False),
        ("bearer lsk_" + "a" * 43, False),
        ("lsk_" + "a" * 43, False),
        ("Bearer " + "a" * 47, False),
    ],
)
def test_what_cannot_be_a_token_is_refused_before_the_authorizer(deployed, header, passes):
    scheme = deployed.body["components"]["securitySchemes"]["bearer"]
    pattern = scheme["x-amazon-apigateway-authorizer"]["identityValidationExpression"]

    assert bool(re.match(pattern, header)) is passes


def test_the_gateway_may_call_each_function_from_its_own_stage_only(deployed):
    permissions = [
        permission
        for permission in deployed.of_type("AWS::Lambda::Permission").values()
        if permission["Principal"] == "apigateway.amazonaws.com"
    ]

    callers = {shown(p["FunctionName"]): shown(p["SourceArn"]) for p in permissions}
    api = "arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<ApiRestApi>"
    assert callers == {
        **{f"<{function}.Arn>": f"{api}/v1/*/*" for function in FUNCTIONS.values()},
        "<AuthorizerFunction.Arn>": f"{api}/authorizers/*",
    }


def test_the_stage_is_throttled_and_traced_and_never_logs_a_token(deployed):
    stage = deployed.only("AWS::ApiGateway::Stage")

    (all_methods,) = stage["MethodSettings"]
    assert stage["StageName"] == "v1"
    assert stage["TracingEnabled"] is True
    assert all_methods["DataTraceEnabled"] is False
    assert all_methods["ThrottlingRateLimit"] > 0
    assert "$context.authorizer.workspace" in stage["AccessLogSetting"]["Format"]
    assert "header" not in stage["AccessLogSetting"]["Format"].lower()
    assert json.loads(stage["AccessLogSetting"]["Format"])["request_id"] == "$context.requestId"


def test_a_changed_route_makes_a_new_deployment(synthesize_with, checkout):
    before = synthesize_with()
    contract = dict(read_document(checkout))
    contract["paths"] = {**contract["paths"]}
    del contract["paths"]["/health"]
    (checkout / "openapi.yaml").write_text(json.dumps(contract))  # JSON is YAML, and quicker
    after = synthesize_with()

    assert set(before.of_type("AWS::ApiGateway::Deployment")) != set(
        after.of_type("AWS::ApiGateway::Deployment")
    )


def test_an_operation_without_a_room_is_told_in_a_sentence():
    from gateway_body import read_routes
    from problems import DeploymentError

    with pytest.raises(DeploymentError, match=r"GET /datasets must name one of datasets, models"):
        read_routes({"paths": {"/datasets": {"get": {"operationId": "list_datasets"}}}})
