"""kubectl's configuration on client hosts."""

from __future__ import annotations

from kanae.facts.model import Query
from kanae.layout import marks
from kanae.plan.actions import WriteKubeconfig
from kanae.plan.draft import Draft
from kanae.plan.model import Change, Verb
from kanae.plan.pki import AUTHORITIES
from kanae.plan.view import View
from kanae.render.kubeadm import endpoint
from kanae.spec.models import Role, Spec


def kubeconfig_path(spec: Spec, host: str) -> str:
    """~/.kube/config of the user whom kanae reaches the host as."""
    ssh = spec.ssh_of(host)
    home = "/root" if ssh.user in (None, "root") else f"/home/{ssh.user}"
    return f"{home}/.kube/config"


def kubeconfig_owner(spec: Spec, host: str) -> str:
    """That user, with the group that the host has for him: chown(1) reads `user:` so."""
    return f"{spec.ssh_of(host).user or 'root'}:"


def query(spec: Spec, host: str) -> Query:
    client = Role.CLIENT in spec.hosts[host].roles
    return Query(files=(kubeconfig_path(spec, host),)) if client else Query()


def _made_for(view: View) -> str:
    """What a kubeconfig was made for; differs when endpoint or authority do."""
    public = AUTHORITIES["ca"][0]
    facts = next(
        (view.host(h).files.get(public) for h in view.control_planes if h in view.reachable), None
    )
    return f"{endpoint(view.spec)} {facts.sha256 if facts is not None else ''}"


def plan(draft: Draft) -> None:
    view, init = draft.view, draft.at.init
    mark = marks.KUBECONFIG + view.spec.name
    for host in view.spec.having(Role.CLIENT):
        if host not in draft.hosts:
            continue
        path = kubeconfig_path(view.spec, host)
        present = view.host(host).files.get(path) is not None
        if present and init is None and view.mark(host, mark) == _made_for(view):
            continue
        draft.builder.add(
            host,
            "client",
            "kubeconfig",
            "merge the kubeconfig",
            WriteKubeconfig(
                draft.via,
                view.spec.name,
                path,
                endpoint(view.spec),
                kubeconfig_owner(view.spec, host),
            ),
            needs=[init, draft.hosts[host].last],
            changes=[
                Change(
                    Verb.UPDATE if present else Verb.CREATE,
                    "kubeconfig",
                    path,
                    f"context {view.spec.name}, known after apply",
                )
            ],
        )
