"""A plan as a person reads it in a minute, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import click

from kanae.plan.model import Change, Plan, Step, Verb

SIGNS = {
    Verb.CREATE: ("+", "green"),
    Verb.UPDATE: ("~", "yellow"),
    Verb.DELETE: ("-", "red"),
    Verb.RUN: (">", "cyan"),
    Verb.WAIT: (".", None),
}
# Of one kind more than this many things are counted and not named, unless asked for.
NAMED = 3


def plan_text(plan: Plan, *, verbose: bool = False) -> str:
    """Stage by stage; hosts to which the same happens share their lines. verbose: all steps."""
    if plan.empty:
        whole = "" if plan.notes else ", everything is as the spec says"
        notes = "".join(f"note: {note}\n" for note in plan.notes)
        return f"{plan.cluster}: nothing to do{whole}\n{notes}"
    lines: list[str] = []
    for stage, groups in _stages(plan, verbose).items():
        lines.append(click.style(stage, bold=True))
        for body, hosts in groups.items():
            lines.append(f"  {', '.join(hosts)}")
            lines += [f"    {line}" for line in body]
    hosts = {step.host for step in plan if step.host is not None}
    changes = sum(len(step.changes) for step in plan)
    lines += ["", f"{_count(changes, 'change')} on {_count(len(hosts), 'host')}"]
    lines += [f"note: {note}" for note in plan.notes]
    return "\n".join(lines) + "\n"


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith(("ry", "ty")) else f"{noun}s"
    return f"{number} {plural}"


def _stages(plan: Plan, verbose: bool) -> dict[str, dict[tuple[str, ...], list[str]]]:
    """stage -> lines -> the hosts that have exactly these lines there."""
    by_host: dict[str, dict[str, list[str]]] = {}
    for step in plan:
        if not step.changes and not verbose:
            continue
        host = step.host or "cluster"
        by_host.setdefault(step.stage, {}).setdefault(host, []).extend(_step(step, verbose))
    stages: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for stage, hosts in by_host.items():
        for host, lines in hosts.items():
            stages.setdefault(stage, {}).setdefault(tuple(lines), []).append(host)
    return stages


def _step(step: Step, verbose: bool) -> Iterator[str]:
    if verbose:
        yield click.style(f"{step.title} ({step.id})", dim=True)
    kinds: dict[tuple[Verb, str], list[Change]] = {}
    for change in step.changes:
        kinds.setdefault((change.verb, change.kind), []).append(change)
    for (verb, kind), changes in kinds.items():
        if len(changes) > NAMED and not verbose and verb is Verb.CREATE:
            yield _sign(verb, _count(len(changes), kind))
            continue
        for change in changes:
            detail = f" ({change.detail})" if change.detail else ""
            yield _sign(verb, f"{kind} {change.subject}{detail}")
            if change.diff and (verbose or verb is not Verb.CREATE):
                yield from (f"    {_coloured(line)}" for line in change.diff.splitlines())


def _sign(verb: Verb, text: str) -> str:
    sign, colour = SIGNS[verb]
    return f"{click.style(sign, fg=colour)} {text}"


def _coloured(line: str) -> str:
    colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return click.style(line, fg=colour) if colour else line


def plan_data(plan: Plan) -> dict[str, object]:
    """JSON-able: steps with their needs, actions by type name, changes with diffs."""
    return {
        "cluster": plan.cluster,
        "changes": sum(len(step.changes) for step in plan),
        "steps": [
            {
                "id": step.id,
                "host": step.host,
                "stage": step.stage,
                "title": step.title,
                "needs": list(step.needs),
                "action": type(step.action).__name__,
                "changes": [asdict(change) for change in step.changes],
            }
            for step in plan
        ],
        "notes": list(plan.notes),
        "removes": list(plan.removes),
    }
