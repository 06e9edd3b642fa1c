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
Version = Annotated[str, _text(r"^v?\d{1,3}\.\d{1,3}\.\d{1,3}$", "a full version such as v1.37.2")]
Digest = Annotated[
    str, _text(r"^sha256:[0-9a-f]{64}$", "sha256: followed by 64 lower-case hexadecimal digits")
]
# As maxUnavailable of a Deployment: an absolute number or a percentage.
HostCount = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    _text(
        r"^([1-9]\d{0,3}|(100|[1-9]\d?)%)$", "a number of hosts or a percentage, such as 2 or 10%"
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 9999},
                {"type": "string", "pattern": r"^([1-9]\d{0,3}|(100|[1-9]\d?)%)$"},
            ]
        }
    ),
]
# A Go duration as Kubernetes components take it, or seconds.
Duration = Annotated[str, _text(r"^(\d+(\.\d+)?(ms|s|m|h))+$", "a duration such as 500ms or 1m30s")]

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
JumpHost = Annotated[
    str,
    _text(
        r"^([A-Za-z0-9_][^\s@:,]*@)?[A-Za-z0-9][A-Za-z0-9_.-]*(:\d{1,5})?"
        r"(,([A-Za-z0-9_][^\s@:,]*@)?[A-Za-z0-9][A-Za-z0-9_.-]*(:\d{1,5})?)*$",
        "a jump host such as user@gate:22, or several with commas between",
    ),
]
FileName = Annotated[str, _text(r"^[^\x00-\x1f\x7f]+$", "a path")]
