"""Hosts that are leaving are asked as well, where they are still who they were."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kanae.facts.model import Facts, Query
from kanae.layout import marks
from kanae.operations import survey as surveys
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet

from .desk import facts, project

OURS = {marks.CLUSTER: "demo\n", marks.IDENTITY: "1" * 32}
GONE: dict[str, object] = {"name": "w9", "address": "192.0.2.9", "roles": ["worker"], "ssh": {}}


class Answering(Fleet):
    """All are connected."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.hosts = set(spec.hosts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.hosts)

    def __contains__(self, host: str) -> bool:
        return host in self.hosts

    async def admit(self, spec: Spec, hosts: Iterable[str]) -> None:
        self.hosts |= set(hosts)


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (OURS, True),
        ({}, False),
        ({**OURS, marks.CLUSTER: "other\n"}, False),
        ({**OURS, marks.IDENTITY: "2" * 32}, False),
    ],
    ids=["ours", "blank", "another cluster's", "another cluster's of the same name"],
)
async def test_what_answers_in_the_place_of_a_host_that_leaves_is_not_asked_of_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: Mapping[str, str], found: bool
) -> None:
    opened = project(tmp_path)
    told = facts("m1", "w1", marks={**OURS, marks.HOSTS: json.dumps([GONE])}).hosts
    told = {**told, "w9": replace(told["w1"], marks=dict(there))}

    async def ask(fleet: Fleet, queries: Mapping[str, Query]) -> Facts:
        return Facts({host: told[host] for host in queries})

    monkeypatch.setattr(surveys, "ask", ask)
    answered = await surveys.survey(opened, Answering(opened.spec))
    assert ("w9" in answered.hosts) is found
    assert {"m1", "w1"} <= set(answered.hosts)
