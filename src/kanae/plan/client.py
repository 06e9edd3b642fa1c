"""kubectl's configuration on client hosts."""

from __future__ import annotations

from collections.abc import Mapping

from kanae.facts.model import Query
from kanae.plan.actions import WriteKubeconfig
from kanae.plan.builder import Builder, HostBuilder
from kanae.plan.model import Change, Verb
from kanae.plan.pki import AUTHORITIES
from kanae.plan.view import View
from kanae.render.kubeadm import endpoint
from kanae.spec.models import Role, Spec

# marks/<this><cluster>: endpoint and the authority's sha256 for which the kubeconfig was merged.
KUBECONFIG = "kubeconfig-"


def kubeconfig_path(spec: Spec, host: str) -> str:
    """~/.kube/config of the user whom kanae reaches the host as."""
    ssh = spec.ssh_of(host)
    home = "/root" if ssh.user in (None, "root") else f"/home/{ssh.user}"
    return f"{home}/.kube/config"


def kubeconfig_owner(spec: Spec, host: str) -> str:
    """user:group of that user."""
    user = spec.ssh_of(host).user or "root"
    return f"{user}:{user}"


def client_query(spec: Spec, host: str) -> Query:
    return Query(files=(kubeconfig_path(spec, host),))


def identity(view: View) -> str:
    """What a kubeconfig was made for; differs when endpoint or authority do."""
    public = AUTHORITIES["ca"][0]
    facts = next(
        (view.host(h).files.get(public) for h in view.control_planes if h in view.reachable), None
    )
    return f"{endpoint(view.spec)} {facts.sha256 if facts is not None else ''}"


def plan_clients(
    view: View, builder: Builder, builders: Mapping[str, HostBuilder], source: str, init: str | None
) -> None:
    """source: the control-plane host from which the administrator's credentials are read."""
    for host in view.spec.having(Role.CLIENT):
        if host not in builders:
            continue
        path = kubeconfig_path(view.spec, host)
        present = view.host(host).files.get(path) is not None
        if (
            present
            and init is None
            and view.mark(host, KUBECONFIG + view.spec.name) == identity(view)
        ):
            continue
        builder.add(
            host,
            "client",
            "kubeconfig",
            "merge the kubeconfig",
            WriteKubeconfig(
                source,
                view.spec.name,
                path,
                endpoint(view.spec),
                kubeconfig_owner(view.spec, host),
            ),
            needs=[init, builders[host].last],
            changes=[
                Change(
                    Verb.UPDATE if present else Verb.CREATE,
                    "kubeconfig",
                    path,
                    f"context {view.spec.name}, known after apply",
                )
            ],
        )
