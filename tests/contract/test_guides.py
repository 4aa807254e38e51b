"""What the guides print is taken by the API, and what they tell of exists."""

import json
import re
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from contract.document import contract
from lambdas.core.limits import LimitSettings
from lambdas.core.notices import EventType
from lambdas.notifier.delivering import RETRY_SECONDS
from lambdas.notifier.signing import signature_headers
from lambdas.trainings.schema import NewTraining
from lambdas.webhooks.schema import TEST_TYPE, NewWebhook

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
TRAININGS = (GUIDES / "trainings.md").read_text(encoding="utf-8")
WEBHOOKS = (GUIDES / "webhooks.md").read_text(encoding="utf-8")
OTHER_SECRET = "whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BLOCKS = re.findall(r"```json\n(.*?)```", TRAININGS, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_each_part_of_a_request_is_taken(block: str) -> None:
    least = {"name": "style", "model": "base", "datasets": [{"dataset": "tusiji"}]}

    NewTraining.model_validate(least | json.loads(block))


def test_every_code_of_a_failure_is_told() -> None:
    sources = [*Path("lambdas/trainings").glob("failures*.py"), *_container()]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    rows = re.findall(r"^\| (`[^|]+) \|", TRAININGS.partition("## When it fails")[2], re.MULTILINE)
    told = set(re.findall(r"`([a-z_]+)`", " ".join(rows)))
    codes = set(re.findall(r'(?:code=|TrainingFailed\(\s*|_rule\(\s*)"([a-z_]+)"', text))

    assert codes - told == {"bad_job", "stopped"}  # faults of a deployment, and our own cancel
    assert told <= codes


def _container() -> list[Path]:
    return list(Path("training_container/kohya_trainer").glob("*.py"))


def test_every_route_of_the_guides_exists() -> None:
    paths = {re.sub(r"{\w+}", "{}", path) for path in contract()["paths"]}
    told = [
        (guide.name, re.sub(r"{\w+}", "{}", path))
        for guide in GUIDES.glob("*.md")
        for path in re.findall(
            r"`(?:GET|POST|PUT|PATCH|DELETE) (/[\w{}/-]+)", guide.read_text(encoding="utf-8")
        )
    ]
    told += [("trainings.md", f"/trainings/{{}}{one}") for one in _looked_on()]

    assert len(told) > 20
    assert [one for one in told if one[1] not in paths] == []


def test_the_guide_to_webhooks_checks_what_the_notifier_signs() -> None:
    notice, check = re.findall(r"```python\n(.*?)```", WEBHOOKS, re.DOTALL)
    told: dict[str, Any] = {}
    exec(notice, told), exec(check, told)  # the guide is ours
    body = json.dumps(told["NOTICE"])
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    now = int(time.time())
    headers = signature_headers([OTHER_SECRET, secret], "evt_1", now, body)

    assert told["verified"](secret, headers, body.encode()) == told["NOTICE"]
    late = signature_headers([secret], "evt_1", now - 301, body)
    others = signature_headers([OTHER_SECRET], "evt_1", now, body)
    for wrong, text in ((headers, body + " "), (late, body), (others, body)):
        with pytest.raises(ValueError, match=r"too old|not signed"):
            told["verified"](secret, wrong, text.encode())


def test_the_guide_to_webhooks_names_every_type_and_pause() -> None:
    (request,) = re.findall(r"```json\n(.*?)```", WEBHOOKS, re.DOTALL)
    NewWebhook.model_validate_json(request)
    rows = re.findall(r"^\| (`[^|]+) \|", WEBHOOKS.partition("| Type |")[2], re.MULTILINE)

    told = set(re.findall(r"`([a-z.]+)`", " ".join(rows)))
    assert told == {*get_args(EventType), TEST_TYPE}
    assert RETRY_SECONDS == (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
    pauses = "5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h"
    assert pauses in " ".join(WEBHOOKS.split())


def _looked_on() -> list[str]:
    return re.findall(r"\| `(/[a-z-]+)", TRAININGS)


def test_the_guide_to_access_tells_the_limits_that_are() -> None:
    guide = (GUIDES / "access.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", guide, re.MULTILINE))
    of_workspace = contract()["components"]["schemas"]["Workspace"]["properties"]
    sources = [Path("lambdas/trainings/budget.py"), Path("lambdas/core/stored.py")]
    codes = set(re.findall(r'"([a-z_]+(?:_limit|_trainings))"', "".join(map(_text, sources))))

    assert rows == set(of_workspace) - {"name", "created_at", "month", "resets_at"}
    assert codes - {"active_trainings"} == set(re.findall(r"(?:429|403) `([a-z_]+)`", guide))
    for name, default in LimitSettings.model_construct().model_dump().items():
        assert f"`{name}`" in guide, default


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
