"""etcd's members, asked and changed by etcdctl.

All but `health`, `answering` and `move_leader` ask the member on the host itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from kanae.execute.scripts.programs import ETCDCTL
from kanae.layout import ports
from kanae.plan.actions import AwaitEtcd
from kanae.resources.model import quote

_HERE = f"{ETCDCTL} --endpoints https://127.0.0.1:{ports.ETCD_CLIENT}"


def health(action: AwaitEtcd) -> str:
    """Every member has to answer a linearizable read, which needs a leader and a quorum."""
    return f"{ETCDCTL} --endpoints {','.join(action.endpoints)} endpoint health 2>&1"


def answering(endpoints: Sequence[str]) -> str:
    """The same of each of these client URLs, as JSON; the status is 1 unless all are healthy."""
    return f"{ETCDCTL} --endpoints {quote(','.join(endpoints))} -w json endpoint health"


def members() -> str:
    """As JSON, by a linearizable read."""
    return f"{_HERE} -w json member list"


def status() -> str:
    """Of the member on the host, as JSON: its id and whom it holds to be the leader."""
    return f"{_HERE} -w json endpoint status"


def move_leader(leader: str, to: str) -> str:
    """leader: a client URL of the leader, since no other member takes this. to: a member's id."""
    return f"{ETCDCTL} --endpoints {quote(leader)} move-leader {quote(to)} >/dev/null"


def remove(member: str) -> str:
    """member: its id."""
    return f"{_HERE} member remove {quote(member)} >/dev/null"


def add(peer: str) -> str:
    """A learner. The name that etcdctl wants it only prints; a member tells its own at its start
    (etcdctl/ctlv3/command/member_command.go)."""
    return f"{_HERE} member add learner --learner --peer-urls={quote(peer)} >/dev/null"


def promote(member: str) -> str:
    """member: its id. A follower passes it on to the leader."""
    return f"{_HERE} member promote {quote(member)} >/dev/null"
