"""External etcd, run by systemd: its configuration file, unit and certificates' names.

Sources: server/embed/config.go of etcd v3.7.3 (names of the file's fields), etcd's "Tuning" and
"Maintenance" guides, kubeadm's own etcd (cmd/kubeadm/app/phases/etcd/local.go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

from kanae.facts.model import HostBase
from kanae.layout import paths, ports, proxies
from kanae.layout.family import Need
from kanae.render.banner import banner
from kanae.render.documents import Document, to_yaml
from kanae.spec.duration import go_milliseconds
from kanae.spec.models import Spec

# etcd's default of 2 GiB is reached by clusters of some hundred nodes; 8 GiB is the most that its
# authors suggest (etcd.io/docs/v3.6/op-guide/maintenance, storage quota).
_QUOTA_BYTES: Final = 8 * 2**30
# nft 1.0.6 (Debian 12) and older know no `destroy`; adding first makes deleting safe to repeat.
_OPEN: Final = "add table inet kanae_etcd; delete table inet kanae_etcd"
_CLOSED: Final = (
    f"{_OPEN}; add table inet kanae_etcd; add chain inet kanae_etcd input"
    " { type filter hook input priority -10; policy accept; };"
    f" add rule inet kanae_etcd input tcp dport {ports.ETCD_CLIENT}"
    " tcp flags & (fin | syn | rst | ack) == syn reject with tcp reset"
)
# etcd reads one file only, and with it neither flags nor environment (server/etcdmain/config.go).
_PUT_TOGETHER: Final = (
    f"umask 077; mkdir -p {paths.RUN}; cat {paths.ETCD_CONFIG} >{paths.ETCD_RUNNING};"
    f" ls {{data}}/member/wal/*.wal >/dev/null 2>&1"
    f" || cat {paths.ETCD_BOOTSTRAP} >>{paths.ETCD_RUNNING}"
)
# In the file these are nanoseconds, as Go's time.Duration is in JSON (server/embed/config.go).
_NANOSECONDS: Final = frozenset(
    {
        "backend-batch-interval",
        "compact-hash-check-time",
        "compaction-sleep-interval",
        "corrupt-check-time",
        "downgrade-check-time",
        "grpc-keepalive-interval",
        "grpc-keepalive-min-time",
        "grpc-keepalive-timeout",
        "warning-apply-duration",
        "warning-unary-request-duration",
        "watch-progress-notify-interval",
    }
)


def config(spec: Spec, host: str) -> str:
    """etcd.yaml of one member. It names no other member: a host that comes or goes must not restart
    the others. See `bootstrap`.
    """
    address = str(spec.hosts[host].address)
    client = ports.ETCD_CLIENT
    document: Document = {
        "name": host,
        "data-dir": str(spec.etcd.data_dir),
        "listen-client-urls": f"https://{address}:{client},https://127.0.0.1:{client}",
        "advertise-client-urls": f"https://{address}:{client}",
        "listen-peer-urls": f"https://{address}:{ports.ETCD_PEER}",
        "initial-advertise-peer-urls": f"https://{address}:{ports.ETCD_PEER}",
        # Health and metrics without a certificate, for this host only.
        "listen-metrics-urls": f"http://127.0.0.1:{ports.ETCD_METRICS}",
        "strict-reconfig-check": True,
        "client-transport-security": _tls(paths.ETCD_SERVER),
        "peer-transport-security": _tls(paths.ETCD_PEER),
        "heartbeat-interval": spec.etcd.heartbeat_interval,
        "election-timeout": spec.etcd.election_timeout,
        "quota-backend-bytes": _QUOTA_BYTES,
        # The API server compacts every 5 minutes; this is for when there is none for long.
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "8h",
        # A member compares its data with the others' before it serves, and at every compaction.
        "feature-gates": "InitialCorruptCheck=true,CompactHashCheck=true",
        # As kubeadm's: the API server's watch cache learns by it how fresh it is.
        "watch-progress-notify-interval": _nanoseconds("5s"),
    }
    document |= {name: _value(name, text) for name, text in spec.etcd.extra_args.items()}
    return to_yaml([document])


def bootstrap(
    spec: Spec, initial_cluster: Mapping[str, str], state: Literal["new", "existing"]
) -> str:
    """What is laid beside etcd.yaml at a member's first start; later ones go by its data
    (server/embed/etcd.go asks isMemberInitialized before it reads these fields).

    initial_cluster: member name -> its host's address. state "existing" is for a member that joins
    a living cluster.
    """
    members = ",".join(
        f"{name}=https://{where}:{ports.ETCD_PEER}" for name, where in initial_cluster.items()
    )
    return to_yaml(
        [
            {
                "initial-cluster": members,
                "initial-cluster-state": state,
                # Members of two clusters on one network refuse each other.
                "initial-cluster-token": f"kanae-{spec.name}",
            }
        ]
    )


def unit(spec: Spec, base: HostBase) -> str:
    """etcd.service. It says that it is ready when it has joined its cluster.

    A killed member is started again within a second, but listens for clients long before it serves
    them: it first reads its log (seen: 1 to 4 s). Whoever connects meanwhile hangs, and a balancer
    that checks by TCP takes it for alive. So its client port is reset until it says that it is
    ready. Where there is no nft it only lacks this.

    Files: etcd needs some hundred; 65536 is what its authors' unit asks for, and the system's own
    limit may be lower, so none is asked for.
    """
    nft = base.family.path(Need.NFTABLES)
    return f"""{banner()}[Unit]
Description=etcd, the store of the Kubernetes cluster {spec.name}
Documentation=https://etcd.io/docs/
Wants=network-online.target
After=network-online.target local-fs.target
StartLimitIntervalSec=0

[Service]
Type=notify
{proxies.EMPTY}
ExecStartPre=-{nft} "{_CLOSED}"
ExecStartPre=/bin/sh -c "{_PUT_TOGETHER.format(data=spec.etcd.data_dir)}"
ExecStart={paths.BIN}/etcd --config-file={paths.ETCD_RUNNING}
ExecStartPost=-{nft} "{_OPEN}"
ExecStopPost=-{nft} "{_OPEN}"
Restart=always
RestartSec=500ms
TimeoutStartSec=infinity
IOSchedulingClass=best-effort
IOSchedulingPriority=0

[Install]
WantedBy=multi-user.target
"""


def server_sans(spec: Spec, host: str) -> tuple[str, ...]:
    """127.0.0.1 is there for kanae's probes and for the balancer on each control-plane host."""
    return (host, "localhost", str(spec.hosts[host].address), "127.0.0.1")


def peer_sans(spec: Spec, host: str) -> tuple[str, ...]:
    """etcd compares the address from which a peer comes with those of its certificate."""
    return (host, str(spec.hosts[host].address))


def _tls(certificate: str) -> Document:
    return {
        "cert-file": certificate,
        "key-file": paths.key(certificate),
        "client-cert-auth": True,
        "trusted-ca-file": paths.ETCD_CA,
    }


def _value(name: str, text: str) -> object:
    """The file has types where the command line has only texts."""
    if name in _NANOSECONDS:
        return _nanoseconds(text)
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def _nanoseconds(text: str) -> object:
    value = go_milliseconds(text)
    return text if value is None else value * 1_000_000
