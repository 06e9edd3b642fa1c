"""Objects of the pod network are compared by what the API server would make of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kanae.facts.model import ApiFact
from kanae.plan.model import Step
from kanae.plan.planner import plan
from kanae.plan.view import View
from kanae.render.objects import key_of

from .fixtures import Desk, example
from .simulator import Simulator
from .world import World

NOTES: dict[str, Any] = {"resourceVersion": "7", "uid": "u", "generation": 3, "managedFields": [{}]}


def _built() -> Simulator:
    sim = Simulator(World.bare(Desk.of(example("single"))))
    sim.converge()
    return sim


def _planned(sim: Simulator, kind: str, live: Any, stored: Any) -> list[Step]:
    """The steps of the pod network when one of its objects is so, and would be so."""
    facts = sim.world.facts()
    [document] = [each for each in sim.world.desk.site.manifests if each["kind"] == kind]
    key = key_of(document)

    def answered(api: ApiFact | None) -> ApiFact | None:
        if api is None:
            return None
        would = {key: stored} if stored is not None else {}
        return replace(api, objects={**api.objects, key: live}, stored=would)

    hosts = {name: replace(each, api=answered(each.api)) for name, each in facts.hosts.items()}
    made = plan(View(sim.world.desk.site, replace(facts, hosts=hosts)))
    return [step for step in made if step.stage == "pod-network"]


def _manifest(sim: Simulator, kind: str) -> dict[str, Any]:
    [found] = [dict(each) for each in sim.world.desk.site.manifests if each["kind"] == kind]
    return found


def test_defaults_and_dropped_values_of_any_kind_are_no_difference() -> None:
    """What the server stores is not like the manifest at all; what it would store is that."""
    sim = _built()
    manifest = _manifest(sim, "DaemonSet")
    live = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": manifest["metadata"] | NOTES,
        "spec": {"rewritten": "by the server", "default": 1},
        "status": {"numberReady": 1},
    }
    would = live | {
        "metadata": manifest["metadata"] | NOTES | {"resourceVersion": "", "generation": 4},
        "status": {"numberReady": 2},
    }
    assert _planned(sim, "DaemonSet", live, would) == []
    # Without the server's word, this is what can be told.
    assert _planned(sim, "DaemonSet", live, None) != []


def test_what_the_server_would_change_is_planned_even_where_nothing_wanted_is_missing() -> None:
    """A field that kanae once applied and no longer wants is taken away by server-side apply."""
    sim = _built()
    manifest = _manifest(sim, "ConfigMap")
    live = manifest | {"data": {**manifest["data"], "once": "wanted"}}
    [step] = _planned(sim, "ConfigMap", live, manifest)
    assert "once" in step.changes[0].diff
    assert _planned(sim, "ConfigMap", live, live) == []
