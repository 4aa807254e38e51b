"""One synthesis for all tests of this folder, and small ones for what a setting changes."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
# Settings of whoever runs the tests; CDK would read them.
os.environ.pop("CDK_CONTEXT_JSON", None)

ROOT = Path(__file__).resolve().parents[2]


def shown(value: object) -> str:
    """A CloudFormation value as text: references in angle brackets, without CDK's hashes."""
    match value:
        case {"Ref": name}:
            return f"<{_plain(name)}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{_plain(name)}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return separator.join(shown(part) for part in parts)
        case {"Fn::Sub": text}:
            return str(text)
    return str(value)


def _plain(logical_id: str) -> str:
    return re.sub(r"[0-9A-F]{8}$", "", logical_id)


@dataclass(frozen=True)
class Allowed:
    """One statement of a policy, all of it as text."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: str


@dataclass(frozen=True)
class Synthesized:
    """A cloud assembly and its one template."""

    outdir: Path
    template: dict

    def of_type(self, kind: str) -> dict[str, dict]:
        """Properties by logical id without hash."""
        return {
            _plain(name): resource.get("Properties", {})
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == kind
        }

    def only(self, kind: str) -> dict:
        """The properties of the one resource of this type."""
        (properties,) = self.of_type(kind).values()
        return properties

    def allowed(self, role: str) -> list[Allowed]:
        """What the policies attached to a role allow."""
        return [
            _allowed(statement)
            for policy in self.of_type("AWS::IAM::Policy").values()
            if shown(policy["Roles"][0]) == f"<{role}>"
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    @property
    def body(self) -> dict:
        """What API Gateway imports."""
        return self.only("AWS::ApiGateway::RestApi")["Body"]

    @property
    def code(self) -> Path:
        """The unzipped code that the functions share."""
        return self.code_of("DatasetsFunction")

    def code_of(self, name: str) -> Path:
        """The unzipped code of a function."""
        function = self.of_type("AWS::Lambda::Function")[name]
        return self.outdir / f"asset.{function['Code']['S3Key'].removesuffix('.zip')}"


def _allowed(statement: Mapping) -> Allowed:
    assert statement["Effect"] == "Allow"
    return Allowed(
        actions=tuple(_listed(statement["Action"])),
        resources=tuple(shown(resource) for resource in _listed(statement["Resource"])),
        condition=json.dumps(statement.get("Condition", {})),
    )


def _listed(value: object) -> list:
    return value if isinstance(value, list) else [value]


def run_app(outdir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs app.py as `make synth` does, with no Docker, no CDK CLI and no AWS on the PATH."""
    return subprocess.run(
        [sys.executable, "infrastructure/app.py"],
        cwd=ROOT,
        env={
            "PATH": str(Path(shutil.which("node")).parent),
            "HOME": os.environ["HOME"],
            "CDK_OUTDIR": str(outdir),
            **environment,
        },
        capture_output=True,
        text=True,
    )


def read_assembly(outdir: Path) -> Synthesized:
    template = json.loads((outdir / "LoraStack.template.json").read_text(encoding="utf-8"))
    return Synthesized(outdir=outdir, template=template)


def new_app(outdir: Path, **settings: object):
    """An app that does not copy code into zips, which takes longer than all else: `deployed` does."""
    # Not at the top: every worker of a test run would load CDK at collection, for 2 s and more.
    import app

    context = {**app.context_of_cdk_json(), "lorastack": settings, "aws:cdk:bundling-stacks": []}
    return app.new_app(context=context, outdir=str(outdir))


def synthesize(outdir: Path, *, root: Path = ROOT, **settings: object) -> Synthesized:
    import app

    cdk_app = new_app(outdir, **settings)
    app.build(cdk_app, root=root)
    cdk_app.synth()
    return read_assembly(outdir)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """What a deployment of this checkout with the default settings is made of.

    Made once in a test run, by a process of its own; the workers of pytest-xdist share it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    outdir = folder / "deployed"
    with (folder / "deployed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not outdir.exists():
            draft = folder / "deployed-draft"
            done = run_app(draft, PYTHONHASHSEED="1", CDK_CONTEXT_JSON='{"lorastack": {}}')
            assert done.returncode == 0, done.stderr
            draft.rename(outdir)
    return read_assembly(outdir)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout whose sources a test may change."""
    root = tmp_path / "checkout"
    for folder in ("lambdas/datasets", "requirements", "training_container"):
        (root / folder).mkdir(parents=True)
    (root / "lambdas/datasets/handler.py").write_text("def handler(event, context): ...\n")
    (root / "training_container/Dockerfile").write_text("FROM scratch\n")
    for name in ("openapi.yaml", "requirements/lambdas.txt", "requirements/asset_worker.txt"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    (root / "build").symlink_to(ROOT / "build")
    return root


@pytest.fixture
def synthesize_with(tmp_path: Path, checkout: Path) -> Callable[..., Synthesized]:
    """Synthesizes the small checkout with settings: `synthesize_with(retention="destroy")`."""

    def run(**settings: object) -> Synthesized:
        number = len(list(tmp_path.glob("out-*")))
        return synthesize(tmp_path / f"out-{number}", root=checkout, **settings)

    return run
