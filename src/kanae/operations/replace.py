"""Replacing a host: what is left of it leaves the cluster, then its successor joins.

Both are what an apply does, of the spec without the host and of the spec, so that a run that was
cut off is gone on with by running it again.
"""

from __future__ import annotations

from kanae.errors import Refused
from kanae.operations.apply import Apply
from kanae.operations.change import Changed, Ending, change
from kanae.operations.console import Console
from kanae.operations.project import Project
from kanae.plan.membership import shared
from kanae.spec.models import Role
from kanae.transport.acceptance import HostKeys


async def replace(
    project: Project,
    host: str,
    ignored: tuple[str, ...],
    leaving: Console,
    joining: Console,
    *,
    break_lease: bool = False,
    host_keys: HostKeys | None = None,
) -> Changed:
    """host_keys: which the new machine may show.

    The host need not answer while it leaves; one that does is stopped and wiped. It must answer
    afterwards, as the new one. Raises Refused for a host without which there is no cluster.
    """
    spec = project.spec
    if spec.having(Role.CONTROL_PLANE) == (host,):
        raise Refused(
            f"{host} is the only control-plane host: without it there is no cluster to join",
            remedy="make another host a control-plane host first",
        )
    if not shared(spec, host):
        # Balancers and clients hold nothing of the cluster that would have to leave it.
        gone = await change(project.without(host), Apply(ignored), leaving, break_lease=break_lease)
        if gone.ending is Ending.DECLINED:
            return gone
    return await change(
        project, Apply(ignored), joining, break_lease=break_lease, host_keys=host_keys
    )
