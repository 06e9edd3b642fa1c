"""What a history says of etcd's leader. Pure."""

from __future__ import annotations

import math
from itertools import pairwise

from kanae.drills.records import History

# Kinds of fault after which a host says nothing more, all at once: nobody elects another leader
# before etcd's election timeout. An orderly shutdown hands the lead over; a killed etcd has drills
# and limits of its own.
_SILENCING = ("cut", "partition", "pause")


def changes(history: History, begin: float = -math.inf, end: float = math.inf) -> int:
    """How often another leader was seen than before, among what was seen between two times."""
    seen = (leader for leader in history.leaders if begin <= leader.at < end)
    names = [leader.leader for leader in seen if leader.leader]
    return sum(a != b for a, b in pairwise(names))


def taken(history: History) -> bool:
    """Whether the fault silenced the host of the leader that was seen last before it.

    False for histories that do not say on which host a leader was, or of which kind their fault.
    """
    struck = history.fault("inject")
    if struck is None or history.header.fault not in _SILENCING:
        return False
    hosts = {leader.leader: leader.host for leader in history.leaders if leader.host}
    last = [leader.leader for leader in history.leaders if leader.at < struck][-1:]
    return any(hosts.get(leader) in history.header.targets for leader in last)
