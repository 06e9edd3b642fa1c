"""kanae's records on a host: small files below one folder, read back with the facts.

They hold what the hosts' other files do not tell, so that nothing has to be remembered on the
operator's machine.
"""

from __future__ import annotations

from typing import Final

from kanae.layout.paths import STATE

FOLDER: Final = f"{STATE}/marks"
# In the first line of every file that kanae writes for other programs to read.
MANAGED: Final = "Managed by kanae; changes are repaired by `kanae apply`."

CLUSTER: Final = "cluster"  # the cluster's name: this host is its, and no other cluster's
MEMBER: Final = "cluster-"  # followed by the cluster's name, on hosts that several may share
IDENTITY: Final = "identity"  # which cluster of that name it is, see kanae.plan.membership
IDENTITY_OF: Final = "identity-"  # the same on hosts that several clusters may share
HOSTS: Final = "hosts"  # on control-plane hosts: all hosts of the cluster, as JSON
FIXED: Final = "fixed"  # on those too: what cannot be changed while the cluster lives, as JSON
JOINED: Final = "joined"  # fingerprint of the configuration with which init or join succeeded
MANIFESTS: Final = "manifests"  # `sha256sum` of the static pod manifests as kubeadm wrote them
KUBELET: Final = "kubelet"  # fingerprint of kubelet's configuration, `sha256sum` of config.yaml
ETCD_DATA: Final = "etcd-data"  # the folder of etcd's data, while a reset takes it away
POD_NETWORK: Final = "pod-network"  # on control-plane hosts: its provider
INIT_STARTED: Final = "init-started"  # kubeadm init was begun; whether it succeeded, JOINED tells
CLEARING: Final = "clearing"  # what an interrupted join left is being taken away
RESETTING: Final = "resetting"  # a reset was begun here and has not ended
RESTORING: Final = (
    "restoring"  # a restore was begun and has not ended: which, see kanae.plan.attempt
)
RESTORED: Final = "restored"  # the same of the last one that has ended
UPGRADING: Final = "upgrading"  # kubeadm upgrade was begun on a control-plane host
KUBECONFIG: Final = "kubeconfig-"  # followed by the cluster's name: what a kubeconfig was made for
RESTART: Final = "restart-"  # followed by a unit's or add-on's name: its restart is due
RELOAD: Final = "reload-"  # followed by a unit's name: its reload is due


def path(mark: str) -> str:
    return f"{FOLDER}/{mark}"
