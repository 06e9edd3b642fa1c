"""Whether kube-proxy still leads pods to a balancer, judged by the real script in real rules."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kanae.execute.scripts import proxies
from kanae.plan.actions import AwaitProxies
from kanae.spec.models import ProxyMode

NFTABLES = """
	chain endpoint-XVNOAEZ6-default/kubernetes/tcp/https__192.168.1.5/6443 {
		ip saddr 192.168.1.5 jump mark-for-masquerade
		meta l4proto tcp dnat to 192.168.1.5:6443
	}
	chain service-NWBZK7IH-default/kubernetes/tcp/https {
		numgen random mod 1 vmap { 0 : goto endpoint-YT4KGC2O-default/kubernetes/tcp/https__192.168.1.50/6443 }
	}
	chain service-AWBZK7IH-other/kubernetes/tcp/https {
		numgen random mod 1 vmap { 0 : goto endpoint-AT4KGC2O-other/kubernetes/tcp/https__192.168.1.6/6443 }
	}
"""  # noqa: E501
IPTABLES = """
-A KUBE-SVC-NPX46M4PTMTKRN6Y ! -s 10.244.0.0/16 -d 10.96.0.1/32 -p tcp -m comment --comment "default/kubernetes:https cluster IP" -m tcp --dport 443 -j KUBE-MARK-MASQ
-A KUBE-SVC-NPX46M4PTMTKRN6Y -m comment --comment "default/kubernetes:https -> 192.168.1.50:6443" -j KUBE-SEP-BX4SDOEUY4FDEGXZ
"""  # noqa: E501


@pytest.mark.parametrize(("mode", "rules"), [("nftables", NFTABLES), ("iptables", IPTABLES)])
@pytest.mark.parametrize(
    ("gone", "still"),
    [
        (("192.168.1.50:6443",), True),
        (("192.168.1.7:6443", "192.168.1.50:6443"), True),
        (("192.168.1.5:6443",), False),  # a chain that nobody goes to, and part of another address
        (("192.168.1.6:6443",), False),  # behind another Service
        (("192.168.1.50:644",), False),
    ],
)
def test_a_rule_of_the_service_that_leads_there_is_seen(
    mode: str, rules: str, gone: tuple[str, ...], still: bool, tmp_path: Path
) -> None:
    done = _run(AwaitProxies(mode, gone), tmp_path, rules)
    assert done.returncode == (1 if still else 0)
    assert bool(done.stdout) is still


@pytest.mark.parametrize(
    ("mode", "rules", "wanted"),
    [
        (ProxyMode.NFTABLES, NFTABLES, ["192.168.1.50:6443", "192.168.1.6:6443"]),
        (ProxyMode.IPTABLES, IPTABLES, ["192.168.1.50:6443"]),
        (ProxyMode.NFTABLES, "table ip kube-proxy {}", []),
    ],
)
def test_all_that_rules_of_any_service_lead_to_is_listed_once(
    mode: ProxyMode, rules: str, wanted: list[str], tmp_path: Path
) -> None:
    done = _shell(proxies.led_to(mode), _told(rules * 2, tmp_path))
    assert (done.returncode, done.stdout.split()) == (0, wanted)


def test_what_is_led_to_is_not_known_where_it_cannot_be_read(tmp_path: Path) -> None:
    done = _shell(proxies.led_to(ProxyMode.NFTABLES), _told(None, tmp_path))
    assert (done.returncode, done.stdout) == (1, "cannot exec")
    _program(tmp_path, "exit 0")
    done = _shell(proxies.led_to(ProxyMode.NFTABLES), tmp_path)
    assert (done.returncode, done.stdout) == (1, "kube-proxy does not run\n")


def test_rules_that_cannot_be_read_are_no_answer(tmp_path: Path) -> None:
    done = _run(AwaitProxies("nftables", ("192.168.1.5:6443",)), tmp_path, None)
    assert (done.returncode, done.stdout) == (1, "cannot exec")


def test_a_node_without_kube_proxy_is_not_waited_for(tmp_path: Path) -> None:
    _program(tmp_path, "exit 0")
    assert _sh(AwaitProxies("nftables", ("192.168.1.5:6443",)), tmp_path).returncode == 0


def _run(action: AwaitProxies, folder: Path, rules: str | None) -> subprocess.CompletedProcess[str]:
    return _sh(action, _told(rules, folder))


def _told(rules: str | None, folder: Path) -> Path:
    if rules is None:
        told = "echo cannot exec >&2; exit 1"
    else:
        (folder / "rules").write_text(rules)
        told = f"cat {folder}/rules"
    _program(folder, f"case $1 in ps) echo 0123abcd ;; exec) {told} ;; esac")
    return folder


def _program(folder: Path, body: str) -> None:
    path = folder / "crictl"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def _sh(action: AwaitProxies, folder: Path) -> subprocess.CompletedProcess[str]:
    return _shell(proxies.led_elsewhere(action), folder)


def _shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
