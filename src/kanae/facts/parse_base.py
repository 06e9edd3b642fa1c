"""What every host says of itself."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Mapping, Sequence

from kanae.facts.frame import Answer
from kanae.facts.login import parse_login
from kanae.facts.model import HostBase, Interface, Listener, Route
from kanae.layout import paths as at

_HEADER = re.compile(r"==> (/.*) <==")
# uname's words -> Go's, which Kubernetes uses everywhere.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
# Programs that do nothing.
_NOTHING = frozenset({"true", "false", ":", "exit", "nologin"})
_PROCESS = re.compile(r'\(\("([^"]*)"')


def head(lines: Sequence[str]) -> dict[str, str]:
    """What `head -v` printed, by path; a blank line stands between two files."""
    read: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if match := _HEADER.fullmatch(line):
            current = read.setdefault(match[1], [])
        else:
            current.append(line)
    return {path: "\n".join(content).strip("\n") for path, content in read.items()}


def parse_base(
    answer: Answer, read: Mapping[str, str], clock_offset: float, clock_error: float
) -> HostBase:
    system = dict(_pair(line, " ") for line in answer.lines("system"))
    release = {
        name: value.strip("\"'")
        for name, value in (_pair(line, "=") for line in _lines(read, "/etc/os-release"))
    }
    memory = dict(_pair(line, ":") for line in _lines(read, "/proc/meminfo"))
    hostname = _first(read, "/proc/sys/kernel/hostname")
    if not hostname or "MemTotal" not in memory:
        raise answer.wrong("it lacks the host's name or memory")
    features = dict(_pair(line, " ") for line in answer.lines("kernel") if line)
    sealed = _first(read, "/proc/sys/kernel/modules_disabled") == "1"
    forbidden = frozenset(
        name for name, state in features.items() if state and (sealed or _never(state))
    )
    return HostBase(
        hostname=hostname,
        machine_id=_first(read, "/etc/machine-id"),
        product_uuid=_first(read, "/sys/class/dmi/id/product_uuid").lower(),
        boot_id=_first(read, "/proc/sys/kernel/random/boot_id"),
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        os_name=release.get("PRETTY_NAME", ""),
        arch=_ARCHITECTURES.get(machine := system.get("arch", ""), machine),
        kernel=_first(read, "/proc/sys/kernel/osrelease"),
        cpus=_int(system.get("cpus", "")),
        memory=_int(memory["MemTotal"]) * 1024,
        swap=_int(memory.get("SwapTotal", "")) * 1024,
        cgroup=2 if system.get("cgroup") == "2" else 1,
        uptime=_float(_first(read, "/proc/uptime")),
        clock_offset=clock_offset,
        clock_error=clock_error,
        hard_nofile=_limit(system.get("nofile", "")),
        can_lower_oom=system.get("oom") == "lower",
        systemd=_int(system.get("systemd", "")),
        interfaces=_interfaces(answer),
        routes=tuple(_routes(answer.lines("routes"))),
        resolvers=name_servers(read.get(at.RESOLV_CONF, "")),
        upstream_resolvers=name_servers(read.get(at.RESOLVED_CONF, "")),
        listeners=_listeners(answer.lines("listeners")),
        disks=_disks(answer),
        kernel_features=frozenset(features) - forbidden,
        unloaded_modules=frozenset(name for name, state in features.items() if state) - forbidden,
        forbidden_modules=forbidden,
        controllers=_controllers(read, system.get("cgroup") == "2"),
        proxies=tuple(filter(None, answer.lines("proxies"))),
        missing_programs=tuple(filter(None, answer.lines("missing"))),
        selinux={"1": "enforcing", "0": "permissive"}.get(
            _first(read, "/sys/fs/selinux/enforce"), "disabled"
        ),
        os_like=tuple(release.get("ID_LIKE", "").split()),
        login=parse_login(answer),
    )


def _controllers(read: Mapping[str, str], unified: bool) -> frozenset[str]:
    """The kernel's table says `name hierarchy cgroups enabled`; it lacks some where v2 is used."""
    if unified:
        return frozenset(_first(read, "/sys/fs/cgroup/cgroup.controllers").split())
    rows = (line.split() for line in _lines(read, "/proc/cgroups"))
    return frozenset(row[0] for row in rows if len(row) == 4 and row[3] == "1")


def _never(state: str) -> bool:
    """Whether a module's `install` command, see modprobe.d(5), only keeps it from being loaded."""
    word, _, command = state.partition(" ")
    program = command.split()[0] if command.split() else ""
    return word == "install" and program.rstrip(";").rpartition("/")[2] in _NOTHING


def _is_interface(cidr: str) -> bool:
    try:
        ipaddress.ip_interface(cidr)
    except ValueError:
        return False
    return True


def _pair(line: str, separator: str) -> tuple[str, str]:
    name, _, value = line.partition(separator)
    return name, value.strip()


def _lines(read: Mapping[str, str], path: str) -> list[str]:
    return read.get(path, "").split("\n")


def _first(read: Mapping[str, str], path: str) -> str:
    return _lines(read, path)[0].strip()


def _int(text: str) -> int:
    match = _NUMBER.search(text)
    return int(match[0]) if match else 0


def _float(text: str) -> float:
    match = re.match(r"\d{1,15}(\.\d{1,9})?", text, re.ASCII)
    return float(match[0]) if match else 0.0


def _limit(text: str) -> int:
    # RLIM_INFINITY; the kernel itself never lets a process have more files than fs.nr_open.
    return 2**63 - 1 if text == "unlimited" else _int(text)


def _interfaces(answer: Answer) -> tuple[Interface, ...]:
    addresses: dict[str, list[str]] = {}
    for line in answer.lines("addresses"):
        words = line.split()
        if len(words) > 3 and words[2] in {"inet", "inet6"}:
            # A point-to-point address has its peer, not itself, before the prefix length.
            cidr = words[3]
            if len(words) > 5 and words[4] == "peer":
                cidr = f"{words[3]}/{32 if words[2] == 'inet' else 128}"
            if not _is_interface(cidr):
                raise answer.wrong(f"{cidr!r} is no address of an interface")
            addresses.setdefault(words[1].partition("@")[0], []).append(cidr)
    found: list[Interface] = []
    for line in answer.lines("links"):
        words = line.split()
        if len(words) < 2:
            continue
        name = words[1].rstrip(":").partition("@")[0]
        kind = next((i for i, word in enumerate(words) if word.startswith("link/")), None)
        mac = words[kind + 1] if kind is not None and kind + 1 < len(words) else ""
        found.append(Interface(name, mac, tuple(addresses.get(name, ()))))
    return tuple(found)


def _routes(lines: Sequence[str]) -> list[Route]:
    routes: list[Route] = []
    for line in lines:
        words = line.split()
        # "unreachable", "blackhole" and the like name no network that is in use.
        if not words or not (words[0] == "default" or words[0][0].isdigit()):
            continue
        destination = words[0]
        if destination != "default":
            try:
                destination = str(ipaddress.ip_network(destination, strict=False))
            except ValueError:
                continue
        after = dict(itertools.pairwise(words))
        routes.append(Route(destination, after.get("via", ""), after.get("dev", "")))
    return routes


def name_servers(text: str) -> tuple[str, ...]:
    """Of a file like /etc/resolv.conf, in its order."""
    words = (line.split() for line in text.split("\n"))
    return tuple(w[1] for w in words if len(w) > 1 and w[0] == "nameserver")


def _listeners(lines: Sequence[str]) -> tuple[Listener, ...]:
    found: list[Listener] = []
    for line in lines:
        words = line.split()
        if len(words) < 5:
            continue
        address, _, port = words[4].rpartition(":")
        if not _NUMBER.fullmatch(port):
            continue
        process = _PROCESS.search(line)
        found.append(
            Listener(words[0], address.strip("[]"), int(port), process[1] if process else "")
        )
    return tuple(dict.fromkeys(found))


def _disks(answer: Answer) -> dict[str, tuple[int, int]]:
    paths, figures = answer.lines("disks"), answer.lines("space")
    if len(paths) != len(figures):
        raise answer.wrong(f"space of {len(figures)} of {len(paths)} file systems")
    disks: dict[str, tuple[int, int]] = {}
    for path, figure in zip(paths, figures, strict=True):
        numbers = _NUMBER.findall(figure)
        if len(numbers) != 3:
            raise answer.wrong(f"{figure!r} is not the space of a file system")
        free, total, block = map(int, numbers)
        disks[path] = (free * block, total * block)
    return disks
