"""A quick run's setting: the fault holds for seconds, not for minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from drill_cluster import routes_of

from kanae.drills.cluster import credentials
from kanae.drills.cluster.power import Power
from kanae.drills.faults.protocol import Tools
from kanae.drills.launching.place import Here, Place
from kanae.drills.probing.workload import Load
from kanae.drills.running.proofs import NGINX
from kanae.drills.running.setting import Setting
from kanae.drills.scenarios.catalogue import find
from kanae.spec.models import Spec
from kanae.transport.protocol import Transport

# Tests share the machine with others: what they prove is not how fast it is.
VALIDITY = {
    "min-requests": 3.0,
    "min-share": 0.3,
    "max-lag-p99": 5.0,
    "max-clock-error": 0.5,
    "max-failed-before": 0.0,
}


async def setting_of(
    spec: Spec,
    power: Power,
    transport: Callable[[str], Transport],
    folder: Path,
    *,
    drill: str = "power-cut",
    hold: float = 1.5,
    limits: Mapping[str, float] | None = None,
    place: Place | None = None,
) -> Setting:
    scenario = replace(find(drill), hold=hold, steady=1.5, after=1.5, deadline=20.0, proof="")
    return Setting(
        run="r1",
        scenario=scenario,
        hosts=("m3",),
        folder=folder,
        digest="",
        versions={},
        limits=limits or {},
        validity=VALIDITY,
        load=Load(period=0.2, kept=1),
        routes=routes_of(spec),
        credentials=await credentials.fetch(spec, transport),
        image=NGINX,
        tools=Tools(spec, power, transport),
        problems=(),
        accepted=False,
        say=lambda line: None,
        deadline=6.0,
        place=place or Here(),
    )
