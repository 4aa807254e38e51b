"""How the gateway and a function's processes talk: JSON with its length in front."""

import asyncio
import json
import socket
import struct
from typing import Any

HEADER = struct.Struct(">I")


def encode(message: Any) -> bytes:
    """The message as it goes over the socket."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return HEADER.pack(len(body)) + body


def receive(connection: socket.socket) -> Any:
    """The next message. Raises EOFError when the other side is gone."""
    (length,) = HEADER.unpack(_exactly(connection, HEADER.size))
    return json.loads(_exactly(connection, length))


async def receive_async(reader: asyncio.StreamReader) -> Any:
    """The next message. Raises asyncio.IncompleteReadError when the other side is gone."""
    (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
    return json.loads(await reader.readexactly(length))


def _exactly(connection: socket.socket, length: int) -> bytes:
    content = bytearray()
    while len(content) < length:
        piece = connection.recv(length - len(content))
        if not piece:
            raise EOFError("the connection ended within a message")
        content += piece
    return bytes(content)
