"""Pulling images over HTTP from a registry (OCI distribution specification 1.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

from kanae.artifacts import oci
from kanae.artifacts.digests import checked
from kanae.artifacts.progress import Progress, Task
from kanae.artifacts.store import Store
from kanae.artifacts.transfer import Http
from kanae.errors import ArtifactError, ArtifactMismatch

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPT = ", ".join((oci.INDEX, DOCKER_LIST, oci.MANIFEST, DOCKER_MANIFEST))
# Docker Hub's API is on another host than its image names say.
API_HOSTS = {"docker.io": "registry-1.docker.io"}


@dataclass(frozen=True, slots=True)
class Reference:
    """registry.k8s.io/coredns/coredns:v1.14.6 in its parts; `tag` may be a digest."""

    host: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        host, _, rest = text.partition("/")
        repository, sep, tag = rest.partition("@") if "@" in rest else rest.rpartition(":")
        if not (host and sep and repository and tag):
            raise ArtifactError(f"{text} is not HOST/REPOSITORY:TAG")
        return cls(host, repository, tag)

    def url(self, kind: str, what: str) -> str:
        return f"https://{API_HOSTS.get(self.host, self.host)}/v2/{self.repository}/{kind}/{what}"


def pull(http: Http, reference: str, arch: str, store: Store, progress: Progress) -> oci.Image:
    """Fetch an image for one architecture into the store; every blob is checked by its digest."""
    return _Pull(http, Reference.parse(reference), arch, store).run(progress)


class _Pull:
    def __init__(self, http: Http, reference: Reference, arch: str, store: Store) -> None:
        self._http, self._reference, self._arch, self._store = http, reference, arch, store
        self._headers: dict[str, str] = {}

    def run(self, progress: Progress) -> oci.Image:
        reference = self._reference
        manifest = self._manifest(reference.tag)
        told = self._json(manifest)
        if "manifests" in told:
            manifest = self._manifest(self._for_arch(told))
        blobs = oci.blobs_of(manifest)
        size = len(manifest) + sum(size for _, size in blobs)
        label = f"pulling {reference.repository}:{reference.tag} {self._arch}"
        with progress.task(label) as task:
            task.total(size)
            for digest, _ in blobs:
                self._blob(digest, task)
        digest = self._store.add_bytes(manifest)
        return oci.Image(digest, size, (digest, *(blob for blob, _ in blobs)))

    def _manifest(self, tag: str) -> bytes:
        url = self._reference.url("manifests", tag)
        answer = self._http.get(url, self._headers | {"Accept": ACCEPT})
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._headers = self._authorization(answer.headers.get("WWW-Authenticate", ""))
            answer = self._http.get(url, self._headers | {"Accept": ACCEPT})
        self._http.check(answer)
        wanted = tag if tag.startswith("sha256:") else answer.headers.get("Docker-Content-Digest")
        found = "sha256:" + sha256(answer.content).hexdigest()
        if wanted and wanted != found:
            raise ArtifactMismatch(
                f"{url}: the manifest has digest {found}, not {wanted}",
                remedy="something between here and the registry changes it; use another --source",
            )
        return answer.content

    def _authorization(self, challenge: str) -> dict[str, str]:
        """A bearer token as the registry's challenge asks for one (anonymous pull)."""
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = fields.pop("realm", "")
        if not challenge.lower().startswith("bearer ") or not realm:
            raise ArtifactError(
                f"registry {self._reference.host} wants a login that kanae does not know: "
                f"{challenge or 'no WWW-Authenticate header'}",
                remedy="use a mirror that serves anonymous pulls, or a bundle",
            )
        answer = self._http.get(f"{realm}?{urlencode(fields)}")
        self._http.check(answer)
        told = self._json(answer.content)
        token = told.get("token") or told.get("access_token")
        return {"Authorization": f"Bearer {token}"}

    @property
    def _name(self) -> str:
        return f"{self._reference.host}/{self._reference.repository}:{self._reference.tag}"

    def _json(self, body: bytes) -> Mapping[str, Any]:
        """ArtifactError for anything but a JSON object, as a captive portal's page is."""
        try:
            told: object = json.loads(body)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise ArtifactError(
                f"{self._name}: the answer is not what a registry answers: {body[:60]!r}",
                remedy="something between here and the registry answers in its place (a proxy, a"
                " captive portal); use another --source",
            )
        return cast("Mapping[str, Any]", told)

    def _for_arch(self, index: Mapping[str, Any]) -> str:
        """The digest of the linux manifest for this architecture."""
        for descriptor in _mappings(index["manifests"]):
            for platform in _mappings([descriptor.get("platform")]):
                if (platform.get("os"), platform.get("architecture")) == ("linux", self._arch):
                    return checked(descriptor.get("digest"), f"the index of {self._name}")
        raise ArtifactError(
            f"{self._name} has no image for linux/{self._arch}",
            remedy="choose another --arch or --source",
        )

    def _blob(self, digest: str, task: Task) -> None:
        """One blob; a layer that another image brought already is not fetched again."""
        with self._store.locked([digest.replace(":", "-")], lambda: None):
            if self._store.verified(digest):
                task.advance(self._store.path(digest).stat().st_size)
                return
            self._http.download_verified(
                self._reference.url("blobs", digest), digest, self._store, task, self._headers
            )


def _mappings(values: object) -> Iterator[Mapping[str, object]]:
    """Those of a JSON list that are objects; nothing when it is no list."""
    for value in cast("list[object]", values) if isinstance(values, list) else ():
        if isinstance(value, dict):
            yield cast("Mapping[str, object]", value)
