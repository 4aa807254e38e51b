"""HTML in small: elements, and the little Markdown that descriptions use."""

import json
import re
from collections.abc import Iterable
from html import escape


def element(name: str, *inside: str, **attributes: str) -> str:
    """One element; `class_` stands for class. What is inside is HTML already."""
    told = "".join(f' {key.strip("_")}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{told}>{''.join(inside)}</{name}>"


def inline(text: str) -> str:
    """One line of Markdown: `code` and links to headings are all there is."""
    parts = re.split(r"`([^`]+)`", text)
    return "".join(
        element("code", escape(part)) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )


def prose(text: str) -> str:
    """Paragraphs and lists."""
    return "".join(_block(block) for block in re.split(r"\n\s*\n", text.strip()) if block)


def pretty(value: object) -> str:
    """An example as indented JSON."""
    return element("pre", element("code", escape(json.dumps(value, indent=2, ensure_ascii=False))))


def table(head: Iterable[str], rows: Iterable[Iterable[str]], **attributes: str) -> str:
    """A table whose cells are HTML already."""
    titles = "".join(element("th", escape(title), scope="col") for title in head)
    body = "".join(element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element(
        "div",
        element("table", element("thead", element("tr", titles)), element("tbody", body)),
        class_="wide",
        **attributes,
    )


def _block(block: str) -> str:
    if not block.startswith("- "):
        return element("p", inline(" ".join(block.split())))
    items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
    return element("ul", *(element("li", inline(" ".join(item.split()))) for item in items))
