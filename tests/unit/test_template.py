"""Reading the synthesized template."""

import json
from pathlib import Path

import pytest

from local.intrinsics import Resolver
from local.template import Template, TemplateError

ROLE = {"Type": "AWS::IAM::Role", "Properties": {}}
API = {
    "Type": "AWS::ApiGateway::RestApi",
    "Properties": {"Body": {"openapi": "3.0.1", "paths": {}}},
}


def load(folder: Path, **resources: dict) -> Template:
    content = {"Resources": {"Role": ROLE, "Api": API, **resources}}
    (folder / "LoraStack.template.json").write_text(json.dumps(content))
    return Template.load(folder)


def function(**properties: object) -> dict:
    role = {"Fn::GetAtt": ["Role", "Arn"]}
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Handler": "lambdas.a.handler.handler", "Role": role, **properties},
    }


def resolve(value: object, **template: object) -> object:
    resources = {
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {}},
        "Named": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "own-name"}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
    }
    return Resolver({"Resources": resources, **template}).resolve(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "AWS::AccountId"}, "000000000000"),
        ({"Ref": "Table"}, "LoraStack-Table"),
        ({"Ref": "Bucket"}, "lorastack-bucket"),
        ({"Ref": "Named"}, "own-name"),
        ({"Ref": "Topic"}, "arn:aws:sns:us-east-1:000000000000:LoraStack-Topic"),
        (
            {"Fn::GetAtt": ["Table", "Arn"]},
            "arn:aws:dynamodb:us-east-1:000000000000:table/LoraStack-Table",
        ),
        ({"Fn::GetAtt": "Named.Arn"}, "arn:aws:s3:::own-name"),
        ({"Fn::Join": ["-", ["a", {"Ref": "AWS::Partition"}]]}, "a-aws"),
        (
            {"Fn::Sub": "x/${Named}/${Named.Arn}/${!kept}"},
            "x/own-name/arn:aws:s3:::own-name/${kept}",
        ),
        ({"Fn::Sub": ["${One}-${AWS::Region}", {"One": {"Ref": "Named"}}]}, "own-name-us-east-1"),
        ({"Fn::Select": [1, {"Fn::Split": ["/", "a/b"]}]}, "b"),
        ({"a": [{"Ref": "AWS::NoValue"}, "kept"]}, {"a": ["kept"]}),
    ],
)
def test_intrinsic_functions_become_local_names(value, expected):
    assert resolve(value) == expected


def test_conditions_and_mappings_and_parameters_are_carried_out():
    template = {
        "Parameters": {"Size": {"Type": "String", "Default": "big"}},
        "Mappings": {"Prices": {"big": {"eur": 3}}},
        "Conditions": {"IsBig": {"Fn::Equals": [{"Ref": "Size"}, "big"]}},
    }

    assert resolve({"Fn::If": ["IsBig", "yes", "no"]}, **template) == "yes"
    assert resolve({"Fn::FindInMap": ["Prices", {"Ref": "Size"}, "eur"]}, **template) == 3


def test_a_function_has_its_environment_resolved(tmp_path):
    template = load(
        tmp_path,
        Function=function(
            Timeout=29,
            MemorySize=1024,
            Environment={"Variables": {"TABLE_NAME": {"Ref": "Table"}, "LIMIT": 20}},
        ),
        Table={"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": []}},
    )

    found = template.functions["Function"]
    assert found.environment == {"TABLE_NAME": "LoraStack-Table", "LIMIT": "20"}
    assert (found.timeout, found.memory, found.role) == (29.0, 1024, "Role")
    assert found.arn == "arn:aws:lambda:us-east-1:000000000000:function:LoraStack-Function"


def test_functions_that_are_not_ours_are_left_out(tmp_path):
    template = load(tmp_path, Custom=function(Handler="index.handler"))

    assert template.functions == {}


def test_the_handler_of_bucket_notifications_may_turn_events_on(tmp_path):
    on = {"EventBridgeConfiguration": {}}
    template = load(
        tmp_path,
        Own={"Type": "AWS::S3::Bucket", "Properties": {"NotificationConfiguration": on}},
        Told={"Type": "AWS::S3::Bucket", "Properties": {}},
        Silent={"Type": "AWS::S3::Bucket", "Properties": {}},
        Notifications={
            "Type": "Custom::S3BucketNotifications",
            "Properties": {"BucketName": {"Ref": "Told"}, "NotificationConfiguration": on},
        },
    )

    assert [bucket.event_bridge for bucket in template.buckets] == [True, True, False]


def test_a_table_is_the_request_that_creates_it(tmp_path):
    index = {"IndexName": "open", "KeySchema": [], "Projection": {"ProjectionType": "KEYS_ONLY"}}
    table = {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "GlobalSecondaryIndexes": [index],
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    }
    template = load(tmp_path, Table={"Type": "AWS::DynamoDB::Table", "Properties": table})

    (found,) = template.tables
    assert found.ttl_attribute == "expires_at"
    assert found.create["GlobalSecondaryIndexes"] == [index]
    assert set(found.create) == {
        "TableName",
        "BillingMode",
        "KeySchema",
        "AttributeDefinitions",
        "GlobalSecondaryIndexes",
    }


def test_rules_keep_pattern_schedule_and_input(tmp_path):
    target = {"Id": "one", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}, "Input": '{"a": 1}'}
    template = load(
        tmp_path,
        Function=function(),
        Rule={
            "Type": "AWS::Events::Rule",
            "Properties": {"ScheduleExpression": "rate(1 minute)", "Targets": [target]},
        },
    )

    (rule,) = template.rules
    assert (rule.schedule, rule.pattern) == ("rate(1 minute)", None)
    assert (rule.targets[0].function, rule.targets[0].input) == ("Function", {"a": 1})


def test_a_missing_template_names_the_remedy(tmp_path):
    with pytest.raises(TemplateError, match="run `make synth` first"):
        Template.load(tmp_path)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"Environment": {"Variables": {"A": {"Ref": "Nobody"}}}}, r"Function.*Nobody is not in"),
        ({"Timeout": {"Fn::ImportValue": "x"}}, r"Function.*Fn::ImportValue"),
        ({"Role": {"Fn::GetAtt": ["Api", "Colour"]}}, r"Function.*Api\.Colour"),
    ],
)
def test_what_cannot_be_resolved_names_the_resource(tmp_path, properties, said):
    with pytest.raises(TemplateError, match=said):
        load(tmp_path, Function=function(**properties))


def test_an_integration_that_is_no_lambda_proxy_names_the_route(tmp_path):
    integration = {"x-amazon-apigateway-integration": {"type": "MOCK"}}
    body = {"openapi": "3.0.1", "paths": {"/things": {"get": integration}}}
    api = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": body}}

    with pytest.raises(TemplateError, match="get /things"):
        load(tmp_path, Api=api)
