"""The container runtime that is there already."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kanae.facts.model import HostFacts
from kanae.layout import families
from kanae.layout import paths as at
from kanae.layout.marks import MANAGED
from kanae.layout.runtimes import CONTAINERD, RUNTIMES, Runtime
from kanae.render.containerd import cgroup_driver
from kanae.spec.models import Spec
from kanae.verify.model import Finding, Subject, error, info, warning

_RUNC = re.compile(r"^\s*SystemdCgroup\s*=\s*(true|false)", re.MULTILINE)
_KUBELET = re.compile(r"^cgroupDriver:\s*[\"']?(\w+)", re.MULTILINE)


def driver(subject: Subject) -> Iterator[Finding]:
    """Files that are there are compared with each other; what the spec sets for kubelet is compared
    with what kanae will write for containerd."""
    for host, facts in subject.nodes():
        runtime, kubelet = _runtime(facts), _kubelet(facts)
        if runtime and kubelet and runtime != kubelet:
            yield error(
                "cgroup-driver",
                host,
                f"containerd uses {runtime} ({at.CONTAINERD_CONFIG}) and kubelet {kubelet} "
                f"({at.KUBELET_CONFIG})",
                f"both must use {cgroup_driver(facts.base)}: remove both files, or run kanae apply "
                "with --ignore cgroup-driver to have them rewritten",
            )
        wanted = _driver_of_spec(subject.spec, host)
        ours = cgroup_driver(facts.base)
        if wanted and wanted != ours:
            yield error(
                "cgroup-driver",
                host,
                f"the spec sets kubelet's cgroupDriver to {wanted}; containerd gets {ours} here "
                f"(cgroup v{facts.base.cgroup})",
                "leave cgroupDriver out of the spec",
            )


def _runtime(facts: HostFacts) -> str:
    """What the file makes containerd use; "" when there is none."""
    fact = facts.files.get(at.CONTAINERD_CONFIG)
    if fact is None or fact.text is None:
        return ""
    match = _RUNC.search(fact.text)
    return "systemd" if match and match[1] == "true" else "cgroupfs"


def _kubelet(facts: HostFacts) -> str:
    fact = facts.files.get(at.KUBELET_CONFIG)
    match = _KUBELET.search(fact.text) if fact is not None and fact.text is not None else None
    return match[1] if match else ""


def _driver_of_spec(spec: Spec, host: str) -> str:
    settings = {**spec.kubelet, **spec.hosts[host].kubelet}
    return str(settings.get("cgroupDriver", ""))


def _holds(facts: HostFacts, runtime: Runtime) -> str:
    """In words; "" for nothing."""
    held: list[str] = []
    for what, folder in (("containers", runtime.containers), ("images", runtime.images)):
        names = facts.folders.get(folder) or ()
        if any(not name.endswith((".json", ".lock")) for name in names):
            held.append(what)
    return " and ".join(held)


def foreign(subject: Subject) -> Iterator[Finding]:
    """One that holds something is in use: kanae takes over its socket, unit and configuration."""
    for host, facts in subject.nodes():
        config = facts.files.get(at.CONTAINERD_CONFIG)
        # kanae's own stays, with images, after a reset that keeps artifacts.
        kept = config is not None and MANAGED in (config.text or "")
        others = [each for each in RUNTIMES if not (kept and each is CONTAINERD)]
        used = [] if subject.ours(host) else [each for each in others if _holds(facts, each)]
        for runtime in used:
            yield error(
                "runtime",
                host,
                f"{runtime.name} holds {_holds(facts, runtime)}; kanae runs its own containerd and "
                "the host's packet filter here",
                "move what runs there to another host and remove it with its images, or go on with "
                "--ignore runtime: a later kanae reset leaves it alone",
            )
        found = [name for name in families.RUNTIMES if facts.packages.get(name) is not None]
        if found:
            yield warning(
                "runtime",
                host,
                f"{', '.join(found)} is installed by package; kanae runs its own containerd on "
                "the same socket",
                f"remove it ({' '.join(found)}) unless something else on the host needs it",
            )
        if config is not None and config.text is not None and not kept:
            yield info("runtime", host, f"{at.CONTAINERD_CONFIG} is not kanae's; it is replaced")
