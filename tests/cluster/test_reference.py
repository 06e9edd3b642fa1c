"""The reference procedure, rows 1 to 11, on real hosts, checked by the hosts' own evidence.

The tests run in the order in which they stand, then come the drills (rows 12 and 13) and the reset,
in files of their own on the same cluster.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from made import MASTERS, NODES, WORKLOAD, Cluster, etcdctl, kubectl, kubectl_json, listening

from kanae.facts.nodes import kubelet_version, readiness

pytestmark = pytest.mark.lab

PODS_READY = 120


def test_row_1_the_balancer_listens_on_its_own_port_and_reaches_every_api_server(
    cluster: Cluster,
) -> None:
    assert listening(cluster, "lb")[6440] == "nginx"
    config = cluster.on("lb", f"cat /etc/kanae/balancer-{cluster.name}.cfg")
    addresses = [cluster.on(host, "hostname -I").split()[0] for host in MASTERS]
    assert all(f"{address}:6443" in config for address in addresses)
    for _ in range(9):
        answer = cluster.on("server5", "kubectl get --raw /readyz")
        assert answer == "ok"


def test_row_2_etcd_has_three_members_run_by_systemd(cluster: Cluster) -> None:
    for host in MASTERS:
        assert listening(cluster, host)[2379] == "etcd"
        shown = cluster.on(host, "systemctl show -P ActiveState -P UnitFileState etcd")
        assert shown.split() == ["active", "enabled"]
    members = json.loads(etcdctl(cluster, "member list -w json"))["members"]
    assert {member["name"] for member in members} == set(MASTERS)
    assert not any(member.get("isLearner") for member in members)


def test_row_2_etcd_refuses_a_client_without_a_certificate(cluster: Cluster) -> None:
    etcdctl(cluster, "get / --prefix --keys-only --limit 1")
    etcdctl(
        cluster,
        "--command-timeout 3s get / --prefix --keys-only --limit 1",
        status=1,
        certificates=False,
    )


def test_row_3_the_pinned_version_runs_and_kubelet_started_only_when_configured(
    cluster: Cluster,
) -> None:
    versions = {
        node["metadata"]["name"]: kubelet_version(node)
        for node in kubectl_json(cluster, "get nodes")["items"]
    }
    assert versions == dict.fromkeys(NODES, "v1.37.2")
    for host in NODES:
        first = cluster.on(
            host,
            "journalctl -u kubelet -o json --output-fields=__REALTIME_TIMESTAMP --no-pager "
            "| head -n 1",
        )
        started = int(json.loads(first)["__REALTIME_TIMESTAMP"]) / 1e6
        configured = float(cluster.on(host, "stat -c %W /var/lib/kubelet/config.yaml"))
        assert configured <= started + 1
    enabled = "systemctl is-enabled containerd kubelet"
    assert all(cluster.on(host, enabled).split() == ["enabled"] * 2 for host in NODES)


def test_nodes_run_two_releases_of_debian(cluster: Cluster) -> None:
    systems = {
        node["metadata"]["name"]: node["status"]["nodeInfo"]["osImage"]
        for node in kubectl_json(cluster, "get nodes")["items"]
    }
    older, newer = "Debian GNU/Linux 12 (bookworm)", "Debian GNU/Linux 13 (trixie)"
    assert systems == dict.fromkeys(MASTERS, older) | {"server4": newer}


def test_row_4_cgroup_driver_of_runtime_and_kubelet_agree(cluster: Cluster) -> None:
    for host in NODES:
        kubelet = cluster.on(host, "sed -n 's/^cgroupDriver: //p' /var/lib/kubelet/config.yaml")
        runtime = cluster.on(host, "sed -n 's/ *SystemdCgroup = //p' /etc/containerd/config.toml")
        assert (kubelet.strip() == "systemd") == (runtime.strip() == "true")


def test_what_was_delivered_is_not_removed_when_the_disk_fills(cluster: Cluster) -> None:
    for host in NODES:
        images = json.loads(cluster.on(host, "crictl images -o json"))["images"]
        assert [image["repoTags"] for image in images if not image.get("pinned")] == [], host


def test_row_5_the_endpoint_is_the_balancer(cluster: Cluster) -> None:
    lb = cluster.on("lb", "hostname -I").split()[0]
    config = kubectl_json(cluster, "-n kube-system get configmap kubeadm-config")
    assert f"controlPlaneEndpoint: {lb}:6440" in config["data"]["ClusterConfiguration"]


def test_row_6_static_pods_run_and_the_clients_kubeconfig_is_private(cluster: Cluster) -> None:
    for host in MASTERS:
        files = cluster.on(host, "ls /etc/kubernetes/manifests").split()
        assert files == [
            "kube-apiserver.yaml",
            "kube-controller-manager.yaml",
            "kube-scheduler.yaml",
        ]
    assert cluster.on("server5", "stat -c %a /root/.kube/config").strip() == "600"


def test_row_7_pods_and_services_reach_each_other_across_nodes_and_dns_answers(
    cluster: Cluster,
) -> None:
    objects = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [pod("web", "server1"), pod("asker", "server4"), service("web")],
    }
    cluster.on("server5", f"kubectl apply -f - <<'EOF'\n{json.dumps(objects)}\nEOF")
    kubectl(cluster, f"wait --for=condition=Ready pod/web pod/asker --timeout={PODS_READY}s")
    web = kubectl_json(cluster, "get pod web")["status"]
    assert web["hostIP"] != kubectl_json(cluster, "get pod asker")["status"]["hostIP"]
    address = kubectl_json(cluster, "get service web")["spec"]["clusterIP"]
    asker = "exec asker -- /workload"
    assert kubectl(cluster, f"{asker} get http://{web['podIP']}:8080/").strip() == "web"
    by_service = cluster.in_time("server5", f"kubectl {asker} get http://{address}/")
    assert by_service.strip() == "web"
    assert kubectl(cluster, f"{asker} get http://web.default.svc.cluster.local/").strip() == "web"
    looked_up = kubectl(cluster, f"{asker} lookup web.default.svc.cluster.local")
    assert looked_up.split() == [address]


def pod(name: str, node: str) -> dict[str, Any]:
    """On a node of our choice, masters included; the image is the one that the spec names."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "main", "image": WORKLOAD, "imagePullPolicy": "Never"},
            ],
        },
    }


def service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def test_row_8_every_master_has_an_identity_of_its_own_and_no_others_rights(
    cluster: Cluster,
) -> None:
    subjects: set[str] = set()
    for host in MASTERS:
        certificate = "/var/lib/kubelet/pki/kubelet-client-current.pem"
        subject = cluster.on(host, f"openssl x509 -noout -subject -in {certificate}")
        assert f"CN = system:node:{host}" in subject
        subjects.add(subject)
        other = MASTERS[(MASTERS.index(host) + 1) % 3]
        assert patched_by(cluster, host, host) == 200
        assert patched_by(cluster, host, other) == 403
    assert len(subjects) == 3
    manifest = cluster.on("server1", "cat /etc/kubernetes/manifests/kube-apiserver.yaml")
    assert "--enable-admission-plugins=NodeRestriction" in manifest


def patched_by(cluster: Cluster, host: str, node: str) -> int:
    """The HTTP status of a PATCH of a Node with the credentials of a host's kubelet. Not by
    kubectl, which reads before it writes: the refused read would hide whether a write is.
    """
    certificate = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    answer = cluster.on(
        host,
        f"curl -s -o /tmp/answer -w '%{{http_code}}' -X PATCH --cert {certificate} "
        "--cacert /etc/kubernetes/pki/ca.crt -H 'Content-Type: application/merge-patch+json' "
        """-d '{"metadata":{"annotations":{"example.org/by":"a-kubelet"}}}' """
        f"https://127.0.0.1:6443/api/v1/nodes/{node}",
    )
    if answer == "403":
        refusal = cluster.on(host, "cat /tmp/answer")
        assert "is not allowed to modify node" in refusal, refusal
    return int(answer)


def test_row_9_masters_are_tainted_and_the_worker_is_not(cluster: Cluster) -> None:
    taints = {
        node["metadata"]["name"]: [t["key"] for t in node["spec"].get("taints", [])]
        for node in kubectl_json(cluster, "get nodes")["items"]
    }
    master = ["node-role.kubernetes.io/control-plane"]
    assert taints == dict.fromkeys(MASTERS, master) | {"server4": []}


def test_row_10_all_nodes_are_ready_and_the_worker_joined_through_the_balancer(
    cluster: Cluster,
) -> None:
    for node in kubectl_json(cluster, "get nodes")["items"]:
        assert readiness(node).ready, node["metadata"]["name"]
    lb = cluster.on("lb", "hostname -I").split()[0]
    kubelet = cluster.on("server4", "cat /etc/kubernetes/kubelet.conf")
    assert f"server: https://{lb}:6440" in kubelet


def test_row_11_the_clients_kubectl_works_and_the_operator_can_have_the_same(
    cluster: Cluster,
) -> None:
    assert kubectl(cluster, "auth can-i '*' '*' --all-namespaces").strip() == "yes"
    printed = cluster.kanae("kubeconfig", str(cluster.spec)).stdout
    assert f"current-context: {cluster.name}" in printed


def test_the_journal_tells_of_the_kills_and_the_cluster_was_made_once(cluster: Cluster) -> None:
    runs = [journal.read_text() for journal in cluster.journals]
    ended = ["run-ended" in run for run in runs]
    assert ended[:2] == [False, False]
    # Where the join that the second kill waited for was the last step, nothing was left to do.
    assert ended[2:] in ([], [True])
    began = cluster.on("server1", "grep -c 'Using Kubernetes version' /var/lib/kanae/log/*init.log")
    assert began.strip() == "1"


SECRETS = re.compile(
    r"PRIVATE KEY|\b[a-z0-9]{6}\.[a-z0-9]{16}\b|LS0tLS1CRUdJTiBFQyBQUklWQVRF|LS0tLS1CRUdJTiBSU0Eg"
)


def test_no_secret_is_written_where_others_can_read_it(cluster: Cluster) -> None:
    for journal in cluster.journals:
        assert journal.stat().st_mode & 0o777 == 0o600
        assert not SECRETS.search(journal.read_text())
    plan = cluster.kanae("plan", str(cluster.spec), "-v", "-o", "json").stdout
    assert not SECRETS.search(plan)
    readable = (
        "grep -rlE -e '-----BEGIN [A-Z ]*PRIVATE KEY' -e 'client-key-data: *[A-Za-z0-9]' "
        "/etc /var/lib/kanae /run/kanae /root /tmp "
        "2>/dev/null | xargs -r stat -c '%a %n' | grep -v '00 ' || true"
    )
    for host in (*NODES, "lb", "server5"):
        found = [
            line for line in cluster.on(host, readable).splitlines() if "/etc/ssh/" not in line
        ]
        assert not found, f"{host}: {found}"
        assert not SECRETS.search(cluster.on(host, "ps -eo args"))


def test_a_second_apply_finds_nothing_to_do(cluster: Cluster) -> None:
    assert cluster.plan() == []
    done = cluster.apply()
    assert "nothing to do" in done.stdout
    assert cluster.kanae("plan", str(cluster.spec), "--exit-code").returncode == 0


def test_an_edited_balancer_configuration_is_seen_and_repaired_alone(cluster: Cluster) -> None:
    path = f"/etc/kanae/balancer-{cluster.name}.cfg"
    before = {host: cluster.on(host, "systemctl show -P MainPID containerd") for host in NODES}
    cluster.on("lb", f"echo '# edited' >>{path}")
    unit = f"kanae-balancer-{cluster.name}.service"
    assert cluster.changes() == [("lb", "update", "file", path), ("lb", "run", "unit", unit)]
    cluster.apply()
    assert "# edited" not in cluster.on("lb", f"cat {path}")
    assert cluster.plan() == []
    after = {host: cluster.on(host, "systemctl show -P MainPID containerd") for host in NODES}
    assert before == after


def test_a_removed_taint_and_a_deleted_kube_proxy_are_seen_and_repaired_alone(
    cluster: Cluster,
) -> None:
    kubectl(cluster, "taint node server2 node-role.kubernetes.io/control-plane-")
    kubectl(cluster, "-n kube-system delete daemonset kube-proxy")
    assert sorted((verb, kind, subject) for _, verb, kind, subject in cluster.changes()) == [
        ("create", "daemonsets.apps", "kube-system/kube-proxy"),
        ("update", "taints", "server2"),
    ]
    cluster.apply()
    assert cluster.plan() == []
    test_row_9_masters_are_tainted_and_the_worker_is_not(cluster)


def test_a_kube_proxy_that_starts_again_goes_on_with_what_is_there(cluster: Cluster) -> None:
    """Twice: what the first leaves is what the second finds. It is healthy once it has synced."""
    started = "crictl ps -q --name kube-proxy"
    for _ in range(2):
        before = cluster.on("server4", started).strip()
        cluster.on("server4", f"crictl stop {before}")
        cluster.in_time(
            "server4",
            f'[ -n "$({started})" ] && [ "$({started})" != {before} ]'
            " && curl -sf http://127.0.0.1:10256/healthz",
            timeout=120.0,
        )
        elements = cluster.on("server4", "nft list map ip kube-proxy service-ips")
        assert "10.96.0.1 . tcp . 443" in elements
        assert "10.96.0.10 . udp . 53" in elements


def test_status_shows_the_whole_cluster(cluster: Cluster) -> None:
    status = json.loads(cluster.kanae("status", str(cluster.spec), "-o", "json").stdout)
    text = json.dumps(status)
    assert all(host in text for host in NODES)
