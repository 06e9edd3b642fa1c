"""etcd's members, asked by etcdctl."""

from __future__ import annotations

from kanae.execute.scripts.programs import ETCDCTL
from kanae.plan.actions import AwaitEtcd


def health(action: AwaitEtcd) -> str:
    """Every member has to answer a linearizable read, which needs a leader and a quorum."""
    return f"{ETCDCTL} --endpoints {','.join(action.endpoints)} endpoint health 2>&1"
