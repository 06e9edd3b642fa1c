"""Where binaries, images and manifests come from."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kanae.spec.models import ArtifactSource, Role, Spec
from kanae.spec.rules.violation import Violation
from kanae.spec.tree import Path

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_WEB = re.compile(r"https?://[^\s/@]+(/\S*)?")
# The URL itself is not repeated in messages: what is wrong with it may be the password in it.
_EXPECTED_URL = "an http or https URL without a password in it"


def artifact_rules(spec: Spec) -> Iterator[Violation]:
    artifacts = spec.artifacts
    source: Path = ("artifacts", "source")
    if artifacts.source is ArtifactSource.MIRROR and not (
        artifacts.mirror and artifacts.mirror.urls
    ):
        message = "expected mirror.urls beside the source mirror"
        yield Violation(source, message, about=(("artifacts", "mirror"),))
    if artifacts.source is ArtifactSource.BUNDLE and not artifacts.bundle:
        message = "expected bundle, a file's path, beside the source bundle"
        yield Violation(source, message, about=(("artifacts", "bundle"),))
    given = {"mirror": artifacts.mirror is not None, "bundle": artifacts.bundle is not None}
    for field, is_given in given.items():
        if is_given and artifacts.source not in (ArtifactSource.AUTO, field):
            message = f"not used by the source {artifacts.source}; expected auto or {field}"
            yield Violation(("artifacts", field), message, about=(source,))
    for host, url in (artifacts.mirror.urls if artifacts.mirror else {}).items():
        if not _WEB.fullmatch(url):
            message = f"expected {_EXPECTED_URL}"
            yield Violation(("artifacts", "mirror", "urls", host), message)


def file_rules(spec: Spec) -> Iterator[Violation]:
    for index, manifest in enumerate(spec.networks.pod_network.manifests):
        place = ("networks", "podNetwork", "manifests", index)
        yield from _file(manifest.source, manifest.digest, place)
    for index, archive in enumerate(spec.images):
        place = ("images", index)
        yield from _file(archive.source, archive.digest, place)
        for at, role in enumerate(archive.roles):
            if role not in (Role.CONTROL_PLANE, Role.WORKER):
                message = f"images go to control-plane and worker hosts; {role} runs no containers"
                yield Violation((*place, "roles", at), message)


def _file(source: str, digest: str | None, place: Path) -> Iterator[Violation]:
    scheme = _SCHEME.match(source)
    here = (*place, "source")
    if not source.strip() or (scheme and not _WEB.fullmatch(source)):
        yield Violation(here, f"expected a path or {_EXPECTED_URL}")
    elif scheme and digest is None:
        yield Violation(here, "expected digest, the sha256 of the file, beside a URL")
