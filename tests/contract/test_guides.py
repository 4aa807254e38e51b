"""What the guides print is taken by the API, and what they tell of exists."""

import json
import re
from pathlib import Path

import pytest

from contract.document import contract
from lambdas.trainings.schema import NewTraining

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
TRAININGS = (GUIDES / "trainings.md").read_text(encoding="utf-8")
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


def _looked_on() -> list[str]:
    return re.findall(r"\| `(/[a-z-]+)", TRAININGS)
