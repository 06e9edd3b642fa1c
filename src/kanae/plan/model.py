"""The plan: an immutable, JSON-serialisable graph of steps.

A step runs as soon as all steps named in its `needs` are done; nothing is lock-step across hosts.
What a step does is its action: plain data, carried out by the handler that `kanae.execute` has for
its type. An action never holds a secret: tokens and keys are minted when it is carried out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar


class Verb(StrEnum):
    """How a change reads to a person."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RUN = "run"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that will be different. diff: unified, secrets masked, "" where there is none."""

    verb: Verb
    kind: str
    subject: str
    detail: str = ""
    diff: str = ""


class Action:
    """Base of what a step can do. Subclasses are frozen dataclasses of JSON-able values.

    repeatable: carrying it out twice is harmless, so that after a lost connection it may simply
    run again; otherwise its handler must find out first whether it took effect.
    """

    __slots__ = ()
    repeatable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Step:
    """id: stable across plans, `host/stage/name`. host: None for the operator's machine.

    stage: the group under which a person sees it. timeout: seconds.
    """

    id: str
    host: str | None
    stage: str
    title: str
    action: Action
    needs: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order in which each comes after all that it needs. removes: hosts that are taken
    out of the cluster."""

    cluster: str
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = field(default=())
    removes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for step in self.steps:
            missing = [need for need in step.needs if need not in seen]
            if missing:
                raise ValueError(f"{step.id} needs {missing}, not planned before it")
            if step.id in seen:
                raise ValueError(f"{step.id} is planned twice")
            seen.add(step.id)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    @property
    def empty(self) -> bool:
        return not self.steps

    def by_id(self) -> Mapping[str, Step]:
        return {step.id: step for step in self.steps}
