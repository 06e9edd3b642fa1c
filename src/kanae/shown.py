"""Text of hosts, files and servers, made fit to be shown: on terminals, in JSON, journal and HTML.

It is somebody else's, and may hold escape sequences or bytes that are no text at all.
"""

from __future__ import annotations

import re

# Controls but for tab and end of line, what reverses the reading direction, and lone surrogates,
# which are what `surrogateescape` makes of bytes that are no UTF-8.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def shown(text: str) -> str:
    r"""The same text with all of that as \x1b, \u202e and \xff (of a byte); ends of lines stay."""
    return _HIDDEN.sub(_escaped, text.replace("\r\n", "\n"))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
