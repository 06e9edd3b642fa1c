"""The small files of a backup: authorities and keys, configuration, marks, a canary."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import suppress

from kanae.backup import model
from kanae.errors import FactsError, Refused, StepFailed, StepTimedOut
from kanae.execute.scripts import backup as scripts
from kanae.execute.scripts import kubectl
from kanae.facts.model import Facts, ObjectKey
from kanae.operations.project import Project
from kanae.plan.backup import OBJECTS, files
from kanae.render.canary import canary
from kanae.render.documents import to_yaml
from kanae.spec.models import Spec
from kanae.transport.fleet import Fleet
from kanae.transport.protocol import must


async def contents(project: Project, facts: Facts, fleet: Fleet) -> dict[str, tuple[bytes, int]]:
    """The small files of a backup: content and mode, by name. Raises Refused when an authority is
    on no host, or hosts hold different ones."""
    spec = project.spec
    found: dict[str, tuple[bytes, int]] = {model.SPEC: (project.text.text.encode(), 0o600)}
    for host, sources in _sources(spec, facts).items():
        output = await must(
            fleet[host],
            scripts.read(list(sources)),
            command="read the cluster's authorities and configuration",
        )
        for path, content, mode in parse_read(host, output):
            if path not in sources:
                raise FactsError(host, f"it printed a file that was not asked for: {path}")
            fact = facts.hosts[host].files.get(path)
            if fact is not None and fact.sha256 != hashlib.sha256(content).hexdigest():
                raise Refused(f"{host}: {path} was changed just now", remedy="run it again")
            found[sources[path]] = (content, mode)
    if lacking := [name for name in model.REQUIRED if name not in found]:
        raise Refused(
            f"no host that answers has {', '.join(lacking)}: a backup without it would restore "
            "nothing that works",
            remedy="kanae status and kanae plan say what is wrong with the hosts",
        )
    for name in OBJECTS:
        key = ObjectKey("configmaps", "kube-system", name)
        live = facts.api.objects.get(key) if facts.api is not None else None
        if live is not None:
            found[f"kubeadm/{name}.yaml"] = (to_yaml([dict(live)]).encode(), 0o600)
    return found


def _sources(spec: Spec, facts: Facts) -> dict[str, dict[str, str]]:
    """Host -> path there -> name in the backup, each name once. Raises Refused when hosts hold
    different authorities."""
    sources: dict[str, dict[str, str]] = {}
    first: dict[str, str] = {}
    for host, here in facts.hosts.items():
        for path, name in files(spec, host).items():
            fact = here.files.get(path)
            if fact is None and name.startswith("pki/"):
                continue
            if name not in first:
                first[name] = host
                sources.setdefault(host, {})[path] = name
            elif fact is not None and fact.sha256 != _digest(facts, first[name], path):
                raise Refused(
                    f"{first[name]} and {host} hold different files {path}",
                    remedy="kanae plan says what is wrong with the cluster's authorities",
                )
    return sources


def _digest(facts: Facts, host: str, path: str) -> str:
    fact = facts.hosts[host].files.get(path)
    return "" if fact is None else fact.sha256


def parse_read(host: str, output: bytes) -> Iterator[tuple[str, bytes, int]]:
    """Path, content and mode of each file that `execute.scripts.backup.read` printed."""
    while output:
        line, _, rest = output.partition(b"\n")
        words = line.decode(errors="replace").split(" ", 2)
        if len(words) != 3 or not (words[0].isdecimal() and words[1].isdecimal()):
            raise FactsError(host, "its answer to reading files cannot be understood")
        size = int(words[1])
        if len(rest) < size:
            raise FactsError(host, f"{words[2]} is cut short")
        yield words[2], rest[:size], int(words[0], 8) & 0o777
        output = rest[size:]


async def written_canary(
    project: Project, facts: Facts, fleet: Fleet
) -> dict[str, tuple[bytes, int]]:
    """Written now, so that whoever tries the backup can tell that it holds what came last. Nothing
    where no API server answers: etcd's data is wanted all the same."""
    view = project.view(facts, {})
    via = next((host for host in view.joined_control_planes if view.api_ready(host)), None)
    if via is None:
        return {}
    word = secrets.token_hex(16)
    document = json.dumps(canary(word)).encode()
    with suppress(StepFailed, StepTimedOut):
        await must(
            fleet[via], kubectl.apply(), command="kubectl apply (the canary)", stdin=document
        )
        return {model.CANARY: (word.encode(), 0o600)}
    return {}
