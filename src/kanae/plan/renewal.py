"""Leaf certificates are issued: those that a host lacks, and in time those that end.

Host after host where they serve. Nothing that serves the API restarts: API servers and etcd read
new files by themselves (see `certificates`). The controller manager, the scheduler and a kubelet
whose own has ended have to begin anew. On a host where anything has ended, kubelet does too, after
which it starts at once what has failed again and again meanwhile. Nothing here asks the API, so
that all of this brings back a cluster in which any of them have ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kanae.layout import marks, units
from kanae.plan.actions import IssueCertificates, RestartComponents
from kanae.plan.certificates import AUTHORITIES, CONTROLLER_MANAGER, KUBELET, SCHEDULER
from kanae.plan.draft import Draft
from kanae.plan.etcd import answers
from kanae.plan.leaves import MISSING, Due, authority, due
from kanae.plan.model import Change, Verb
from kanae.plan.view import View
from kanae.plan.waits import await_api, await_etcd, await_kubelet

STAGE = "certificates"
_PODS = (CONTROLLER_MANAGER, SCHEDULER)


def issuers(view: View) -> set[str]:
    """The authorities that have to issue something."""
    return {each.leaf.authority for found in due(view).values() for each in found}


def plan(draft: Draft) -> None:
    """They wait for the authorities, which `pki` has gathered and put on the host."""
    view = draft.view
    found = due(view)
    _note_authorities(draft)

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        step = _issue(draft, host, found[host], needs)
        return _restart(draft, host, found[host], step, needs) or step

    def gate(host: str, step: str) -> str:
        """What serves there does so with the new ones; whatever else is wrong on other hosts."""
        if answers(view, host):
            others = [each for each in view.spec.etcd_hosts if each != host]
            step = await_etcd(draft, host, STAGE, "member-healthy", step, without=others)
            draft.hosts[host].last = step
        if view.api_ready(host):
            step = await_api(draft, host, STAGE, "api-ready", step)
        return step

    draft.rolling.roll(
        draft.hosts, change, gate, serves=lambda host: _serves(view, host, found[host])
    )


def _serves(view: View, host: str, found: Iterable[Due]) -> bool:
    if host in view.control_planes or host in view.spec.etcd_hosts:
        return answers(view, host) or view.api_ready(host)
    ended = any(each.certificate.name == KUBELET and each.ended for each in found)
    return host in view.spec.nodes and view.active(host, units.KUBELET) and not ended


def _issue(
    draft: Draft, host: str, found: Sequence[Due], needs: Sequence[str | None]
) -> str | None:
    """Marks of what has to begin anew come first: a run that is cut off leaves them."""
    if not found:
        return None
    pods = dict.fromkeys(each.certificate.restart for each in found if each.certificate.restart)
    restarts = [*pods, *([units.KUBELET] if _kubelet(draft.view, host, found) else [])]
    step = draft.builder.add(
        host,
        STAGE,
        "leaves",
        "issue certificates",
        IssueCertificates(
            tuple(each.leaf for each in found),
            tuple(marks.RESTART + name for name in restarts),
        ),
        needs=[
            draft.at.certificates.get(host) or draft.at.marked.get(host),
            *(draft.at.gathered[each.leaf.authority] for each in found),
            *needs,
        ],
        changes=[
            Change(
                Verb.CREATE if each.why == MISSING else Verb.UPDATE,
                "certificate",
                each.leaf.path,
                "known after apply" if each.why == MISSING else each.why,
            )
            for each in found
        ],
    )
    draft.at.certificates[host] = step
    return step


def _restart(
    draft: Draft,
    host: str,
    found: Sequence[Due],
    issued: str | None,
    needs: Sequence[str | None],
) -> str | None:
    view = draft.view
    again = {each.certificate.restart for each in found}
    pods = tuple(
        pod for pod in _PODS if pod in again or view.mark(host, marks.RESTART + pod) is not None
    )
    kubelet = _kubelet(view, host, found)
    if not pods and not kubelet:
        return None
    names = [*(["kubelet"] if kubelet else []), *pods]
    step = draft.builder.add(
        host,
        STAGE,
        "restart",
        f"restart {', '.join(names)}",
        RestartComponents(
            pods, kubelet, renewed=any(each.certificate.name == KUBELET for each in found)
        ),
        needs=[issued, *needs, draft.hosts[host].last],
        changes=[Change(Verb.RUN, "restart", name, "reads its certificate") for name in names],
        # kubelet waits longer each time before it starts again what it has started just before.
        timeout=600.0,
    )
    draft.hosts[host].last = step
    return await_kubelet(draft, host, STAGE, "kubelet-healthy", step) if kubelet else step


def _kubelet(view: View, host: str, found: Iterable[Due]) -> bool:
    joined = host in view.spec.nodes and view.joined(host)
    return joined and any(each.ended or each.certificate.name == KUBELET for each in found)


def _note_authorities(draft: Draft) -> None:
    """One that ends takes with it all that it has issued, and nothing here replaces it."""
    view = draft.view
    for name, (path, _) in AUTHORITIES.items():
        held = authority(view, name)
        if held is None:
            continue
        now = max(facts.read_at for facts in view.facts.hosts.values())
        if held.not_after - now < view.spec.certificates.window:
            draft.builder.note(
                f"{path} {'ends' if held.not_after > now else 'has ended'} "
                f"{held.not_after:%Y-%m-%d}: nothing that it issues lasts longer, and replacing it "
                "is not built yet"
            )
