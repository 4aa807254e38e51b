"""Who may do what, asked as IAM would ask it."""

import json

import pytest

from local.credentials import access_key_id
from local.iam import Access, matches
from local.policies import Statement

BUCKET = "arn:aws:s3:::bucket"


def access(*statements: Statement) -> Access:
    return Access({"LOCALKEY": statements})


def allow(actions, resources, **more) -> Statement:
    return Statement("Allow", tuple(actions), tuple(resources), **more)


def deny(actions, resources, **more) -> Statement:
    return Statement("Deny", tuple(actions), tuple(resources), **more)


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("*", "anything/at all", True),
        ("a*c", "abbbc", True),
        ("a*c", "abbb", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a.c", "abc", False),
        ("*/datasets/*", "ws/datasets/ds_1/10_x/a.png", True),
        ("*/datasets/*", "ws/models/ds_1", False),
        ("[ab]", "a", False),
    ],
)
def test_star_is_any_text_and_question_mark_one_character(pattern, value, expected):
    assert matches(pattern, value) is expected


def test_nothing_is_allowed_without_an_allow():
    assert not access().allowed("LOCALKEY", "s3:GetObject", f"{BUCKET}/a")
    assert not access().allowed("LOCALNOBODY", "s3:GetObject", f"{BUCKET}/a")


def test_action_and_resource_must_both_match():
    found = access(allow(["s3:GetObject"], [f"{BUCKET}/*/datasets/*"]))

    assert found.allowed("LOCALKEY", "s3:GetObject", f"{BUCKET}/ws/datasets/d/x.png")
    assert not found.allowed("LOCALKEY", "s3:GetObject", f"{BUCKET}/ws/models/m/x")
    assert not found.allowed("LOCALKEY", "s3:PutObject", f"{BUCKET}/ws/datasets/d/x.png")


def test_actions_are_compared_without_case_and_resources_with_it():
    found = access(allow(["S3:get*"], [f"{BUCKET}/A"]))

    assert found.allowed("LOCALKEY", "s3:GetObject", f"{BUCKET}/A")
    assert not found.allowed("LOCALKEY", "s3:GetObject", f"{BUCKET}/a")


def test_a_deny_beats_every_allow():
    found = access(allow(["*"], ["*"]), deny(["s3:Delete*"], [f"{BUCKET}/kept/*"]))

    assert found.allowed("LOCALKEY", "s3:DeleteObject", f"{BUCKET}/other")
    assert not found.allowed("LOCALKEY", "s3:DeleteObject", f"{BUCKET}/kept/a")


def test_not_action_and_not_resource_mean_all_others():
    found = access(Statement("Allow", not_actions=("iam:*",), not_resources=(f"{BUCKET}/x",)))

    assert found.allowed("LOCALKEY", "s3:GetObject", f"{BUCKET}/y")
    assert not found.allowed("LOCALKEY", "s3:GetObject", f"{BUCKET}/x")
    assert not found.allowed("LOCALKEY", "iam:PassRole", "role")


def test_the_operator_may_do_everything():
    assert access().allowed("LOCALOPERATOR", "dynamodb:Scan", "*")


@pytest.mark.parametrize(
    ("service", "expected"), [("sagemaker.amazonaws.com", True), ("ec2.amazonaws.com", False)]
)
def test_conditions_are_judged_when_the_context_is_told(service, expected):
    condition = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    found = access(allow(["iam:PassRole"], ["role"], conditions=condition))

    context = {"iam:PassedToService": service}
    assert found.allowed("LOCALKEY", "iam:PassRole", "role", context) is expected


def test_a_condition_on_what_the_request_does_not_have_fails():
    condition = {"StringLike": {"s3:prefix": "ws/*"}}
    found = access(allow(["s3:ListBucket"], [BUCKET], conditions=condition))

    assert not found.allowed("LOCALKEY", "s3:ListBucket", BUCKET, {})
    assert found.allowed("LOCALKEY", "s3:ListBucket", BUCKET, {"s3:prefix": "ws/datasets/"})


def test_without_a_context_an_allow_holds_and_a_conditional_deny_does_not():
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    found = access(
        allow(["s3:*"], ["*"], conditions={"StringEquals": {"a:b": "c"}}),
        deny(["*"], ["*"], conditions=condition),
    )

    assert found.allowed("LOCALKEY", "s3:GetObject", "x")
    assert not found.allowed("LOCALKEY", "s3:GetObject", "x", {"aws:SecureTransport": "false"})


def test_every_kind_of_policy_of_a_role_counts_for_the_functions_that_have_it(tmp_path):
    def document(action):
        return {"Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}

    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "Policies": [{"PolicyName": "p", "PolicyDocument": document("a:Inline")}],
                "ManagedPolicyArns": [
                    {"Ref": "Managed"},
                    {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::aws:policy/X"]]},
                ],
            },
        },
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"Roles": [{"Ref": "Role"}], "PolicyDocument": document("a:Attached")},
        },
        "Managed": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": document("a:Managed")},
        },
        "MyFunction1A": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Handler": "lambdas.x.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        },
        "Api": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {"Body": {"openapi": "3.0.1", "paths": {}}},
        },
    }
    (tmp_path / "LoraStack.template.json").write_text(json.dumps({"Resources": resources}))

    found = Access.load(tmp_path)

    for key in (access_key_id("MyFunction1A"), access_key_id("Role")):
        assert all(
            found.allowed(key, f"a:{kind}", "x") for kind in ("Inline", "Attached", "Managed")
        )
        assert not found.allowed(key, "a:Other", "x")
