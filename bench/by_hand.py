"""What the operator of reference_by_hand.sh has written before: files of every host.

They are the very files that kanae's plan would write, so that both builds end in the same cluster
and differ only in how they get there.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from kanae.execute.actions.kubeadm import with_token
from kanae.facts.model import Facts
from kanae.operations.project import Project
from kanae.operations.survey import survey
from kanae.plan.hosts import resources
from kanae.render import kubeadm
from kanae.render.documents import to_yaml
from kanae.resources.file import Directory, File
from kanae.spec.models import Role, Spec
from kanae.transport.fleet import Fleet
from setting import Setting

SCRIPT = Path(__file__).with_name("reference_by_hand.sh")


def write(here: Setting) -> Path:
    """A fresh folder for one run of the script."""
    project = Project.open(here.spec)
    facts = asyncio.run(_facts(project))
    folder = here.folder / "by-hand"
    shutil.rmtree(folder, ignore_errors=True)
    for host in project.spec.hosts:
        _host(project, facts, host, folder / "hosts" / host)
    _kubeadm(project.spec, facts, folder / "kubeadm")
    items = {"apiVersion": "v1", "kind": "List", "items": list(project.site.manifests)}
    (folder / "network.json").write_text(json.dumps(items))
    (folder / "cluster.env").write_text(
        "".join(f"{name}='{value}'\n" for name, value in _variables(project.spec, here).items())
    )
    return folder


async def _facts(project: Project) -> Facts:
    async with Fleet(project.spec) as fleet:
        return await survey(project, fleet)


def _host(project: Project, facts: Facts, host: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    for resource in resources(project.view(facts, {}), host):
        if isinstance(resource, Directory):
            path = folder / resource.path.lstrip("/")
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(resource.mode)
        elif isinstance(resource, File):
            path = folder / resource.path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(resource.text)
            path.chmod(resource.mode)


def _kubeadm(spec: Spec, facts: Facts, folder: Path) -> None:
    folder.mkdir()
    first = spec.having(Role.CONTROL_PLANE)[0]
    for host in spec.nodes:
        base = facts.hosts[host].base
        if host == first:
            documents = kubeadm.init_documents(spec, host, base)
            text = with_token(to_yaml(documents), kubeadm.PLACEHOLDERS.token)
        else:
            master = Role.CONTROL_PLANE in spec.hosts[host].roles
            text = to_yaml(kubeadm.join_documents(spec, host, base, control_plane=master))
        (folder / f"{host}.yaml").write_text(text)


def _variables(spec: Spec, here: Setting) -> Mapping[str, str]:
    masters = spec.having(Role.CONTROL_PLANE)
    return {
        "SSH_CONFIG": str(here.ssh_config),
        "FIRST": masters[0],
        "OTHER_MASTERS": " ".join(masters[1:]),
        "WORKERS": " ".join(host for host in spec.nodes if host not in masters),
        "BALANCER": " ".join(spec.having(Role.LOAD_BALANCER)),
        "CLIENT": " ".join(spec.having(Role.CLIENT)),
        **{f"ADDRESS_{name}": str(host.address) for name, host in spec.hosts.items()},
    }
