"""The TypeScript client: types by openapi-typescript, sent by openapi-fetch.

Packages have exact versions and lie beside the clients, where the client finds them too; the
network is needed once.
"""

import json
import shutil
import subprocess
from pathlib import Path

from contract.clients.python import GenerationError
from contract.document import VERSION
from contract.environment import EnvironmentMissing
from contract.source import ROOT

_FETCH = {"openapi-fetch": "0.17.0"}
_TOOLS = {"openapi-typescript": "7.13.0", "typescript": "5.9.3", "@types/node": "20.19.43"}
PACKAGES = ROOT / "build" / "clients"


def generate(document: Path, target: Path) -> None:
    """Write the client's package into a folder that is not there.

    Raises GenerationError when the document can't be made into one.
    """
    generator = installed() / "openapi-typescript" / "bin" / "cli.js"
    schema = target / "schema.d.ts"
    # What has a default may be left out of a request.
    options = ["--default-non-nullable", "false", "--root-types", "--root-types-no-schema-prefix"]
    target.mkdir(parents=True)
    done = subprocess.run(
        ["node", str(generator), str(document), "--output", str(schema), *options],
        cwd=PACKAGES,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        shutil.rmtree(target)
        raise GenerationError(f"The TypeScript client was not made:\n{done.stdout}{done.stderr}")
    for name, text in (_SOURCES | {"package.json": json.dumps(_package(), indent=2)}).items():
        (target / name).write_text(text, encoding="utf-8")


def installed() -> Path:
    """Return the folder of the packages, brought when they are not there.

    Raises EnvironmentMissing when they can't be.
    """
    ready = PACKAGES / "node_modules" / ".ready"
    wanted = [f"{name}@{version}" for name, version in sorted((_FETCH | _TOOLS).items())]
    if not ready.exists() or ready.read_text(encoding="utf-8").split() != wanted:
        PACKAGES.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--silent", "--no-save", "--no-package-lock", "--ignore-scripts"]
        _run([*npm, "--prefix", str(PACKAGES), *wanted])
        ready.write_text("\n".join(wanted), encoding="utf-8")
    return PACKAGES / "node_modules"


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as exc:
        raise EnvironmentMissing(
            "npm is missing; it comes with Node.js, which the CDK needs too."
        ) from exc
    except subprocess.CalledProcessError as exc:
        raise EnvironmentMissing(
            "The packages could not be brought; check the network to the npm registry, then run "
            f"again (npm: {' '.join(exc.stderr.split())})."
        ) from exc


def _package() -> dict[str, object]:
    return {
        "name": "lorastack-client",
        "version": VERSION,
        "private": True,
        "type": "module",
        "exports": {"types": "./index.d.ts", "default": "./index.js"},
        "dependencies": _FETCH,
    }


_SOURCES = {
    "index.js": """\
import createFetchClient from "openapi-fetch";

export function createClient(baseUrl, token) {
  return createFetchClient({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
}
""",
    "index.d.ts": """\
import type { Client } from "openapi-fetch";
import type { paths } from "./schema.d.ts";

export type * from "./schema.d.ts";

/** A client of the API at `baseUrl` (with the stage, `.../v1`) that sends a bearer token. */
export declare function createClient(baseUrl: string, token: string): Client<paths>;
""",
}
