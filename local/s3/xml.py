"""S3's XML, written and read."""

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from local.s3.errors import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
Value = str | int | bool | None | Mapping[str, "Value"] | Sequence["Value"]


def document(root: str, content: Mapping[str, Value], *, namespace: bool = True) -> bytes:
    """Return an XML document; lists repeat their element, None is left out."""
    attribute = f' xmlns="{NAMESPACE}"' if namespace else ""
    inner = "".join(_element(name, value) for name, value in content.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{attribute}>{inner}</{root}>'.encode()


def _element(name: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        inner = "".join(_element(*item) for item in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(_element(name, one) for one in value)
    else:
        inner = _text(value)
    return f"<{name}>{inner}</{name}>"


def _text(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value), {"\r": "&#13;"})


def parse(body: bytes, root: str) -> ET.Element:
    """Return the root element of a request. Raises S3Error MalformedXML."""
    try:
        if b"<!" in body.replace(b"<![CDATA[", b""):
            raise _malformed()  # no document types: entities could grow without end
        element = ET.fromstring(body)  # noqa: S314 - see above
    except ET.ParseError as exc:
        raise _malformed() from exc
    if local_name(element) != root:
        raise _malformed()
    return element


def local_name(element: ET.Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: ET.Element, name: str) -> list[ET.Element]:
    """Return the children of a name, whatever their namespace."""
    return [child for child in element if local_name(child) == name]


def child_text(element: ET.Element, name: str) -> str | None:
    """Return the text of the first child of a name."""
    return next((child.text or "" for child in children(element, name)), None)


def _malformed() -> S3Error:
    return S3Error(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
