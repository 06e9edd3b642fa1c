"""One host after another: whatever may interrupt what a host serves is changed in turn, gated.

`in_turn` is the mechanism: a chain of changes with a gate after each and a budget. `Rolling` knows
the budgets of the cluster and keeps them over all changes of one plan, whatever part plans them:
never two control-plane or etcd hosts at once, never two balancers, and of workers no more than
`policies.maxUnavailableWorkers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto

from kanae.plan.view import View
from kanae.spec.models import Role

Needs = Sequence[str | None]
# A host and what its change has to wait for -> its last step, or None when nothing changes there.
Change = Callable[[str, Needs], str | None]
# A host and its last step -> the step after which the next host may be touched.
Gate = Callable[[str, str], str]


class Domain(Enum):
    """Hosts that serve for one another: how many may be away at once is said for all of them."""

    CONTROL_PLANE = auto()
    BALANCER = auto()
    WORKER = auto()


_ROLES = {
    Domain.CONTROL_PLANE: {Role.CONTROL_PLANE, Role.ETCD},
    Domain.BALANCER: {Role.LOAD_BALANCER},
    Domain.WORKER: {Role.WORKER},
}


def in_turn(
    hosts: Iterable[str],
    change: Change,
    gate: Gate | None = None,
    *,
    at_once: int = 1,
    after: Needs = (),
) -> list[str]:
    """Steps after which each changed host is well again, in order; hosts without change are left
    out.

    at_once: how many may be under way together. A host begins when all but the last `at_once - 1`
    before it are well, so that a change that fails stops the rest. after: what the first wait for.
    """
    well: list[str] = []
    for host in hosts:
        # Those before the window are implied: the ones in it have waited for them.
        window = well[max(0, len(well) - 2 * at_once + 1) : max(0, len(well) - at_once + 1)]
        step = change(host, window or after)
        if step is not None:
            well.append(gate(host, step) if gate is not None else step)
    return well


class Rolling:
    """The changes of one plan that interrupt. Plans them in the order in which they are asked for:
    a later one waits until the hosts of an earlier one are well.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._well: dict[Domain, list[str]] = {domain: [] for domain in Domain}

    def roll(
        self,
        hosts: Iterable[str],
        change: Change,
        gate: Gate | None = None,
        *,
        serves: Callable[[str], bool],
        started: Callable[[Sequence[str]], str] | None = None,
    ) -> list[str]:
        """The last steps of all hosts that change.

        serves: whether a change interrupts something on that host. Hosts on which nothing serves
        change together, before the others. started: makes the step that waits until what these
        were to serve is there, before one of the others is touched.
        """
        hosts = tuple(hosts)
        steps = [s for host in hosts if not serves(host) and (s := change(host, ())) is not None]
        serving = [host for host in hosts if serves(host)]
        before = list(steps)
        if before and serving and started is not None:
            before = [started(steps)]
        for domain in Domain:
            members = [host for host in serving if self._domains(host)[0] is domain]
            well = in_turn(
                members,
                change,
                gate,
                at_once=self._at_once(domain),
                after=[*before, *self._before(members)],
            )
            if well:
                steps += well
                # Those before have been waited for by these.
                before = well[-self._at_once(domain) :]
                for touched in {each for host in members for each in self._domains(host)}:
                    self._well[touched] = before
        return steps

    def _domains(self, host: str) -> list[Domain]:
        """The one whose budget holds for the host comes first."""
        roles = set(self._view.spec.hosts[host].roles)
        return [domain for domain in Domain if roles & _ROLES[domain]] or [Domain.WORKER]

    def _before(self, hosts: Iterable[str]) -> list[str]:
        domains = {domain for host in hosts for domain in self._domains(host)}
        return [step for domain in Domain if domain in domains for step in self._well[domain]]

    def _at_once(self, domain: Domain) -> int:
        spec = self._view.spec
        if domain is not Domain.WORKER:
            return 1
        return spec.policies.workers_at_once(len(spec.having(Role.WORKER)))
