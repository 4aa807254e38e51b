"""The house rules that a reader would otherwise have to remember, held by reading the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {path.name for path in (ROOT / "lambdas").iterdir() if (path / "__init__.py").exists()}
FEATURES = ROOMS - {"core"}
# What one room may use of another; see docs/adr/0004-a-launcher-is-a-repository.md.
LENT = {
    *("repository", "transitions", "schema", "launcher"),
    *("failures", "settings", "safetensors", "inspection"),
    *("remote_url", "remote_http", "download"),
    *("imports", "import_schema", "verdict", "writes", "checks"),
    *("images", "report_schema", "header_schema", "progress_schema", "arithmetic", "buckets"),
    *("deleting", "declaring", "origin_schema", "subset_schema"),
    *("leases", "captions", "caption_findings", "caption_files", "caption_writes", "caption_edits"),
    *("caption_text", "proposals"),
    *("deliveries", "address"),
}
# Borders where a protocol wants an answer whatever happened: Lambda's function error, a server's 500.
BORDERS = {
    "local/functions.py",
    "local/worker.py",
    "local/moto_server.py",
    "local/s3/application.py",
    "local/sagemaker/application.py",
    "local/sagemaker/runner.py",
}
LAYERS = {"handler": 3, "authorizer": 3, "bootstrap": 3, "service": 2, "repository": 1}
SOURCES = sorted(
    path
    for folder in ("lambdas", "infrastructure", "training_container", "local")
    for path in (ROOT / folder).rglob("*.py")
    if "cdk.out" not in path.parts
)


def imports(path: Path) -> set[str]:
    """Return the dotted names of all modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def of(folder: str) -> list[Path]:
    return [path for path in SOURCES if path.relative_to(ROOT).parts[0] == folder]


def _raises_again(node: ast.ExceptHandler) -> bool:
    last = node.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def room_of(path: Path) -> str | None:
    parts = path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 else None


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", of("lambdas"), ids=name_of)
def test_a_room_uses_of_another_only_what_is_lent(path: Path) -> None:
    room = room_of(path)
    for imported in imports(path):
        parts = imported.split(".")
        if parts[0] != "lambdas" or len(parts) < 3 or parts[1] in {"core", room} or room is None:
            continue
        assert room != "core", f"core imports the feature {parts[1]}"
        assert parts[2] in LENT, f"{imported} is not lent to {room}"


@pytest.mark.parametrize("path", of("lambdas"), ids=name_of)
def test_imports_run_from_handler_to_service_to_repository(path: Path) -> None:
    layer = LAYERS.get(path.stem)
    for imported in imports(path):
        parts = imported.split(".")
        if layer and parts[0] == "lambdas" and len(parts) > 2 and parts[1] in FEATURES:
            other = LAYERS.get(parts[2], 0)
            assert other < layer or parts[2] == path.stem == "repository", imported


def test_the_folders_know_of_each_other_only_what_they_should() -> None:
    for path in [*of("infrastructure"), *of("training_container")]:
        for imported in imports(path):
            assert not imported.startswith(("lambdas", "local")), f"{name_of(path)}: {imported}"
    for path in of("lambdas"):
        for imported in imports(path):
            assert imported.split(".")[0] not in {"local", "infrastructure", "kohya_trainer"}


@pytest.mark.parametrize("path", of("lambdas"), ids=name_of)
def test_boto3_and_the_environment_are_touched_in_few_places(path: Path) -> None:
    text = path.read_text()
    if path.name not in {"settings.py", "bootstrap.py"}:
        assert "os.environ" not in text
    if path.name not in {
        "aws.py",
        "bucket.py",
        "multipart.py",
        "table.py",
        "repository.py",
        "launcher.py",
    }:
        assert not any(name.startswith(("boto", "moto")) for name in imports(path))
        assert "aws.s3()" not in text or path.name == "presign.py"
    assert ".scan(" not in text


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_catches_everything_but_the_borders(path: Path) -> None:
    if name_of(path) in BORDERS:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler) and not _raises_again(node):
            caught = getattr(node.type, "id", "")
            assert node.type is not None, f"line {node.lineno}"
            assert caught not in {"Exception", "BaseException"}, f"line {node.lineno}"
