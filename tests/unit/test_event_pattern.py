"""Event patterns, and that ours mean what moto's mean."""

import json

import pytest
from moto.events.models import EventPattern

from local.event_pattern import PatternError, check_pattern, matches_event

EVENT = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {
        "bucket": {"name": "bucket"},
        "object": {"key": "ws/trainings/trn_1/checkpoints/progress.json", "size": 12},
        "tags": ["a", "b"],
        "empty": None,
        "Name": "LoraStack-Job",
    },
}

CASES = [
    ({}, True),
    ({"source": ["aws.s3"]}, True),
    ({"source": ["aws.ec2", "aws.s3"]}, True),
    ({"source": ["aws.ec2"]}, False),
    ({"source": ["aws.s3"], "detail-type": ["Object Deleted"]}, False),
    ({"detail": {"bucket": {"name": ["bucket"]}}}, True),
    ({"detail": {"bucket": {"other": ["bucket"]}}}, False),
    ({"detail": {"object": {"key": [{"prefix": "ws/"}]}}}, True),
    ({"detail": {"object": {"key": [{"prefix": "xx/"}]}}}, False),
    ({"detail": {"object": {"key": [{"suffix": "/checkpoints/progress.json"}]}}}, True),
    ({"detail": {"object": {"key": [{"suffix": "progress.jso"}]}}}, False),
    ({"detail": {"object": {"key": [{"wildcard": "*/trainings/*/progress.json"}]}}}, True),
    ({"detail": {"object": {"key": [{"wildcard": "*/datasets/*"}]}}}, False),
    ({"detail": {"Name": [{"equals-ignore-case": "lorastack-job"}]}}, True),
    ({"detail": {"Name": [{"prefix": {"equals-ignore-case": "LORA"}}]}}, True),
    ({"detail": {"object": {"size": [12]}}}, True),
    ({"detail": {"object": {"size": [{"numeric": [">", 10, "<=", 12]}]}}}, True),
    ({"detail": {"object": {"size": [{"numeric": [">", 12]}]}}}, False),
    ({"detail": {"tags": ["b"]}}, True),
    ({"detail": {"tags": ["c"]}}, False),
    ({"detail": {"tags": [{"prefix": "a"}]}}, True),
    ({"detail": {"Name": [{"anything-but": ["x", "y"]}]}}, True),
    ({"detail": {"Name": [{"anything-but": "LoraStack-Job"}]}}, False),
    ({"detail": {"Name": [{"anything-but": {"prefix": "Lora"}}]}}, False),
    ({"detail": {"absent": [{"exists": False}]}}, True),
    ({"detail": {"absent": [{"exists": True}]}}, False),
    ({"detail": {"Name": [{"exists": True}]}}, True),
    ({"detail": {"absent": [{"anything-but": "x"}]}}, False),
    ({"detail": {"empty": [None]}}, True),
    ({"$or": [{"source": ["aws.ec2"]}, {"detail": {"Name": [{"prefix": "Lora"}]}}]}, True),
    ({"$or": [{"source": ["aws.ec2"]}, {"source": ["aws.sns"]}]}, False),
]


@pytest.mark.parametrize(("pattern", "expected"), CASES)
def test_a_pattern_matches_as_documented_and_as_in_moto(pattern, expected):
    assert matches_event(pattern, EVENT) is expected
    assert EventPattern.load(json.dumps(pattern)).matches_event(EVENT) is expected


def test_a_backslash_makes_a_star_plain():
    event = {"source": "a*b"}

    assert matches_event({"source": [{"wildcard": r"a\*b"}]}, event)
    assert not matches_event({"source": [{"wildcard": r"a\*b"}]}, {"source": "axb"})


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": [{"cidr": "10.0.0.0/8"}]},
        {"detail": {"deep": ["x", {"cidr": "10.0.0.0/8"}]}},
        {"$or": [{"source": ["x"]}, {"source": [{"cidr": "10.0.0.0/8"}]}]},
        {"source": [{"anything-but": {"cidr": "10.0.0.0/8"}}]},
    ],
)
def test_an_operator_that_is_not_known_is_told_beforehand(pattern):
    with pytest.raises(PatternError, match="cidr"):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in CASES])
def test_every_known_operator_passes_the_check(pattern):
    check_pattern(pattern)
