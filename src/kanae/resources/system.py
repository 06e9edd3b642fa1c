"""Kernel settings, swap and packages of a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kanae.facts.model import HostFacts, Query
from kanae.layout import families
from kanae.layout import paths as at
from kanae.layout.family import Family, Need
from kanae.resources.model import Difference, Resource, quote

# How a line of fstab begins that kanae has made a comment.
SWAP_LINE: Final = "# kanae: "


@dataclass(frozen=True, slots=True)
class Sysctl(Resource):
    """A live kernel setting. That it survives a reboot is the business of a `File`."""

    setting: str
    value: str

    @property
    def kind(self) -> str:
        return "sysctl"

    @property
    def name(self) -> str:
        return self.setting

    def query(self) -> Query:
        return Query(sysctls=(self.setting,))

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        fact = facts.sysctls.get(self.setting)
        if fact is not None and fact.split() == self.value.split():
            return None
        return Difference("update", f"{'unset' if fact is None else fact} -> {self.value}")

    def apply(self) -> str:
        return f"sysctl -q -w {quote(f'{self.setting}={self.value}')}"


@dataclass(frozen=True, slots=True)
class Modules(Resource):
    """Kernel modules or the same built in. names: as HostBase.kernel_features has them.

    They are loaded at once: settings such as net.bridge.* exist only from then on. What the kernel
    lacks cannot be loaded; checks tell of it.
    """

    names: tuple[str, ...]

    @property
    def kind(self) -> str:
        return "kernel modules"

    @property
    def name(self) -> str:
        return ", ".join(self.names)

    def query(self) -> Query:
        return Query()

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        unloaded = [name for name in self.names if name in facts.base.unloaded_modules]
        return Difference("run", f"load {', '.join(unloaded)}") if unloaded else None

    def apply(self) -> str:
        return (
            f"for module in {quote(*self.names)}; do\n"
            'if modprobe -q --show-depends "$module" >/dev/null; then modprobe "$module"; fi\n'
            "done"
        )


@dataclass(frozen=True, slots=True)
class SwapOff(Resource):
    """No swap now; swap lines of fstab are commented out so that none comes back."""

    @property
    def kind(self) -> str:
        return "swap"

    @property
    def name(self) -> str:
        return "off"

    def query(self) -> Query:
        return Query()

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        if facts.base.swap == 0:
            return None
        return Difference("update", f"{facts.base.swap // 2**20} MiB -> off")

    def apply(self) -> str:
        return (
            "swapoff -a\n"
            rf"sed -i.kanae -E '/^[^#].*[[:space:]]swap[[:space:]]/ s/^/{SWAP_LINE}/' {at.FSTAB}"
        )


@dataclass(frozen=True, slots=True)
class Packages(Resource):
    """Packages of the host's distribution for these needs.

    Vendor units that must not start are masked before a package is installed, and only where
    kanae installs it: a balancer that was there before serves somebody.
    """

    needs: tuple[Need, ...]
    family: Family

    @property
    def names(self) -> tuple[str, ...]:
        """Without the needs for which the family has nothing to be installed."""
        return tuple(name for need in self.needs if (name := self.family.package(need)))

    @property
    def must_not_start(self) -> tuple[str, ...]:
        """Units of the vendor that installing these packages would start."""
        supplies = (self.family.supplies.get(need) for need in self.needs)
        return tuple(unit for supply in supplies if supply for unit in supply.starts)

    @property
    def kind(self) -> str:
        return "package"

    @property
    def name(self) -> str:
        return ", ".join(self.names)

    def query(self) -> Query:
        """Asks by all families' names, for it is made before the host's family is known."""
        return Query(packages=families.packages(self.needs))

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        missing = [name for name in self.names if facts.packages.get(name) is None]
        return Difference("create", f"install {', '.join(missing)}") if missing else None

    def apply(self) -> str:
        manager = self.family.manager
        if manager is None:
            return ""  # names is empty: there is never a difference
        lines = [
            f"[ -e /usr/lib/systemd/system/{unit} ] || [ -e /lib/systemd/system/{unit} ] || "
            # Somebody's own mask stays; ours is recorded before it is made.
            f"[ -L {at.UNITS}/{unit} ] || "
            f"{{ echo {unit} >>{at.MASKED}; systemctl mask -q {unit}; }}"
            for unit in self.must_not_start
        ]
        # The host's lists of packages may be good enough: reading them anew is only the second try.
        install = f"{manager.install} {quote(*self.names)} >/dev/null"
        lines.append(f"{install} || {{ {manager.refresh} && {install}; }}")
        return "\n".join(lines)
