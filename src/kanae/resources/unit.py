"""systemd units."""

from __future__ import annotations

from dataclasses import dataclass

from kanae.facts.model import HostFacts, Query
from kanae.layout import marks
from kanae.resources.model import Content, Difference, Resource, quote


@dataclass(frozen=True, slots=True)
class _OfUnit(Resource):
    """A unit is one thing, wanted or not."""

    unit: str

    @property
    def kind(self) -> str:
        return "unit"

    @property
    def name(self) -> str:
        return self.unit

    def query(self) -> Query:
        return Query(units=(self.unit,))


@dataclass(frozen=True, slots=True)
class Unit(_OfUnit):
    """A unit that is enabled and running, and restarted when what it reads has changed.

    restart_on, reload_on: keys of resources. running False: only enabled; somebody else starts it
    (kubeadm: kubelet). A due restart or reload is marked on the host before the files change and
    unmarked when done, so that an interrupted run is made good by the next one.
    """

    restart_on: tuple[str, ...] = ()
    reload_on: tuple[str, ...] = ()
    running: bool = True
    enabled: bool = True

    def _due(self, changed: frozenset[str]) -> tuple[str, list[str]]:
        for act, keys in (("restart", self.restart_on), ("reload", self.reload_on)):
            causes = sorted(set(keys) & changed)
            if causes and self.running:
                return act, causes
        return "", []

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        fact = facts.units.get(self.unit)
        if fact is None or fact.load == "not-found":
            return Difference("create", "enable" + (" and start" if self.running else ""))
        wrong: list[str] = []
        if fact.load == "masked":
            wrong.append("unmask")
        if self.enabled and fact.enabled != "enabled":
            wrong.append("enable")
        if self.running:
            act, causes = self._due(changed)
            marked = [act for act in ("restart", "reload") if f"{act}-{self.unit}" in facts.marks]
            if fact.active != "active":
                wrong.append(f"start (is {fact.active})")
            elif act:
                wrong.append(f"{act} ({', '.join(c.split(':', 1)[1] for c in causes)} changes)")
            elif marked:
                wrong.append(f"{marked[0]} (was due when an earlier run was interrupted)")
        return Difference("run", ", ".join(wrong)) if wrong else None

    def marks(self, changed: frozenset[str]) -> tuple[Content, ...]:
        """What to write before anything that the unit reads is changed."""
        act, _ = self._due(changed)
        return (Content(marks.path(f"{act}-{self.unit}"), "", 0o600, "root:root"),) if act else ()

    def apply(self) -> str:
        unit = quote(self.unit)
        lines = [f"[ ! -L /etc/systemd/system/{unit} ] || systemctl unmask -q {unit}"]
        if self.enabled:
            lines.append(f"systemctl enable -q {unit}")
        if self.running:
            restart = quote(marks.path(marks.RESTART + self.unit))
            reload = quote(marks.path(marks.RELOAD + self.unit))
            lines += [
                f"if [ -e {restart} ]; then systemctl restart {unit}",
                f"elif [ -e {reload} ]; then systemctl reload-or-restart {unit}",
                f"else systemctl start {unit}; fi",
                f"rm -f {restart} {reload}",
            ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class NoUnit(_OfUnit):
    """A unit of ours that the spec no longer wants. path: of its file.

    It comes before the `Absent` of other files, which it may need to end as it should. One that is
    masked is left alone: whoever masked it has seen to it that it does not run.
    """

    path: str

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        fact = facts.units.get(self.unit)
        if fact is None or fact.load == "masked":
            return None
        if fact.load == "not-found" and fact.active != "active":
            return None
        return Difference("delete", "stop and disable")

    def apply(self) -> str:
        """Also right where an interrupted run has done it in part."""
        unit, path = quote(self.unit), quote(self.path)
        due = quote(*map(marks.path, (marks.RESTART + self.unit, marks.RELOAD + self.unit)))
        return (
            f"systemctl disable -q {unit} || [ ! -f {path} ]\n"
            # 5: not known to systemd.
            f"systemctl stop {unit} || [ $? = 5 ]\n"
            f"rm -f {path} {due}\n"
            "systemctl daemon-reload"
        )
