"""What the effects of all actions share."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from copy import deepcopy
from functools import cache
from typing import Final, cast

from ruamel.yaml import YAML

from kanae.errors import StepFailed
from kanae.execute.events import Outcome
from kanae.layout import paths as at
from kanae.plan.model import Step
from kanae.spec.models import Role

from ..world import API_SERVER, Object, World

Effects = Generator[None, None, Outcome]
STATIC_PODS: Final = (API_SERVER, "kube-controller-manager", "kube-scheduler")


def documents(config: str) -> dict[str, Object]:
    """kubeadm's documents by kind."""
    return deepcopy(_documents(config))


@cache
def _documents(config: str) -> dict[str, Object]:
    yaml = YAML(typ="safe", pure=True)
    loaded = cast("list[Object]", list(yaml.load_all(config)))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]  # untyped
    return {str(each["kind"]): each for each in loaded}


def failed(step: Step, why: str) -> StepFailed:
    return StepFailed(step.host or "", type(step.action).__name__, 1, why)


def require_api(world: World, step: Step) -> None:
    host = world.hosts[step.host or ""]
    if not host.has(at.ADMIN_CONF) and Role.CONTROL_PLANE in world.spec.hosts[host.name].roles:
        raise failed(step, f"no {at.ADMIN_CONF}")
    conf = host.text(at.ADMIN_CONF) if host.has(at.ADMIN_CONF) else ""
    match = re.search(r"server: (\S+)", conf)
    server = match[1] if match else f"https://{world.spec.endpoint_host}:{world.spec.endpoint.port}"
    if not world.reached(server):
        raise failed(step, f"dial {server}: no answer")


def wait(step: Step, missing: Callable[[], str], turns: int = 400) -> Iterator[None]:
    """missing: what is still lacking, "" when nothing is."""
    for _ in range(turns):
        if not missing():
            return
        yield
    raise failed(step, f"waited in vain; last seen: {missing()}")
