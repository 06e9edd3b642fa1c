"""What goes wrong in the middle of an apply on real hosts. `make soak` runs these."""

from __future__ import annotations

import signal
import time

import pytest
from made import Cluster, whole

pytestmark = pytest.mark.lab

# Spread over whole applies, in the order in which a run comes to them. Commands outlive the killed
# run and the next one waits for them: after a kill in the middle of the joins none is left to do.
KILLS = (
    (
        ("step-started", "lb/system/converge"),
        ("step-started", "server1/certificates/authorities"),
        ("step-started", "server1/images/converge"),
        ("step-ended", "server2/etcd/converge"),
        ("step-started", "server1/control-plane/init"),
        ("step-started", "server2/control-plane/join"),
    ),
    (("step-ended", "server4/workers/join"),),
    (("step-started", "server1/nodes/ready"),),
)


def inits(cluster: Cluster) -> int:
    """How often `kubeadm init` made certificates on the first master."""
    log = "/var/lib/kanae/log/kubeadm-init.log"
    return int(cluster.on("server1", f"grep -c 'Generating \"apiserver\" certificate' {log}"))


def test_ctrl_c_says_what_to_do_and_a_second_apply_goes_on(cluster: Cluster) -> None:
    with cluster.start_apply() as applying:
        applying.wait_for("step-started", "server1/control-plane/init")
        applying.process.send_signal(signal.SIGINT)
        said = applying.stderr()
    assert applying.process.returncode == 130, said
    assert "Traceback" not in said
    assert "again" in said
    cluster.apply()
    whole(cluster)
    assert inits(cluster) == 1
    # Artifacts too: the next test needs an apply with all of its steps.
    cluster.kanae("reset", str(cluster.spec), "--yes")


def test_killed_at_eight_points_it_converges(cluster: Cluster) -> None:
    for kills in KILLS:
        for record, step in kills:
            cluster.kill_apply_when(record, step)
        cluster.apply()
        whole(cluster)
        assert inits(cluster) == 1
        cluster.kanae("reset", str(cluster.spec), "--yes", "--keep-artifacts")


def test_a_host_that_loses_power_in_the_middle_is_named_and_comes_back(cluster: Cluster) -> None:
    with cluster.start_apply() as applying:
        applying.wait_for("step-started", "server2/control-plane/join")
        cluster.kanae("lab", "power-cut", "server2", "--lab", cluster.name)
        said = applying.stderr()
        assert applying.process.returncode not in (0, 1)
    assert "server2" in said
    assert "Traceback" not in said
    assert "remedy" in said
    again = cluster.kanae("apply", str(cluster.spec), "--yes", status=None)
    assert again.returncode == 10
    assert "server2" in again.stderr
    cluster.kanae("lab", "power-on", "server2", "--lab", cluster.name)
    cluster.apply()
    whole(cluster)
    cluster.kanae("reset", str(cluster.spec), "--yes", "--keep-artifacts")


def test_a_connection_lost_during_init_is_not_a_second_init(cluster: Cluster) -> None:
    with cluster.start_apply() as applying:
        applying.wait_for("step-started", "server1/control-plane/init")
        cluster.kanae("lab", "partition", "server1", "--lab", cluster.name)
        # Long enough for keepalives to give the connection up.
        time.sleep(25)
        cluster.kanae("lab", "heal", "--lab", cluster.name)
        said = applying.stderr()
    assert "Traceback" not in said
    if applying.process.returncode != 0:
        cluster.apply()
    whole(cluster)
    assert inits(cluster) == 1
