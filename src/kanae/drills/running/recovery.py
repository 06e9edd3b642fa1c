"""Putting back what a run has left broken, also one that died."""

from __future__ import annotations

from pathlib import Path

from kanae.drills.cluster.kube import Kube
from kanae.drills.faults.build import build
from kanae.drills.faults.protocol import Tools
from kanae.drills.launching.place import leave
from kanae.drills.probing.client import RequestFailed
from kanae.drills.running import recovery_record, run_folder
from kanae.errors import CheckFailed, KanaeError


async def recover(folder: Path, tools: Tools, kube: Kube | None) -> None:
    """Undo what a run left behind, from its record. Raises KanaeError kinds; may be repeated.

    kube: None when the API cannot be asked; the run's namespace then stays, and so does the
    record.
    """
    left = recovery_record.read(folder)
    await build(left.plan, tools).undo()
    if left.prober in tools.spec.hosts:
        await leave(tools.transport(left.prober), left.run)
    if kube is None:
        raise CheckFailed(
            f"the fault of {left.run} is undone, its namespace {', '.join(left.namespaces)} is not",
            remedy=_later(folder),
        )
    for namespace in left.namespaces:
        try:
            await kube.ask(
                "DELETE",
                f"/api/v1/namespaces/{namespace}",
                wanted=frozenset({200, 202, 404, 409}),
                timeout=15.0,
            )
        except RequestFailed as error:
            raise KanaeError(
                f"namespace {namespace} was not deleted: {error.detail}", remedy=_later(folder)
            ) from None
    recovery_record.settle(folder)


def _later(folder: Path) -> str:
    """What is left to do where no API server answers. Data that a run has destroyed is in the
    backup that it made before."""
    again = "once the API answers: kanae drill recover SPEC"
    backup = run_folder.backup_in(folder)
    if backup is None:
        return again
    return f"if data was destroyed, restore it: kanae restore SPEC --from {backup}; {again}"
