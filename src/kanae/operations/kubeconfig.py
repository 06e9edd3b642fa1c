"""The administrator's credentials on the operator's machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kanae import paths
from kanae.errors import HostError, KanaeError, Refused, StepFailed
from kanae.execute import kubeconfig
from kanae.execute.actions.client import admin_conf
from kanae.execute.kubeconfig import Document
from kanae.spec.models import Role, Spec
from kanae.transport.acceptance import HostKeys
from kanae.transport.fleet import Fleet, FleetError


async def fetch(
    spec: Spec, password: Callable[[], str | None], host_keys: HostKeys | None = None
) -> Document:
    """From the first control-plane host that has it; context and cluster are called as the spec.

    host_keys: see `Fleet`. Raises FleetError with why none of them gives it.
    """
    masters = spec.having(Role.CONTROL_PLANE)
    async with Fleet(spec, masters, password=password, tolerant=True, host_keys=host_keys) as fleet:
        return await _admin(spec, fleet)


async def _admin(spec: Spec, fleet: Fleet) -> Document:
    failed: dict[str, HostError] = {}
    for host in spec.having(Role.CONTROL_PLANE):
        try:
            return kubeconfig.named(await admin_conf(fleet[host]), spec.name)
        except StepFailed as error:
            failed[host] = StepFailed(
                error.host,
                error.command,
                error.status,
                error.stderr,
                remedy="the cluster is not built yet: kanae apply",
            )
        except HostError as error:
            failed[host] = error
    raise FleetError(failed)


async def keep(spec: Spec, fleet: Fleet) -> Path:
    """With the cluster's state, for `kanae` itself and whoever wants a file of its own; and in the
    operator's own file where it was merged before and its certificate ends earlier."""
    file, ours = _kept(spec), await _admin(spec, fleet)
    write_private(file, kubeconfig.to_text(ours))
    with suppress(KanaeError, OSError):  # his file is as it was
        _keep_own(spec, ours)
    return file


def _keep_own(spec: Spec, ours: Document) -> None:
    """Entries of the same names, but of another cluster, are left alone: who trusts the same
    authority is led to the same one."""
    file = own_file()
    held = kubeconfig.read(file.read_text(errors="replace")) if file.is_file() else {}
    trusted = kubeconfig.authority(held, spec.name)
    old, new = kubeconfig.end(held, f"{spec.name}-admin"), kubeconfig.end(ours)
    if trusted and trusted == kubeconfig.authority(ours, spec.name) and old and new and old < new:
        merge_into(file, ours)


def forget(spec: Spec) -> None:
    """Remove what `keep` has written."""
    _kept(spec).unlink(missing_ok=True)


def _kept(spec: Spec) -> Path:
    return paths.cluster_dir(spec.name) / "kubeconfig"


def own_file() -> Path:
    """kubectl's own rule: the first path of $KUBECONFIG that is not empty."""
    named = [path for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return Path(named[0]) if named else paths.home() / ".kube/config"


def merge_into(file: Path, ours: Document) -> None:
    """Everything else in the file stays. Raises Refused when it is no kubeconfig."""
    try:
        existing = file.read_text() if file.exists() else ""
    except UnicodeDecodeError:
        raise Refused(
            f"{file} is no kubeconfig (not UTF-8)", remedy="move it out of the way, or say --file"
        ) from None
    write_private(file, kubeconfig.to_text(kubeconfig.merged(existing, ours)))


def write_private(file: Path, text: str) -> None:
    """Atomically, readable by its owner only from its first byte on. A link stays one: what it
    leads to is written."""
    file = file.resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.kanae")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    fresh.replace(file)
