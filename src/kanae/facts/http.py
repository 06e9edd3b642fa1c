"""Responses of an HTTP/1.1 server, one after another in one stream of bytes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"^content-length: *(\d{1,10})\r?$", re.IGNORECASE | re.MULTILINE)
_CHUNKED = re.compile(rb"^transfer-encoding: *chunked\r?$", re.IGNORECASE | re.MULTILINE)
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[^\r\n]{0,64}\r\n")


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes


def responses(stream: bytes) -> list[Response]:
    """All that arrived whole; the first one that is cut short or no HTTP ends the list."""
    found: list[Response] = []
    at = 0
    while (end := stream.find(b"\r\n\r\n", at)) != -1:
        head = stream[at : end + 2]
        status = _STATUS.match(head)
        length = _LENGTH.search(head)
        if status is None:
            break
        if _CHUNKED.search(head):
            read = _chunks(stream, end + 4)
            if read is None:
                break
            body, at = read
        elif length is not None:
            at = end + 4 + int(length[1])
            body = stream[end + 4 : at]
            if at > len(stream):
                break
        else:
            body, at = b"", end + 4
        found.append(Response(int(status[1]), body))
    return found


def _chunks(stream: bytes, at: int) -> tuple[bytes, int] | None:
    pieces: list[bytes] = []
    while match := _CHUNK.match(stream, at):
        size = int(match[1], 16)
        begun = match.end()
        at = begun + size + 2
        if stream[at - 2 : at] != b"\r\n":
            return None
        if size == 0:
            return b"".join(pieces), at
        pieces.append(stream[begun : begun + size])
    return None
