"""How long the cluster waits for a part of its own: what the parts would not start with, and what
would make a living part be taken for a lost one.

Sources: NewLeaderElector in client-go tools/leaderelection/leaderelection.go; kubelet's defaults,
pkg/kubelet/apis/config/v1beta1; nodeMonitorGracePeriod in pkg/controller/nodelifecycle/
node_lifecycle_controller.go, where its bounds are said, which no program checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kanae.spec import patience
from kanae.spec.duration import go_milliseconds
from kanae.spec.models import Spec
from kanae.spec.patience import GRACE, LEASE, NODE_LEASE, RENEWAL, RETRY
from kanae.spec.rules.hosts import HOSTS
from kanae.spec.rules.violation import Violation
from kanae.spec.scalar import quoted
from kanae.spec.tree import Path

_MANAGER: Path = ("controllerManager", "extraArgs")
_SCHEDULER: Path = ("scheduler", "extraArgs")
# What kubelet takes for 0 or null, seconds.
_KUBELETS_OWN = 40


def patience_rules(spec: Spec) -> Iterator[Violation]:
    yield from _lease(spec, spec.controller_manager.extra_args, _MANAGER)
    yield from _lease(spec, spec.scheduler.extra_args, _SCHEDULER)
    yield from _grace(spec)
    for name in patience.TOLERATIONS:
        value = spec.api_server.extra_args.get(name, "0")
        if not re.fullmatch(r"[0-9]{1,9}", value):
            message = f"expected a whole number of seconds, not {quoted(value)}"
            yield Violation(("apiServer", "extraArgs", name), message)


def _grace(spec: Spec) -> Iterator[Violation]:
    """No node is taken for lost that has only missed one renewal, or a dead connection's end."""
    place = (*_MANAGER, GRACE)
    value = patience.controller_manager(spec)[GRACE]
    grace = go_milliseconds(value)
    if not grace:
        yield Violation(place, f"expected a duration such as 24s, not {quoted(value)}")
        return
    for name in spec.nodes:
        settings = {**patience.KUBELET, **spec.kubelet_of(name)}
        lease = settings[NODE_LEASE] or _KUBELETS_OWN
        if not isinstance(lease, int):
            continue  # said by the rules of kubelet's values
        patient = patience.READ_IDLE + patience.PING
        if grace > lease * 250 + patient * 1000:
            continue
        least = f"a quarter of kubelet's lease of {lease} s and {patient} s"
        why = "a kubelet renews it that often, and takes so long to leave a dead connection"
        own = NODE_LEASE in spec.hosts[name].kubelet
        kubelet: Path = (*(("hosts", name) if own else ()), "kubelet", NODE_LEASE)
        if GRACE in spec.controller_manager.extra_args:
            message = f"expected more than {least}, not {value}: {why}"
            yield Violation(place, message, about=(HOSTS, kubelet))
        else:
            message = f"expected less, or {GRACE} above {least}, not {value}: {why}"
            yield Violation(kubelet, message)
        return


def _lease(spec: Spec, said: Mapping[str, str], place: Path) -> Iterator[Violation]:
    settled = patience.lease(spec, said)
    lasting: dict[str, int] = {}
    for name, value in settled.items():
        time = go_milliseconds(value)
        if not time:
            message = f"expected a duration such as 1.5s, not {quoted(value)}"
            yield Violation((*place, name), message)
            return
        lasting[name] = time
    if lasting[LEASE] % 1000:
        message = f"expected whole seconds, of which alone a lease tells, not {settled[LEASE]}"
        yield Violation((*place, LEASE), message)
    # What is said is at fault, and not the default beside it.
    if lasting[RENEWAL] >= lasting[LEASE]:
        if RENEWAL in said:
            message = f"expected less than the lease of {settled[LEASE]}, not {settled[RENEWAL]}"
            yield Violation((*place, RENEWAL), message, about=(HOSTS, (*place, LEASE)))
        else:
            message = (
                f"expected more than the time for its renewal ({RENEWAL}: {settled[RENEWAL]}),"
                f" not {settled[LEASE]}"
            )
            yield Violation((*place, LEASE), message, about=(HOSTS,))
    if lasting[RENEWAL] * 10 <= lasting[RETRY] * 12:
        if RETRY in said:
            message = (
                f"expected less than the time for a renewal ({RENEWAL}: {settled[RENEWAL]})"
                f" by 1.2, not {settled[RETRY]}"
            )
            yield Violation((*place, RETRY), message, about=(HOSTS, (*place, RENEWAL)))
        else:
            message = (
                f"expected more than 1.2 times {RETRY}, which is {settled[RETRY]},"
                f" not {settled[RENEWAL]}"
            )
            yield Violation((*place, RENEWAL), message, about=(HOSTS,))
