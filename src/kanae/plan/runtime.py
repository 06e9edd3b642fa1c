"""containerd and kubelet on every node."""

from __future__ import annotations

from collections.abc import Sequence

from kanae.layout import paths as at
from kanae.layout import units
from kanae.plan.draft import Draft
from kanae.plan.view import View
from kanae.plan.waits import await_api, await_kubelet
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
    """A setting that containerd or kubelet refuses must stop at the first host that serves. kubelet
    of a node that has not joined yet comes later (see `plan.kubelet`)."""
    view = draft.view

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        title, wanted = "container runtime and kubelet", resources(view, host)
        if view.unjoined(host):
            title, wanted = "container runtime", _containerd(view, host)
        return draft.hosts[host].converge("runtime", title, wanted, needs)

    def gate(host: str, step: str) -> str:
        well = await_kubelet(draft, host, "runtime", "kubelet-healthy", step)
        if view.api_ready(host):
            well = await_api(draft, host, "runtime", "api-ready", well)
        return well

    draft.rolling.roll(
        [host for host in view.spec.nodes if host in draft.hosts],
        change,
        gate,
        serves=lambda host: view.joined(host) and view.active(host, units.KUBELET),
    )
