"""What etcd, the API server and containerd answered. No answer, or half of one, reads as None."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from kanae.facts.frame import Answer
from kanae.facts.http import Response, responses
from kanae.facts.kinds import group_of
from kanae.facts.model import ApiFact, EtcdFact, EtcdMember, ObjectKey, Query
from kanae.shown import shown

Json = Mapping[str, object]
# containerd's CRI plugin tells kubelet of images with this label, and kubelet's image garbage
# collection leaves them alone, however full the disk is (CRI's Image.pinned).
PINNED = "io.cri-containerd.pinned=pinned"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def parse_images(answer: Answer) -> dict[str, str] | None:
    """Reference -> digest of the images that are pinned, from `ctr images ls`, whose columns are
    REF TYPE DIGEST SIZE PLATFORMS LABELS. Of another image nobody knows how long it is there.
    """
    if "answer images" not in answer.sections:
        return None
    images: dict[str, str] = {}
    for line in answer.decoded("answer images").decode(errors="replace").splitlines()[1:]:
        words = line.split()
        if len(words) > 2 and _DIGEST.fullmatch(words[2]) and PINNED in words[-1].split(","):
            images[words[0]] = words[2]
    return images


def parse_etcd(answer: Answer) -> EtcdFact | None:
    """A member that does not answer about itself is not there."""
    endpoints = _json(answer, "answer etcd-status")
    listing = _json(answer, "answer etcd-members")
    if not isinstance(endpoints, list) or not endpoints or not isinstance(listing, dict):
        return None
    status = _map(_map(cast("list[object]", endpoints)[0]).get("Status"))
    header = _map(status.get("header"))
    if not header:
        return None
    return EtcdFact(
        members=_members(cast("Json", listing)),
        member_id=_hex(header.get("member_id")),
        leader_id=_hex(status.get("leader")),
        version=_text(status.get("version")),
        db_size=_number(status.get("dbSize")),
        db_in_use=_number(status.get("dbSizeInUse")),
        revision=_number(header.get("revision")),
        raft_index=_number(status.get("raftIndex")),
        raft_applied=_number(status.get("raftAppliedIndex")),
        errors=tuple(map(_text, _list(status.get("errors")))),
    )


def parse_members(text: bytes) -> tuple[EtcdMember, ...]:
    """`etcdctl member list -w json`."""
    return _members(_loads(text))


def parse_leader(text: bytes) -> tuple[str, str]:
    """`etcdctl endpoint status -w json` of one member: its own id and its leader's, "0" for none;
    both "0" when it did not answer."""
    entries = _maps(_loads(text))
    if not entries:
        return "0", "0"
    status = _map(entries[0].get("Status"))
    return _hex(_map(status.get("header")).get("member_id")), _hex(status.get("leader"))


def parse_health(text: bytes) -> dict[str, str]:
    """`etcdctl endpoint health -w json`: client URL -> what is wrong with it, "" when healthy."""
    return {
        _text(entry.get("endpoint")): (
            "" if entry.get("health") is True else _text(entry.get("error")) or "not healthy"
        )
        for entry in _maps(_loads(text))
    }


@dataclass(frozen=True, slots=True)
class Hash:
    """hash: of all keys with their history since `compacted`. revision: up to which."""

    hash: int
    revision: int
    compacted: int

    def __str__(self) -> str:
        return f"hash {self.hash} at revision {self.revision}, compacted to {self.compacted}"


def parse_hashes(text: bytes) -> dict[str, Hash]:
    """`etcdctl endpoint hashkv -w json`: by client URL, of those that answered."""
    found: dict[str, Hash] = {}
    for entry in _maps(_loads(text)):
        told = _map(entry.get("HashKV"))
        revision = _number(told.get("hash_revision") or _map(told.get("header")).get("revision"))
        if told and revision:
            # protobuf leaves zeros out.
            found[_text(entry.get("Endpoint"))] = Hash(
                _number(told.get("hash")), revision, _number(told.get("compact_revision"))
            )
    return found


def _members(listing: object) -> tuple[EtcdMember, ...]:
    return tuple(map(_member, _maps(_map(listing).get("members"))))


def _member(entry: Json) -> EtcdMember:
    return EtcdMember(
        id=_hex(entry.get("ID")),
        name=_text(entry.get("name")),
        peer_urls=tuple(map(_text, _list(entry.get("peerURLs")))),
        client_urls=tuple(map(_text, _list(entry.get("clientURLs")))),
        learner=entry.get("isLearner") is True,
    )


def parse_api(answer: Answer, query: Query) -> ApiFact | None:
    """None unless the server said its version, listed its nodes and answered for all objects:
    an object is only missing when the API server says so."""
    objects = query.objects
    if "answer api" in answer.sections:
        return _from_responses(responses(answer.decoded("answer api")), query)
    asked = len({key.namespace for key in objects})
    if sum(section.startswith("answer api-objects-") for section in answer.sections) < asked:
        return None
    version = _map(_json(answer, "answer api-version"))
    nodes = _map(_json(answer, "answer api-nodes"))
    if "gitVersion" not in version or "items" not in nodes:
        return None
    got: list[Json] = []
    for section in answer.sections:
        if section.startswith("answer api-objects-"):
            got += _listed(answer, section)
    stored = _matches([each.key for each in query.applied], _listed(answer, "answer api-stored"))
    ready = answer.decoded("answer api-ready").strip() == b"ok"
    return _api(ready, version, nodes, dict(_matches(objects, got)), dict(stored))


def _listed(answer: Answer, section: str) -> list[Json]:
    """What kubectl prints: one object as it is, several as a List."""
    document = _map(_json(answer, section))
    return _maps(document["items"]) if "items" in document else [document]


def _from_responses(answers: Sequence[Response], query: Query) -> ApiFact | None:
    """In the order of asking: health, nodes, objects, dry runs, version. An object that could not
    be read is not one that does not exist, so that then nothing is known."""
    count = len(query.objects)
    if len(answers) != count + len(query.applied) + 3:
        return None
    health, listing, *told, last = answers
    got, would = told[:count], told[count:]
    version, nodes = _map(_loads(last.body)), _map(_loads(listing.body))
    if "gitVersion" not in version or listing.status != 200 or "items" not in nodes:
        return None
    if any(response.status not in {200, 404} for response in got):
        return None
    found = {
        key: _map(_loads(response.body))
        for key, response in zip(query.objects, got, strict=True)
        if response.status == 200
    }
    stored = {
        each.key: _map(_loads(response.body))
        for each, response in zip(query.applied, would, strict=True)
        if response.status in {200, 201}
    }
    return _api(health.status == 200, version, nodes, found, stored)


def _api(
    ready: bool,
    version: Json,
    nodes: Json,
    objects: Mapping[ObjectKey, Json],
    stored: Mapping[ObjectKey, Json],
) -> ApiFact:
    return ApiFact(
        ready=ready,
        version=_text(version.get("gitVersion")),
        nodes={name: node for node in _maps(nodes["items"]) if (name := _metadata(node, "name"))},
        objects=objects,
        stored=stored,
    )


def _matches(keys: Sequence[ObjectKey], got: Sequence[Json]) -> Iterator[tuple[ObjectKey, Json]]:
    for key in keys:
        # kubectl takes the namespace default where none is said.
        namespaces = {key.namespace} if key.namespace else {"", "default"}
        for document in got:
            if (
                _metadata(document, "name") == key.name
                and _metadata(document, "namespace") in namespaces
                and _is(document, key.resource)
            ):
                yield key, document


def _is(document: Json, resource: str) -> bool:
    """Whether a document is of a resource as kubectl takes it: daemonsets.apps, daemonset."""
    kind = _text(document.get("kind")).lower()
    group = _text(document.get("apiVersion")).rpartition("/")[0]
    name, rest = resource.partition(".")[0], group_of(resource)
    if rest and group not in {rest, rest.partition(".")[2]}:
        return False
    return name in {kind, f"{kind}s", f"{kind}es", f"{kind[:-1]}ies"}


def _metadata(document: Json, name: str) -> str:
    return _text(_map(document.get("metadata")).get(name))


def _json(answer: Answer, section: str) -> object:
    return _loads(answer.decoded(section) or b"null")


def _loads(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _map(value: object) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _maps(value: object) -> list[Json]:
    return [cast("Json", item) for item in _list(value) if isinstance(item, dict)]


def _text(value: object) -> str:
    return shown(value) if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _hex(value: object) -> str:
    return f"{_number(value):x}"
