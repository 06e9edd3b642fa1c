from __future__ import annotations

import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from kanae.layout import families
from kanae.render import containerd, etcd, etcd_failover, kubelet, shutdown, system
from kanae.render.documents import from_yaml
from kanae.resources.system import Packages
from kanae.spec.duration import go_milliseconds, milliseconds

from ...model.fixtures import example
from .cases import V1, V2, small

PAUSE = "registry.k8s.io/pause:3.10.2"


@pytest.mark.parametrize(("base", "systemd"), [(V1, False), (V2, True)])
def test_containerd_is_told_the_hosts_cgroup_driver_and_sandbox_image(
    base: Any, systemd: bool
) -> None:
    plugins = tomllib.loads(containerd.config(small(), "w1", base, PAUSE))["plugins"]
    runtime = plugins["io.containerd.cri.v1.runtime"]
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is systemd
    assert plugins["io.containerd.cri.v1.images"]["pinned_images"] == {"sandbox": PAUSE}
    assert runtime.get("restrict_oom_score_adj", False) is not base.can_lower_oom


@pytest.mark.parametrize("limit", [512, 20000, 1048576])
def test_containerd_asks_for_no_more_open_files_than_there_are(limit: int) -> None:
    unit = containerd.unit(replace(V2, hard_nofile=limit))
    [line] = [line for line in unit.splitlines() if line.startswith("LimitNOFILE=")]
    soft, hard = map(int, line.removeprefix("LimitNOFILE=").split(":"))
    assert soft <= hard <= limit


def test_containerd_lowers_its_oom_score_only_where_it_can() -> None:
    assert "OOMScoreAdjust" in containerd.unit(V2)
    assert "OOMScoreAdjust" not in containerd.unit(V1)


def test_kubelet_waits_for_its_configuration_and_has_the_specs_address() -> None:
    assert "ConditionPathExists=/var/lib/kubelet/config.yaml\n" in kubelet.unit()
    dropin = kubelet.dropin("worker-2", "10.0.0.12", V2)
    assert "--node-ip=10.0.0.12 --hostname-override=worker-2" in dropin
    assert "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n" in dropin
    assert "$KUBELET_KUBEADM_ARGS" in dropin


def test_etcd_needs_certificates_of_peers_and_clients() -> None:
    spec = example("reference")
    document = cast("Any", from_yaml(etcd.config(spec, "server1")))
    for side in ("client-transport-security", "peer-transport-security"):
        assert document[side]["client-cert-auth"] is True
    urls = [document[key] for key in document if key.endswith("-urls")]
    plain = [url for text in urls for url in text.split(",") if url.startswith("http://")]
    assert plain == ["http://127.0.0.1:2381"]


def test_etcds_extra_arguments_have_the_types_of_its_file() -> None:
    extra = {
        "max-request-bytes": "3145728",
        "enable-pprof": "true",
        "corrupt-check-time": "1h",
        "log-level": "warn",
    }
    spec = example("reference").model_copy(
        update={"etcd": example("reference").etcd.model_copy(update={"extra_args": extra})}
    )
    document = from_yaml(etcd.config(spec, "server1")) or {}
    assert document["max-request-bytes"] == 3145728
    assert document["enable-pprof"] is True
    assert document["corrupt-check-time"] == 3600 * 10**9
    assert document["log-level"] == "warn"


def test_what_a_first_start_of_etcd_needs_is_added_to_its_file_and_left_out_later(
    tmp_path: Path,
) -> None:
    """By a real shell: the line of the unit, with folders of this machine."""
    spec = example("reference")
    line = next(
        line.removeprefix("ExecStartPre=/bin/sh -c ").strip('"')
        for line in etcd.unit(spec, V2).splitlines()
        if line.startswith("ExecStartPre=/bin/sh")
    )
    assert not set('$%"\\') & set(line)  # systemd would read these
    for path in ("/etc/kanae", "/run/kanae", "/var/lib/etcd"):
        line = line.replace(path, f"{tmp_path}{path}")
    (tmp_path / "etc/kanae").mkdir(parents=True)
    (tmp_path / "etc/kanae/etcd.yaml").write_text(etcd.config(spec, "server1"))
    bootstrap = etcd.bootstrap(spec, {"server1": "10.77.1.10"}, "existing")
    (tmp_path / "etc/kanae/etcd-bootstrap.yaml").write_text(bootstrap)

    def read() -> dict[str, object]:
        subprocess.run(["/bin/sh", "-c", line], check=True)
        return from_yaml((tmp_path / "run/kanae/etcd.yaml").read_text()) or {}

    assert read()["initial-cluster"] == "server1=https://10.77.1.10:2380"
    assert read()["initial-cluster-state"] == "existing"
    assert read()["name"] == "server1"
    wal = tmp_path / "var/lib/etcd/member/wal"
    wal.mkdir(parents=True)
    assert "initial-cluster" in read()  # a start that was cut off before it wrote anything
    (wal / "0000000000000000-0000000000000000.wal").touch()
    assert not [field for field in read() if field.startswith("initial-cluster")]


def test_etcds_certificates_have_the_address_that_peers_see() -> None:
    spec = example("reference")
    assert "10.77.1.11" in etcd.peer_sans(spec, "server2")
    assert {"127.0.0.1", "10.77.1.11"} <= set(etcd.server_sans(spec, "server2"))


def test_settings_that_a_kernel_lacks_are_left_out_but_asked_for() -> None:
    bridge = "net.bridge.bridge-nf-call-iptables"
    lacking = replace(V2, kernel_features=frozenset({"overlay"}))
    unknown = replace(V2, kernel_features=frozenset[str]())
    assert bridge not in system.sysctls(small(), "w1", lacking)
    assert bridge in system.sysctls(small(), "w1", V2)
    assert bridge in system.sysctls(small(), "w1", unknown)


def test_only_nginx_balancers_get_short_tcp_timeouts() -> None:
    short = "net.ipv4.tcp_retries2"
    assert short in system.sysctls(example("reference"), "lb", V2)
    assert short not in system.sysctls(example("reference"), "server1", V2)
    assert short not in system.sysctls(example("vip"), "lb1", V2)


def test_packages_follow_roles_and_their_services_stay_quiet() -> None:
    balancer = Packages(system.needs(example("vip"), "lb1"), families.DEBIAN)
    assert {"haproxy", "keepalived"} <= set(balancer.names)
    assert balancer.must_not_start == ("haproxy.service", "keepalived.service")
    balancer = Packages(system.needs(example("reference"), "lb"), families.DEBIAN)
    assert balancer.names == ("curl", "nftables", "nginx", "libnginx-mod-stream")
    master = Packages(system.needs(example("reference"), "server1"), families.DEBIAN)
    assert {"haproxy", "curl", "nftables"} <= set(master.names)
    assert system.needs(example("reference"), "server5") == ()


def test_shutdown_script_is_posix_sh() -> None:
    subprocess.run(["sh", "-n"], input=shutdown.script(), text=True, check=True)


def test_etcd_failover_goes_by_the_election_timeout() -> None:
    """A silence is half of it, in hundredths of a second; a question comes six times in it."""
    spec = example("reference")
    slow = spec.model_copy(update={"etcd": spec.etcd.model_copy(update={"election_timeout": 3000})})
    for each, silence, pause in ((spec, 30, "0.100"), (slow, 150, "0.500")):
        script = etcd_failover.script(each)
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        assert f"((now - heard > {silence}))" in script
        assert f"rest {pause}\n" in script


@pytest.mark.parametrize(
    ("text", "value"),
    [("500ms", 500), ("1.5s", 1500), ("1m30s", 90000), ("2h", 7200000), ("0s", 0)],
)
def test_durations_are_read_as_go_does(text: str, value: int) -> None:
    assert milliseconds(text) == value


def test_what_is_no_duration_is_refused() -> None:
    for text in ("fast", "9" * 400 + "h", "\u0665s"):
        assert go_milliseconds(text) is None
    with pytest.raises(ValueError, match="not a duration"):
        milliseconds("5")
