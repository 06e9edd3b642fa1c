"""Weave Net, whose images cannot be built: they come as archives that the spec names."""

from __future__ import annotations

import json
from dataclasses import replace

from kanae.artifacts.model import LocalArchive
from kanae.plan.actions import ApplyObjects, LoadImages
from kanae.plan.planner import plan
from kanae.plan.view import View
from kanae.render import weave
from kanae.spec.models import Role, Spec

from ...model.fixtures import Desk, bare, document_of

ARCHIVE = LocalArchive(
    "/images/weave.tar",
    f"sha256:{'1' * 64}",
    90_000_000,
    {weave.IMAGE: f"sha256:{'2' * 64}", weave.POLICY_IMAGE: f"sha256:{'3' * 64}"},
    (Role.CONTROL_PLANE, Role.WORKER),
)


def test_its_images_are_loaded_onto_every_node_and_its_objects_applied() -> None:
    document = document_of("reference")
    document["networks"] = {"podNetwork": {"provider": "weave"}}
    spec = Spec.model_validate(document)
    desk = Desk.of(spec)
    found = plan(View(replace(desk.site, archives=(ARCHIVE,)), bare(spec)))
    loaded = {
        step.host: {image.reference for image in step.action.images}
        for step in found
        if isinstance(step.action, LoadImages)
    }
    assert set(loaded) == set(spec.nodes)
    assert all({weave.IMAGE, weave.POLICY_IMAGE} <= images for images in loaded.values())
    assert not any("flannel" in image for images in loaded.values() for image in images)
    applied = [step.action for step in found if isinstance(step.action, ApplyObjects)]
    objects = [json.loads(text) for action in applied for text in action.documents]
    kinds = {each["kind"]: each for each in objects}
    assert kinds["DaemonSet"]["metadata"]["namespace"] == "kube-system"
