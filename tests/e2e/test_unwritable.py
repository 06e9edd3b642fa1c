"""Full disks and read-only file systems: a whole `kanae apply` on a real host that has one after
another. The same command gets past each as soon as it is mended, up to the next; the cluster is not
built."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from kanae.errors import DiskFull, ReadOnlyFileSystem
from kanae.lab.lab import Lab

pytestmark = pytest.mark.lab


class Case(Protocol):
    """What conftest's LabCase offers."""

    name: str
    folder: Path

    def spec_text(self, hosts: int = 2, *, name: str = "") -> str: ...
    @property
    def environment(self) -> dict[str, str]: ...
    def kanae(
        self, *words: str, stdin: str = "", status: int = 0
    ) -> subprocess.CompletedProcess[str]: ...


class Host:
    """The one host of a lab, and the apply that is to make it a cluster."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.spec = case.folder / "cluster.yaml"
        text = case.spec_text(1).replace("[control-plane]", "[control-plane, worker]")
        self.spec.write_text(text)
        case.kanae("up", str(self.spec))
        self._lab = Lab.open(case.name)

    def inside(self, command: str) -> str:
        argv = ["ssh", "-F", str(self._lab.ssh.config), "h1", command]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout

    def everything(self) -> set[str]:
        """Every file and folder with its size and time of change, and what runs or is set."""
        folders = "/etc /usr /opt /root /home /srv /var/lib"
        files = self.inside(f"find {folders} -xdev -printf '%p %s %Z %m\\n' 2>/dev/null || true")
        # Without those that only another one's unit file names.
        listed = "systemctl list-units --all --plain --no-legend"
        units = self.inside(f"{listed} | awk '$2 != \"not-found\" {{ print $1 }}'")
        settings = self.inside("sysctl net.ipv4.ip_forward; cat /proc/mounts")
        volatile = ("/var/lib/systemd", "/var/lib/private")
        return {
            line
            for line in (*files.splitlines(), *units.splitlines(), *settings.splitlines())
            if not line.startswith(volatile) and ".scope" not in line and "session" not in line
        }

    def _kanae(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kanae", verb, str(self.spec), *options],
            capture_output=True,
            text=True,
            env=self._case.environment,
            timeout=120,
        )

    def plan(self) -> str:
        done = self._kanae("plan")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, status: int) -> str:
        """Apply, which has to end with this status and one error; that error."""
        done = self._kanae("apply", "--yes")
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        [_, error] = f"\n{done.stderr}".split("\nerror: ")
        assert "\n\n" not in error.strip(), "one paragraph"
        assert "remedy: " in error
        return error


FULL = "mount -t tmpfs -o size=4k,mode=755 none {0} && ! cp /bin/true {0}/filler 2>/dev/null"
READ_ONLY = "mount -t tmpfs -o ro,mode=755 none {0}"
# In the order in which apply comes to these places: the lease, the mark that makes the host the
# cluster's, binaries. named: what the error says.
OBSTACLES = (
    ("/run/kanae", FULL, DiskFull, "take the lease"),
    ("/var/lib/kanae", FULL, DiskFull, "write /var/lib/kanae/marks"),
    ("/var/lib/kanae", READ_ONLY, ReadOnlyFileSystem, "write /var/lib/kanae/marks"),
    ("/usr/local/bin", READ_ONLY, ReadOnlyFileSystem, "write /usr/local/bin/"),
)


def test_each_is_named_and_nothing_else_changed_and_mended_the_same_command_gets_past_it(
    new_case: Callable[[], Case],
) -> None:
    host = Host(new_case())
    for path, cause, kind, named in OBSTACLES:
        host.inside(f"mkdir -p {path} && {cause.format(path)}")
        before = host.everything()
        error = host.refused(kind.exit_code)
        assert "h1: " in error
        assert named in error
        after = host.everything()
        host.inside(f"umount {path}")
        changed = {line for line in before ^ after if not line.startswith(path)}
        if path == "/usr/local/bin":
            # What comes before binaries, and what does not need them, has been done.
            assert "/var/lib/kanae/marks/cluster" in {line.split()[0] for line in changed}
            assert not any("containerd" in line or "kubelet" in line for line in changed)
        else:
            assert changed == set(), (path, kind)
    left = host.plan()
    assert "/var/lib/kanae" not in left
    # containerd's, and what is sent while it loads images.
    assert "4 binaries" in left
    assert "15 binaries" in left
