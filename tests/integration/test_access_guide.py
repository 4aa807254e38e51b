"""The guide to access, its commands run as they are printed; limits as a user meets them."""

import json
import re
import subprocess
import sys

import httpx
from client import PNG
from local_stack import REPOSITORY, LocalStack

GUIDE = REPOSITORY / "docs" / "guides" / "access.md"
TOOLS = re.search(r"^api\(\).*\nget\(\).*\n", (REPOSITORY / "README.md").read_text(), re.MULTILINE)


def test_the_commands_of_the_guide_do_what_it_says(
    stack: LocalStack, make_workspace, tmp_path
) -> None:
    assert TOOLS
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    head = f"URL={stack.url}\nTOKEN={make_workspace('guided')}\n{TOOLS[0]}"

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", head + "\n".join(blocks)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    tokens, used, events, made = done.stdout.splitlines()
    assert "('nightly', 'trainer', None)" in tokens
    assert "'limit': 500.0" in used
    assert "deleteToken" in events
    assert made == "2"


def test_a_limit_that_the_operator_sets_holds_at_once(stack: LocalStack, make_workspace) -> None:
    token = make_workspace("small")
    arguments = ["-m", "lambdas.access.limits", "--workspace", "small", "--stored-gb", "0.00000001"]
    said = subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=stack.operator_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    request = {"name": "a", "prefix": "1_a", "files": [{"name": "a.png", "size": len(PNG)}]}

    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as api:
        refused = api.post(f"{stack.url}/datasets", json=request)
        told = api.get(f"{stack.url}/workspace").json()

    assert json.loads(said.stdout)["limits"] == {"stored_gb": 1e-08}
    assert (refused.status_code, refused.json()["code"]) == (403, "storage_limit")
    assert told["stored_bytes"] == {"used": 0, "limit": 10, "left": 10}
