"""What changes a node that has joined, or half joined."""

from __future__ import annotations

from typing import Final

from kanae.execute.events import Outcome
from kanae.execute.scripts.clear import FORGOTTEN
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan import actions
from kanae.plan.model import Step

from ..world import API_SERVER, World
from .base import Effects, documents, failed, require_api, wait
from .kubeadm import put_addon, run_proxy, server_of, store_config, stored
from .node import (
    cleared,
    record_kubelet,
    record_manifests,
    serving,
    start_kubelet,
    write_manifests,
)

API_SERVER_MANIFEST: Final = f"{at.MANIFESTS}/{API_SERVER}.yaml"


def clear(world: World, step: Step, action: actions.ClearNode) -> Effects:
    name = step.host or ""
    host = world.hosts[name]
    if host.marked(marks.JOINED):
        return Outcome.OK
    if not world.endpoint_answers():
        raise failed(step, f"dial https://{world.spec.endpoint_host}: no answer")
    if action.etcd_member:
        if not world.etcd_runs(action.via):
            raise failed(step, f"etcd of {action.via} does not answer")
        if (leaving := world.member_at(action.etcd_member)) is not None:
            world.forget_member(leaving)
        yield
    world.nodes.pop(action.node, None)
    yield
    host.mark(marks.CLEARING)
    yield
    yield from cleared(host)
    for mark in FORGOTTEN:
        host.remove(marks.path(mark))
    yield
    if not action.control_plane:
        host.remove(f"{at.PKI}/ca.crt")
        yield
    if action.etcd_member:
        host.remove(f"{action.data_dir}/member")
        yield
    host.remove(marks.path(marks.CLEARING))
    yield
    return Outcome.CHANGED


def reconfigure_control_plane(
    world: World, step: Step, action: actions.ReconfigureControlPlane
) -> Effects:
    """The new API server has to be ready: without a kubelet that is waited for in vain."""
    host = world.hosts[step.host or ""]
    before = host.files.get(API_SERVER_MANIFEST)
    old = host.pods.get(API_SERVER)
    config = documents(action.config)["ClusterConfiguration"]
    host.mark(marks.JOINED, "changing\n")
    yield
    for path, text in serving(world, host.name, config).items():
        host.write(path, text, 0o600)
    yield
    yield from write_manifests(world, host, config)

    def missing() -> str:
        new = host.pods.get(API_SERVER)
        return "" if new != old and world.api_ready(host.name) else "the API server is not ready"

    if host.files[API_SERVER_MANIFEST] != before:
        yield from wait(step, missing)
    record_manifests(host)
    yield
    host.mark(marks.JOINED, f"{action.fingerprint}\n")
    yield
    return Outcome.CHANGED


def upload_config(world: World, step: Step, action: actions.UploadConfig) -> Effects:
    require_api(world, step)
    yield from store_config(world, documents(action.config))
    return Outcome.CHANGED


def reconfigure_kubelet(world: World, step: Step, action: actions.ReconfigureKubelet) -> Effects:
    host = world.hosts[step.host or ""]
    require_api(world, step)
    yield from start_kubelet(host, stored(world, 1))
    record_kubelet(host, action.fingerprint)
    yield
    return Outcome.CHANGED


def addon(world: World, step: Step, action: actions.Addon) -> Effects:
    require_api(world, step)
    host, docs = world.hosts[step.host or ""], documents(action.config)
    if action.name == "kube-proxy":
        world.led(server_of(docs["ClusterConfiguration"]))
    due = marks.RESTART + action.name
    if action.restart:
        host.mark(due)
        yield
    yield from put_addon(world, host, action.name, docs)
    if action.restart:
        run_proxy(world)
        host.remove(marks.path(due))
        yield
    return Outcome.CHANGED
