"""kubectl's configuration on client hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kanae.facts.model import HostFacts, Query
from kanae.layout import marks
from kanae.plan.actions import WriteKubeconfig
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.pki import AUTHORITIES
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


def _made_for(view: View, path: str) -> str:
    """What a kubeconfig was made for; differs when endpoint, authority or the account do."""
    public = AUTHORITIES["ca"][0]
    facts = next(
        (view.host(h).files.get(public) for h in view.control_planes if h in view.reachable), None
    )
    return f"{endpoint(view.spec)} {facts.sha256 if facts is not None else ''} {path}"


def plan(draft: Draft) -> None:
    view, init = draft.view, draft.at.init
    mark = marks.KUBECONFIG + view.spec.name
    for host in view.spec.having(Role.CLIENT):
        there = kubeconfig(view.host(host)) if host in draft.hosts else None
        if there is None:
            continue
        made_for = _made_for(view, there.path)
        if there.present and init is None and view.mark(host, mark) == made_for:
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
            needs=[init, *draft.hosts[host].last, draft.at.led.get(draft.via)],
            changes=[
                Change(
                    Verb.UPDATE if there.present else Verb.CREATE,
                    "kubeconfig",
                    there.path,
                    f"context {view.spec.name}, known after apply",
                )
            ],
        )
