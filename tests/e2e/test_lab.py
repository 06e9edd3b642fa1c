"""`kanae lab` on real hosts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from kanae.drills.launching import parcel
from kanae.errors import LabError
from kanae.lab import faults, host, network, record
from kanae.lab import lab as labs
from kanae.lab.cgroups import Cgroups
from kanae.lab.faults import Oneway
from kanae.lab.lab import HostState, Lab
from kanae.lab.release import RELEASES, Image
from kanae.lab.waiting import wait_until
from kanae.paths import lab_dir

pytestmark = pytest.mark.lab

# How long a peer must hear nothing before it counts as silence, and how long anything that
# should happen may take.
SILENCE = 3.0
SOON = 20.0


class Case(Protocol):
    """What conftest's LabCase offers."""

    name: str
    state: Path

    def spec_text(self, hosts: int = 2, *, name: str = "") -> str: ...
    def spec_file(self, hosts: int = 2) -> Path: ...
    def argv(self, *words: str) -> list[str]: ...
    @property
    def environment(self) -> dict[str, str]: ...
    def kanae(
        self, *words: str, stdin: str = "", status: int = 0
    ) -> subprocess.CompletedProcess[str]: ...
    def leftovers(self) -> set[str]: ...


NewCase = Callable[[], Case]


def ssh(lab: Lab, name: str, command: str) -> str:
    argv = ["ssh", "-F", str(lab.ssh.config), name, command]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def inside(lab: Lab, name: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the host without its network."""
    leader = host.leader(lab.refresh().record.host(name))
    assert leader is not None
    argv = ["nsenter", "--target", str(leader.pid), "--all", "bash", "-c", command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def reaches(lab: Lab, source: str, target: str) -> bool:
    return inside(lab, source, f"ping -c 1 -W 1 {target}").returncode == 0


def connected(lab: Lab, name: str) -> socket.socket:
    """An open TCP connection from this machine to the host's sshd, which has greeted."""
    address = str(lab.record.host(name).address)
    connection = socket.create_connection((address, 22), timeout=SOON)
    assert connection.recv(4096).startswith(b"SSH-")
    return connection


# -- identity and access -----------------------------------------------------------------------


def test_ssh_by_name_is_strict_and_works_from_the_first_connection(lab: Lab) -> None:
    assert "StrictHostKeyChecking yes" in lab.ssh.config.read_text()
    assert [ssh(lab, name, "hostname").strip() for name in ("h1", "h2")] == ["h1", "h2"]


def test_ssh_refuses_a_host_whose_key_is_not_the_recorded_one(lab: Lab, tmp_path: Path) -> None:
    first, second = lab.ssh.known_hosts.read_text().splitlines()
    swapped = tmp_path / "known_hosts"
    swapped.write_text(f"{first.split()[0]} {' '.join(second.split()[1:])}\n")
    argv = ["ssh", "-F", str(lab.ssh.config), "-o", f"UserKnownHostsFile={swapped}", "h1", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in done.stderr


def test_private_files_are_for_their_owner_alone(lab: Lab) -> None:
    for path in (lab.ssh.identity, record.record_path(lab.folder)):
        assert path.stat().st_mode & 0o077 == 0


def test_each_host_has_an_identity_of_its_own(lab: Lab) -> None:
    show = "cat /etc/machine-id /sys/class/net/host0/address /etc/ssh/ssh_host_ed25519_key.pub"
    one, two = (ssh(lab, name, show).splitlines() for name in ("h1", "h2"))
    assert len(one) == len(two) == 3
    assert all(mine != other for mine, other in zip(one, two, strict=True))
    assert one[0] == lab.record.host("h1").machine_id


def test_hosts_have_the_spec_s_addresses_and_know_each_other_by_name(lab: Lab) -> None:
    shown = json.loads(ssh(lab, "h1", "ip -json -4 address show dev host0"))
    assert shown[0]["addr_info"][0]["local"] == str(lab.record.host("h1").address)
    assert ssh(lab, "h1", "getent hosts h2").split()[0] == str(lab.record.host("h2").address)
    assert str(lab.record.gateway) in ssh(lab, "h1", "ip route show default")


def test_command_passes_input_output_and_exit_status(running: Case) -> None:
    script = "cat; echo to-stderr >&2; exit 7"
    words = ("ssh", "h1", "--lab", running.name, "--", "sh", "-c", script)
    done = running.kanae(*words, stdin="two words\n", status=7)
    assert done.stdout == "two words\n"
    assert "to-stderr" in done.stderr


def test_list_gives_name_address_state_and_leader(running: Case, lab: Lab) -> None:
    rows = list(json.loads(running.kanae("list", "-o", "json").stdout))
    mine = {row["name"]: row for row in rows if row["lab"] == running.name}
    assert list(mine) == ["h1", "h2"]
    assert mine["h1"]["address"] == str(lab.record.host("h1").address)
    assert mine["h1"]["state"] == "running"
    assert Path(f"/proc/{mine['h1']['leader']}/comm").read_text().strip() == "systemd"


def test_users_become_root_with_and_without_a_password(lab: Lab) -> None:
    def sudo(user: str, command: str, stdin: str) -> subprocess.CompletedProcess[str]:
        argv = ["ssh", "-F", str(lab.ssh.config), "-l", user, "h1", command]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60)

    assert sudo("operator", "sudo -n id -u", "").stdout == "0\n"
    assert sudo("operator-pw", "sudo -n id -u", "").returncode != 0
    password = lab.record.operator_password + "\n"
    assert sudo("operator-pw", "sudo -S -p '' id -u", password).stdout == "0\n"


def test_offered_packages_install_without_a_network(lab: Lab) -> None:
    assert ssh(lab, "h1", "command -v haproxy nginx keepalived kubelet python3 || true") == ""
    ssh(lab, "h1", "apt-get install -y --no-install-recommends haproxy python3")
    assert ssh(lab, "h1", "systemctl is-active haproxy") == "active\n"
    assert ssh(lab, "h1", parcel.FIND).startswith("fit python3 ")


# -- releases ----------------------------------------------------------------------------------


def test_hosts_of_two_debian_releases_share_a_lab_and_stay_what_they_are(
    new_case: NewCase,
) -> None:
    case = new_case()
    case.kanae("up", str(case.spec_file()), "--image", "h2=trixie")
    lab = Lab.open(case.name)

    def releases() -> list[str]:
        shown = ". /etc/os-release; echo $VERSION_ID"
        return [ssh(lab, name, shown).strip() for name in ("h1", "h2")]

    wanted = [RELEASES[Image.BOOKWORM].version, RELEASES[Image.TRIXIE].version]
    assert releases() == wanted
    rows = json.loads(case.kanae("list", "-o", "json").stdout)
    images = {row["name"]: row["image"] for row in rows if row["lab"] == case.name}
    assert images == {"h1": "bookworm", "h2": "trixie"}
    for name in ("h1", "h2"):
        assert ssh(lab, name, "systemctl is-system-running --wait || true") == "running\n"
        assert ssh(lab, name, "echo $LANG") == "C.UTF-8\n"
    assert reaches(lab, "h2", "h1")
    ssh(lab, "h2", "apt-get install -y --no-install-recommends python3")
    assert ssh(lab, "h2", parcel.FIND).startswith("fit python3 ")

    faults.power_cut(lab, "h2")
    case.kanae("up", str(case.spec_file()))
    assert releases() == wanted
    done = case.kanae("up", str(case.spec_file()), "--image", "trixie", status=30)
    assert "h1 is bookworm" in done.stderr


# -- power -------------------------------------------------------------------------------------


def test_power_cut_is_silence_and_power_on_brings_the_same_disk(lab: Lab) -> None:
    ssh(lab, "h1", "echo kept > /root/mark; echo kept > /var/lib/mark; echo lost > /tmp/mark")
    address = lab.record.host("h1").address
    listen = f"socat -u TCP:{address}:22 CREATE:/tmp/heard"
    before = host.leader(lab.record.host("h1"))
    with (
        closing(connected(lab, "h1")) as mine,
        subprocess.Popen(
            ["ssh", "-F", str(lab.ssh.config), "h2", listen], stdin=subprocess.DEVNULL
        ) as peer,
    ):
        assert wait_until(
            lambda: "SSH-" in inside(lab, "h2", "cat /tmp/heard").stdout, seconds=SOON
        )
        faults.power_cut(lab, "h1")
        assert faults.state(lab, "h1") is HostState.OFF
        assert not any(path.exists() for path in Cgroups.here().paths(lab.group("h1")))
        mine.settimeout(SILENCE)
        with pytest.raises(TimeoutError):
            mine.recv(1)
        assert peer.poll() is None, "the peer's connection was closed or reset"
        established = inside(lab, "h2", f"ss -Htn state established dst {address}").stdout
        assert str(address) in established
        inside(lab, "h2", "kill $(pidof socat)")

    faults.power_on(lab, "h1")
    assert ssh(lab, "h1", "cat /root/mark /var/lib/mark; ls /tmp/mark 2>&1 || true").startswith(
        "kept\nkept\nls: cannot access"
    )
    after = host.leader(lab.refresh().record.host("h1"))
    assert before != after


def test_power_off_closes_connections_in_order(lab: Lab) -> None:
    with closing(connected(lab, "h1")) as connection:
        faults.power_off(lab, "h1")
        connection.settimeout(SOON)
        assert connection.recv(1) == b""
    assert faults.state(lab, "h1") is HostState.OFF
    faults.power_on(lab, "h1")
    assert ssh(lab, "h1", "systemctl is-system-running --wait || true") == "running\n"


def test_a_host_that_reboots_itself_comes_back(lab: Lab) -> None:
    before = host.leader(lab.record.host("h2"))
    inside(lab, "h2", "systemctl reboot")
    address = lab.record.host("h2").address
    assert wait_until(
        lambda: host.leader(lab.record.host("h2")) not in (None, before) and labs.greets(address),
        seconds=SOON,
    )
    assert ssh(lab, "h2", "hostname") == "h2\n"


def test_power_on_of_a_running_host_changes_nothing(lab: Lab) -> None:
    before = host.leader(lab.refresh().record.host("h1"))
    faults.power_on(lab, "h1")
    assert host.leader(lab.refresh().record.host("h1")) == before


# -- network -----------------------------------------------------------------------------------


@pytest.fixture
def healed(lab: Lab) -> Iterator[Lab]:
    """The lab, healed again whatever the test does."""
    faults.heal(lab)
    yield lab
    faults.heal(lab)


def test_partition_cuts_a_host_off_until_heal(healed: Lab) -> None:
    assert reaches(healed, "h1", "h2")
    faults.partition(healed, ["h1"])
    assert faults.partitioned(healed)
    assert not reaches(healed, "h1", "h2")
    assert not reaches(healed, "h2", "h1")
    assert not labs.greets(healed.record.host("h1").address)
    assert labs.greets(healed.record.host("h2").address)
    faults.heal(healed)
    assert not faults.partitioned(healed)
    assert reaches(healed, "h2", "h1")


def test_hosts_on_one_side_of_a_partition_talk_to_each_other(healed: Lab) -> None:
    faults.partition(healed, ["h1", "h2"])
    assert reaches(healed, "h1", "h2")
    assert not labs.greets(healed.record.host("h1").address)


def test_partition_can_leave_the_operator_connected(healed: Lab) -> None:
    faults.partition(healed, ["h1"], operator=True)
    assert not reaches(healed, "h2", "h1")
    assert ssh(healed, "h1", "hostname") == "h1\n"


@pytest.mark.parametrize("direction", list(Oneway))
def test_oneway_partition_drops_one_direction_only(healed: Lab, direction: Oneway) -> None:
    own, other = healed.record.host("h1").address, healed.record.host("h2").address
    # Addresses are known beforehand: address resolution itself needs both directions.
    mac = "cat /sys/class/net/host0/address"
    for name, peer, at in (("h1", "h2", other), ("h2", "h1", own)):
        resolved = inside(healed, peer, mac).stdout.strip()
        inside(healed, name, f"ip neighbour replace {at} lladdr {resolved} dev host0")
        inside(
            healed,
            name,
            "rm -f /tmp/udp; socat -u UDP-RECV:9 CREATE:/tmp/udp &> /dev/null < /dev/null &",
        )
        assert wait_until(
            lambda n=name: "socat" in inside(healed, n, "ss -Hlunp").stdout, seconds=SOON
        )
    faults.partition(healed, ["h1"], oneway=direction)

    def delivered(source: str, target: str, at: object) -> bool:
        inside(healed, source, f"echo from-{source} > /dev/udp/{at}/9")
        return wait_until(
            lambda: f"from-{source}" in inside(healed, target, "cat /tmp/udp").stdout, seconds=1
        )

    assert delivered("h2", "h1", own) is (direction is Oneway.OUT)
    assert delivered("h1", "h2", other) is (direction is Oneway.IN)
    for name in ("h1", "h2"):
        inside(healed, name, "kill $(pidof socat); ip neighbour flush dev host0 nud permanent")


def test_paused_host_stands_still_and_goes_on_when_resumed(lab: Lab) -> None:
    address = lab.record.host("h1").address
    faults.pause(lab, "h1")
    assert faults.state(lab, "h1") is HostState.PAUSED
    assert not labs.greets(address)
    assert reaches(lab, "h2", "h1"), "a paused host's kernel still answers"
    with pytest.raises(LabError, match="paused"):
        faults.power_off(lab, "h1")
    faults.resume(lab, "h1")
    assert faults.state(lab, "h1") is HostState.RUNNING
    assert labs.greets(address)


def test_paused_host_can_be_cut(lab: Lab) -> None:
    faults.pause(lab, "h1")
    faults.power_cut(lab, "h1")
    assert faults.state(lab, "h1") is HostState.OFF
    faults.power_on(lab, "h1")


# -- life of a lab -----------------------------------------------------------------------------


def test_up_again_adds_the_spec_s_new_hosts_and_leaves_the_others_alone(running: Case) -> None:
    before = host.leader(Lab.open(running.name).record.host("h1"))
    running.kanae("up", str(running.spec_file(hosts=3)))
    lab = Lab.open(running.name)
    assert host.leader(lab.record.host("h1")) == before
    assert ssh(lab, "h3", "getent hosts h1").split()[1] == "h1"
    assert ssh(lab, "h1", "getent hosts h3").split()[1] == "h3"
    assert ssh(lab, "h1", "ping -c 1 h3 > /dev/null && echo reached") == "reached\n"


def test_subnet_of_another_lab_is_refused_by_name(running: Case, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(running.spec_text(name="other"))
    done = running.kanae("up", str(other), status=30)
    assert "overlaps" in done.stderr
    assert f"lab {running.name}" in done.stderr
    assert not lab_dir("other").exists()


def test_name_of_another_lab_is_refused(running: Case, tmp_path: Path) -> None:
    environment = {**running.environment, "XDG_STATE_HOME": str(tmp_path)}
    argv = running.argv("up", str(running.spec_file()))
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 30
    assert f"another lab {running.name}" in done.stderr


def test_down_leaves_nothing_and_is_safe_to_repeat(new_case: NewCase) -> None:
    case = new_case()
    before = case.leftovers()
    case.kanae("up", str(case.spec_file()))
    assert len(case.leftovers()) > len(before) + 10
    case.kanae("down", case.name, "--yes")
    assert case.leftovers() == before
    assert not lab_dir(case.name).exists()
    case.kanae("down", case.name, "--yes")


def _interrupt(case: Case, reached: Callable[[], bool], *words: str) -> None:
    """Start `up` (or another verb), and SIGKILL it as soon as the condition holds."""
    argv = case.argv(*(words or ("up", str(case.spec_file()))))
    with subprocess.Popen(argv, env=case.environment, stderr=subprocess.DEVNULL) as process:
        assert wait_until(lambda: reached() or process.poll() is not None, seconds=60, every=0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait(SOON) == -signal.SIGKILL


def _recorded(case: Case) -> bool:
    return record.record_path(lab_dir(case.name)).exists()


def _linked(case: Case) -> bool:
    return Path("/sys/class/net", network.link_of(case.name)).exists()


def _one_started(case: Case) -> bool:
    return any((path / "h1").exists() for path in Cgroups.here().paths(f"kanae/{case.name}"))


def _all_started(case: Case) -> bool:
    found = record.read(lab_dir(case.name))
    return found is not None and all(h.supervisor for h in found.hosts)


@pytest.mark.parametrize("reached", [_recorded, _linked, _one_started, _all_started])
def test_down_after_a_killed_up_leaves_nothing(
    new_case: NewCase, reached: Callable[[Case], bool]
) -> None:
    case = new_case()
    before = case.leftovers()
    _interrupt(case, lambda: reached(case))
    case.kanae("down", case.name, "--yes")
    assert case.leftovers() == before
    assert not lab_dir(case.name).exists()


def _removing(case: Case) -> bool:
    found = record.read(lab_dir(case.name))
    return found is not None and found.phase is record.Phase.REMOVING


def _dead(case: Case) -> bool:
    return not any(path.exists() for path in Cgroups.here().paths(f"kanae/{case.name}"))


@pytest.mark.parametrize("reached", [_removing, _dead])
def test_down_after_a_killed_down_leaves_nothing(
    new_case: NewCase, reached: Callable[[Case], bool]
) -> None:
    case = new_case()
    before = case.leftovers()
    case.kanae("up", str(case.spec_file(hosts=1)))
    _interrupt(case, lambda: reached(case), "down", case.name, "--yes")
    case.kanae("down", case.name, "--yes")
    assert case.leftovers() == before
    assert not lab_dir(case.name).exists()


def test_up_after_a_killed_up_starts_anew(new_case: NewCase) -> None:
    case = new_case()
    _interrupt(case, lambda: _all_started(case))
    with pytest.raises(LabError, match="half-made"):
        Lab.open(case.name)
    case.kanae("up", str(case.spec_file()))
    assert ssh(Lab.open(case.name), "h2", "hostname") == "h2\n"
    case.kanae("down", case.name, "--yes")


def test_clean_finds_by_name_what_has_lost_its_record_and_spares_labs_that_are_up(
    new_case: NewCase, running: Case
) -> None:
    case = new_case()
    before = case.leftovers()
    _interrupt(case, lambda: _all_started(case))
    record.record_path(lab_dir(case.name)).unlink()
    done = case.kanae("clean")
    removed = done.stderr.splitlines()[-1].removeprefix("removed: ").split(", ")
    assert case.name in removed
    assert running.name not in removed
    assert case.leftovers() == before
    assert ssh(Lab.open(running.name), "h1", "hostname") == "h1\n"


def test_down_kills_a_host_whose_supervisor_was_killed(new_case: NewCase) -> None:
    case = new_case()
    before = case.leftovers()
    case.kanae("up", str(case.spec_file(hosts=1)))
    supervisor = Lab.open(case.name).record.host("h1").supervisor
    assert supervisor is not None
    (nspawn,) = supervisor.process().children()
    for process in (supervisor.process(), nspawn):
        os.kill(process.pid, signal.SIGKILL)
    case.kanae("down", case.name, "--yes")
    assert case.leftovers() == before


# -- another machine in a host's place ---------------------------------------------------------


def test_blank_hardware_is_another_machine_and_the_old_one_comes_back(
    running: Case, lab: Lab
) -> None:
    show = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; ls /var/lib/mine"

    def shown() -> list[str]:
        done = running.kanae("ssh", "h2", "--lab", running.name, "--", f"{show} 2>/dev/null; true")
        return done.stdout.splitlines()

    def power_on(choice: str) -> list[str]:
        faults.power_cut(lab, "h2")
        running.kanae("power-on", "h2", "--lab", running.name, choice)
        return shown()

    running.kanae("ssh", "h2", "--lab", running.name, "--", "touch /var/lib/mine")
    old = shown()
    running.kanae("power-on", "h2", "--lab", running.name, "--blank", status=LabError.exit_code)
    new = power_on("--blank")
    assert (len(old), len(new)) == (3, 2)
    assert old[0] != new[0]
    assert old[1] != new[1]
    argv = ["ssh", "-F", str(lab.ssh.config), "h2", "true"]
    refused = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert "HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    running.kanae("power-on", "h2", "--lab", running.name, "--blank")
    assert shown() == new
    assert power_on("--old") == old
    assert power_on("--new") == new
    # As the other tests expect it.
    assert power_on("--old") == old
