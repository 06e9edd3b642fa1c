"""Kinds of text (and numbers) that fields of a spec hold, each with its meaning in words."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

Port = Annotated[int, Field(ge=1, le=65535)]

# Regular expressions below -> what they accept, in words for messages.
PATTERNS: dict[str, str] = {}


def _text(pattern: str, words: str) -> StringConstraints:
    PATTERNS[pattern] = words
    return StringConstraints(pattern=pattern)


# RFC 1123 label: what Kubernetes accepts as a node name without dots.
HostName = Annotated[
    str,
    _text(
        r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        "a host name of at most 63 lower-case letters, digits and inner hyphens",
    ),
]
ClusterName = Annotated[
    str,
    _text(
        r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$",
        "a cluster name of at most 32 lower-case letters, digits and inner hyphens",
    ),
]
# [0-9] throughout: \d takes the digits of every script, and no program behind kanae does.
Version = Annotated[
    str, _text(r"^v?[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$", "a full version such as v1.37.2")
]
Digest = Annotated[
    str, _text(r"^sha256:[0-9a-f]{64}$", "sha256: followed by 64 lower-case hexadecimal digits")
]
# As maxUnavailable of a Deployment: an absolute number or a percentage.
HostCount = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    _text(
        r"^([1-9][0-9]{0,3}|(100|[1-9][0-9]?)%)$",
        "a number of hosts or a percentage, such as 2 or 10%",
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 9999},
                {"type": "string", "pattern": r"^([1-9][0-9]{0,3}|(100|[1-9][0-9]?)%)$"},
            ]
        }
    ),
]
# A Go duration as Kubernetes components take it, of at least 1 ms: one of its parts is.
_PART = r"([0-9]{1,6}(\.[0-9]{1,6})?(ms|s|m|h))"
_LASTING = r"(0*[1-9][0-9]{0,5}(\.[0-9]{1,6})?(ms|s|m|h)|0{1,6}\.0{0,2}[1-9][0-9]{0,5}(s|m|h))"
Duration = Annotated[
    str,
    _text(
        rf"^{_PART}*{_LASTING}{_PART}*$",
        "a duration of at least 1ms, such as 500ms or 1m30s",
    ),
]

# RFC 1123 subdomain: dot-separated labels.
DOMAIN = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
DomainName = Annotated[
    str, Field(max_length=253), _text(rf"^{DOMAIN}$", "a DNS name in lower-case letters")
]
# IFNAMSIZ - 1 characters; include/uapi/linux/if.h. Nothing that needs quotes in a file.
InterfaceName = Annotated[
    str, _text(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$", "a network interface's name such as eth0")
]
UserName = Annotated[
    str, _text(r"^[A-Za-z0-9_][A-Za-z0-9_.@\\$-]{0,254}$", "a user's name without spaces")
]
# 1 to 65535
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_JUMP = rf"([A-Za-z0-9_][^\s@:,]*@)?[A-Za-z0-9][A-Za-z0-9_.-]*(:{_PORT})?"
JumpHost = Annotated[
    str,
    _text(
        rf"^{_JUMP}(,{_JUMP})*$",
        "a jump host such as user@gate:22, or several with commas between",
    ),
]
FileName = Annotated[str, _text(r"^[^\x00-\x1f\x7f]+$", "a path")]

# Of what is kept for long: hours, days or weeks, one of them.
Age = Annotated[
    str, _text(r"^[1-9][0-9]{0,3}[hdw]$", "hours, days or weeks such as 36h, 30d or 8w")
]
