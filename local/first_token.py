"""The first token of the stack's workspace, made as the operator of a deployment makes one."""

import asyncio
import json
import sys
from typing import Any

from local.children import ChildError
from local.plan import Plan

TOKENS_FILE = "tokens.json"


def kept_token(plan: Plan) -> str | None:
    """The token that an earlier run made for the same workspace."""
    return plan.state.read_json(TOKENS_FILE).get(plan.options.workspace)


async def make_token(plan: Plan) -> str:
    """Make the workspace and a token, and keep it in the state. Raises ChildError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "lambdas.access.bootstrap",
        "--workspace",
        plan.options.workspace,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=plan.operator_environment(),
        cwd=plan.options.code,
    )
    try:
        said, errors = await process.communicate()
    finally:
        if process.returncode is None:  # the stack is being ended
            process.kill()
            await process.wait()
    if process.returncode != 0:
        workspace = plan.options.workspace
        raise ChildError(f"The workspace {workspace} could not be made:\n{errors.decode()}")
    made: dict[str, Any] = json.loads(said)
    token = str(made["token"])
    kept = plan.state.read_json(TOKENS_FILE)
    plan.state.write_json(TOKENS_FILE, {**kept, plan.options.workspace: token})
    return token
