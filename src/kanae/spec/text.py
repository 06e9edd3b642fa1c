"""Kinds of text (and numbers) that fields of a spec hold, each with its meaning in words."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

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
# A Go duration as Kubernetes components take it, or seconds.
Duration = Annotated[str, _text(r"^(\d+(\.\d+)?(ms|s|m|h))+$", "a duration such as 500ms or 1m30s")]
