"""containerd and kubelet on every node."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan import binaries, versions
from kanae.plan.draft import Draft
from kanae.plan.view import View
from kanae.plan.waits import await_api, await_kubelet, serves_api
from kanae.render import containerd, kubelet
from kanae.resources.file import File
from kanae.resources.model import Resource
from kanae.resources.unit import Unit


def resources(view: View, host: str) -> tuple[Resource, ...]:
    if host not in view.spec.nodes:
        return ()
    return (*_containerd(view, host), *kubelet_resources(view, host))


def _containerd(view: View, host: str) -> tuple[Resource, ...]:
    spec, base = view.spec, view.base(host)
    pause = view.site.release.image_references()["pause"]
    config = File(at.CONTAINERD_CONFIG, containerd.config(spec, host, base, pause))
    unit = File(at.CONTAINERD_UNIT, containerd.unit(base))
    return (
        config,
        unit,
        File(at.CRICTL_CONFIG, containerd.crictl()),
        Unit(
            units.CONTAINERD,
            restart_on=(config.key, unit.key, f"binary:{at.BIN}/containerd"),
        ),
    )


def kubelet_resources(view: View, host: str) -> tuple[Resource, ...]:
    base = view.base(host)
    unit = File(at.KUBELET_UNIT, kubelet.unit())
    dropin = File(at.KUBELET_DROPIN, kubelet.dropin(host, str(view.spec.hosts[host].address), base))
    return (
        unit,
        dropin,
        Unit(
            units.KUBELET,
            restart_on=(unit.key, dropin.key, f"binary:{at.BIN}/kubelet"),
            running=view.joined(host),
        ),
    )


def plan(draft: Draft) -> None:
    """A setting that containerd or kubelet refuses must stop at the first host that serves. Nodes
    that an upgrade has still to move are left as they are until their turn (`plan.node_upgrade`),
    but for what does not run there. kubelet of a node that has not joined yet comes later (see
    `plan.kubelet`)."""
    view = draft.view
    nodes = [host for host in view.spec.nodes if host in draft.hosts]
    waiting = [host for host in nodes if versions.stays(view, host)]
    for host in waiting:
        stopped = [
            each
            for each in resources(view, host)
            if isinstance(each, Unit) and not view.active(host, each.unit)
        ]
        draft.hosts[host].converge("runtime", "container runtime and kubelet", stopped)
    draft.rolling.roll(
        [host for host in nodes if host not in waiting],
        lambda host, needs: turn(draft, host, "runtime", needs),
        lambda host, step: well(draft, host, "runtime", step),
        serves=lambda host: view.joined(host) and view.active(host, units.KUBELET),
    )


def turn(draft: Draft, host: str, stage: str, needs: Sequence[str | None]) -> str | None:
    """The host's programs and settings, and with them the restart of what they are for."""
    build = draft.hosts[host]
    programs = build.deliver(
        f"{stage}-programs",
        "replace the container runtime and kubelet",
        binaries.runtime_programs(draft.view, host),
        needs,
    )
    title, wanted = "container runtime and kubelet", resources(draft.view, host)
    if draft.view.unjoined(host):
        title, wanted = "container runtime", _containerd(draft.view, host)
    step = build.converge(stage, title, wanted, [*needs, programs])
    return step or programs


def well(draft: Draft, host: str, stage: str, after: str) -> str:
    """The step after which a host whose kubelet was restarted serves again."""
    step = await_kubelet(draft, host, stage, "kubelet-healthy", after)
    if serves_api(draft, host):
        step = await_api(draft, host, stage, "api-ready", step)
    return step
