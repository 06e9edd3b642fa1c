"""kubectl's configuration on client hosts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kanae.facts.model import HostFacts, Query
from kanae.layout import marks
from kanae.layout import paths as at
from kanae.plan.actions import WriteKubeconfig
from kanae.plan.certificates import AUTHORITIES, CLIENTS
from kanae.plan.draft import Draft
from kanae.plan.leaves import due
from kanae.plan.model import Change, Verb
from kanae.plan.view import View
from kanae.render.kubeadm import endpoint
from kanae.spec.models import Role, Spec

# As it is asked for: of the account that kanae logs in as.
KUBECONFIG: Final = "~/.kube/config"


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """A client's. owner: with the group that the host has for him: chown(1) reads `user:` so."""

    path: str
    owner: str
    present: bool


def kubeconfig(facts: HostFacts) -> Kubeconfig | None:
    """None where the account that kanae logs in as has no home that can be used."""
    login = facts.base.login
    path = login.path(KUBECONFIG)
    if path is None:
        return None
    return Kubeconfig(path, f"{login.account}:", facts.files.get(KUBECONFIG) is not None)


def query(spec: Spec, host: str) -> Query:
    return Query(files=(KUBECONFIG,)) if Role.CLIENT in spec.hosts[host].roles else Query()


def made_for(server: str, authority: str, path: str, until: datetime | None) -> str:
    """What a kubeconfig was made for: differs when endpoint, authority or the account do, and says
    when its certificate ends. server: host:port. authority: sha256 of its file."""
    end = f" {until.isoformat()}" if until is not None else ""
    return f"{server} {authority} {path}{end}"


def end_of(spec: Spec, facts: HostFacts) -> datetime | None:
    """When the certificate in a client's kubeconfig ends; None where that is not recorded."""
    words = facts.marks.get(marks.KUBECONFIG + spec.name, "").split()
    try:
        end = datetime.fromisoformat(words[3])
    except (IndexError, ValueError):
        return None
    return end if end.tzinfo is not None else None


def _why(draft: Draft, host: str, path: str) -> str:
    """Why a kubeconfig that is there has to be written again, or ""."""
    view = draft.view
    facts, end = view.host(host), end_of(view.spec, view.host(host))
    if view.site.renewing is not None:
        return "asked for" if CLIENTS in view.site.renewing else ""
    public = AUTHORITIES["ca"][0]
    authority = next(
        (view.host(h).files.get(public) for h in view.control_planes if h in view.reachable), None
    )
    sha256 = authority.sha256 if authority is not None else ""
    wanted = made_for(endpoint(view.spec), sha256, path, None).split()
    if draft.at.init is not None or wanted != facts.marks.get(_mark(view), "").split()[:3]:
        return "known after apply"
    held = view.host(draft.via).certificates.get(at.ADMIN_CONF)
    again = any(each.leaf.path == at.ADMIN_CONF for each in due(view)[draft.via])
    if held is None or (end is not None and end - facts.read_at >= view.spec.certificates.window):
        return ""
    later = again or end is None or held.not_after > end
    return f"ends {end:%Y-%m-%d}" if later and end else "its end is not known" if later else ""


def _mark(view: View) -> str:
    return marks.KUBECONFIG + view.spec.name


def plan(draft: Draft) -> None:
    view, init = draft.view, draft.at.init
    for host in view.spec.having(Role.CLIENT):
        there = kubeconfig(view.host(host)) if host in draft.hosts else None
        if there is None:
            continue
        why = _why(draft, host, there.path) if there.present else "known after apply"
        if not why or (view.site.renewing is not None and not there.present):
            continue
        draft.builder.add(
            host,
            "client",
            "kubeconfig",
            "merge the kubeconfig",
            WriteKubeconfig(
                draft.via,
                view.spec.name,
                there.path,
                endpoint(view.spec),
                there.owner,
            ),
            needs=[
                init,
                draft.hosts[host].last,
                draft.at.led.get(draft.via),
                draft.at.certificates.get(draft.via),
            ],
            changes=[
                Change(
                    Verb.UPDATE if there.present else Verb.CREATE,
                    "kubeconfig",
                    there.path,
                    f"context {view.spec.name}, {why}",
                )
            ],
        )
