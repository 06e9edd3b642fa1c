"""Unquoted YAML scalars to values, by the core schema of YAML 1.2.2, section 10.3.2.

What readers of YAML 1.1 would read differently is refused instead of guessed.
"""

from __future__ import annotations

import re

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# Booleans to readers of YAML 1.1, text to readers of YAML 1.2.
_AMBIGUOUS_BOOL = re.compile(r"(?i:yes|no|on|off)")
# Octal to readers of YAML 1.1, decimal to readers of YAML 1.2.
_AMBIGUOUS_INT = re.compile(r"[-+]?0[0-9]+")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def resolve(text: str) -> tuple[bool | int | float | str | None, str]:
    """The value of an unquoted scalar and what is wrong with it ("" for nothing)."""
    if not text or text[0] not in "~nNtTfF+-.0123456789yYoO":
        return (text or None), ""
    if _NULL.fullmatch(text):
        return None, ""
    if _BOOL.fullmatch(text):
        return text[0] in "tT", ""
    if _AMBIGUOUS_BOOL.fullmatch(text):
        return text, (
            f"{text} without quotes is true or false to some readers of YAML and text to others;"
            f' write true, false or "{text}"'
        )
    if _AMBIGUOUS_INT.fullmatch(text):
        return text, (
            f"{text} without quotes is octal to some readers of YAML and decimal to others;"
            f' write it without the leading 0, or in quotes as "{text}"'
        )
    if len(text) > 25 and (_FLOAT.fullmatch(text) or _HEX.fullmatch(text)):
        return text, "a number this long cannot be meant; write it in quotes if it is text"
    if _INT.fullmatch(text):
        return int(text), ""
    if _FLOAT.fullmatch(text):
        number = float(text)
        finite = abs(number) != float("inf")
        return (number, "") if finite else (text, "expected a number of ordinary size")
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8), ""
    if _HEX.fullmatch(text):
        return int(text[2:], 16), ""
    if _NOT_FINITE.fullmatch(text):
        return text, f"expected a finite number or text; {text} is neither"
    return text, ""


def quoted(text: str) -> str:
    """Text from the file as it is shown in a message: short, on one line, safe on a terminal."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text[:200].split()))
    return f"`{line if len(line) <= 60 else line[:57] + '...'}`"
