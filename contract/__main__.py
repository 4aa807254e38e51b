"""`python -m contract` writes what is published: openapi.yaml, docs/guides/errors.md.

`--check` writes nothing and says whether the files are what the sources make.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from contract import catalogue
from contract.document import contract

ROOT = Path(__file__).parent.parent


def openapi_yaml() -> str:
    """Return the document as YAML."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as blocks, and no anchors."""

        def ignore_aliases(self, _: object) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return str(yaml.dump(contract(), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100))


FILES: dict[str, Callable[[], str]] = {
    "openapi.yaml": openapi_yaml,
    "docs/guides/errors.md": catalogue.guide,
}


def main() -> None:
    """Write what is published, or check it."""
    parser = argparse.ArgumentParser(prog="contract", description=__doc__)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    for name, made in FILES.items():
        path, text = ROOT / name, made()
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{name} is not what the sources make: run `make openapi` and commit it.")


if __name__ == "__main__":
    main()
