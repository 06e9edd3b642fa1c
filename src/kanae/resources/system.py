"""Kernel settings, swap and packages of a host."""

from __future__ import annotations

from dataclasses import dataclass

from kanae.facts.model import HostFacts, Query
from kanae.layout import paths as at
from kanae.resources.model import Difference, Resource, quote


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
            r"sed -i.kanae -E '/^[^#].*[[:space:]]swap[[:space:]]/ s/^/# kanae: /' /etc/fstab"
        )


@dataclass(frozen=True, slots=True)
class Packages(Resource):
    """Packages of the distribution. quiet: units that must not start because of the installation.

    These units are masked only where kanae installs the package: a balancer that was there before
    belongs to somebody.
    """

    names: tuple[str, ...]
    quiet: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "package"

    @property
    def name(self) -> str:
        return ", ".join(self.names)

    def query(self) -> Query:
        return Query(packages=self.names)

    def difference(self, facts: HostFacts, changed: frozenset[str]) -> Difference | None:
        missing = [name for name in self.names if facts.packages.get(name) is None]
        return Difference("create", f"install {', '.join(missing)}") if missing else None

    def apply(self) -> str:
        lines = [
            f"[ -e /usr/lib/systemd/system/{unit} ] || [ -e /lib/systemd/system/{unit} ] || "
            f"{{ systemctl mask -q {unit}; echo {unit} >>{at.MASKED}; }}"
            for unit in self.quiet
        ]
        names = quote(*self.names)
        # Debian's own sources may be newer than the lists on the host; try without asking first.
        install = (
            "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "
            f"-o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 {names} >/dev/null"
        )
        lines.append(
            f"if command -v apt-get >/dev/null; then {install} || "
            f"{{ apt-get update -qq && {install}; }}; else dnf install -q -y {names}; fi"
        )
        return "\n".join(lines)
