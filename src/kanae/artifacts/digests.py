"""Digests as registries, bundles, indexes and archives give them: one form, or none.

A digest becomes the name of a file in the store. Whatever else stands in its place (a path, another
algorithm, upper case) is refused where it comes in.
"""

from __future__ import annotations

import re

from kanae.errors import ArtifactError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def is_digest(value: object) -> bool:
    """Whether it is text of the form sha256:<64 lower-case hexadecimal digits>."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def checked(value: object, where: str) -> str:
    """The digest that a source says. where: who says it. ArtifactError for anything else."""
    if not isinstance(value, str) or not is_digest(value):
        shown = repr(value)
        raise ArtifactError(
            f"{where} has {shown if len(shown) < 100 else shown[:97] + '...'} for a digest,"
            " which is not sha256: and 64 hexadecimal digits",
            remedy="do not trust it: get it anew from where it should come from",
        )
    return value


def hexadecimal(digest: str) -> str:
    """The 64 digits, as files are named by them. ArtifactError for what is no digest."""
    return checked(digest, "the store was asked for a blob that").removeprefix("sha256:")
