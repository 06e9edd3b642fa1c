"""A node of the reference's cluster is started again, against files that say otherwise."""

from __future__ import annotations

import json

import pytest
from made import Cluster

pytestmark = pytest.mark.lab

HOST = "server4"
LATER = "/etc/sysctl.d/99-x.conf"


def test_settings_hold_after_a_boot_whatever_other_files_say(cluster: Cluster) -> None:
    cluster.on(HOST, f"echo net.ipv4.ip_forward = 0 >{LATER}")
    said = json.loads(cluster.kanae("check", str(cluster.spec), "-o", "json", status=None).stdout)
    told = [each["evidence"] for each in said if (each["check"], each["host"]) == ("boot", HOST)]
    assert any(f"{LATER} sets net.ipv4.ip_forward to 0" in evidence for evidence in told), told
    for verb in ("power-off", "power-on"):
        cluster.kanae("lab", verb, HOST, "--lab", cluster.name)
    settled = "systemctl is-active kubelet && sysctl -n net.ipv4.ip_forward"
    assert cluster.in_time(HOST, settled, 120.0).split() == ["active", "1"]
    assert cluster.on(HOST, "sysctl -n fs.inotify.max_user_instances").strip() == "8192"
    ready = f"kubectl wait --for=condition=Ready node/{HOST} --timeout=120s"
    cluster.on("server5", ready, timeout=150)
    assert cluster.plan() == []
    cluster.on(HOST, f"rm {LATER}")
