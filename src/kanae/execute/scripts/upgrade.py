"""`kubeadm upgrade` of a control-plane host. Reads kubeadm's configuration from stdin.

What kubeadm is not asked for: the add-ons, since it would write them on the last host only and drop
what is kanae's own of them, and kubelet's configuration, which comes with the new kubelet.
"""

from __future__ import annotations

from kanae.execute.scripts import guarded
from kanae.execute.scripts.kubeadm import record_manifests, serving_certificate
from kanae.execute.scripts.programs import KUBECTL
from kanae.facts.upgrading import DEPRECATED
from kanae.layout import marks
from kanae.plan.upgrade_actions import KubeadmUpgrade

# Name of the guarded program: of its configuration below /run/kanae, and of its log.
UPGRADE = "kubeadm-upgrade"
_SKIPPED = "addon,kubelet-config"


def control_plane(action: KubeadmUpgrade, limit: float) -> str:
    """The host's fingerprint goes first: while it is not the wanted one, this has still to be done.

    kubeadm keeps the names of the API server's certificate when it renews it, so that one is made
    before with the names of the spec. limit: seconds, for its turn and for kubeadm together.
    """
    verb = "apply --yes" if action.first else "node"
    return guarded.run(
        UPGRADE,
        f'kubeadm upgrade {verb} --config "$config" --skip-phases={_SKIPPED}',
        mark=marks.JOINED,
        holds=action.fingerprint,
        before="\n".join(
            [
                f"touch {marks.path(marks.UPGRADING)}",
                f"echo changing >{marks.path(marks.JOINED)}",
                serving_certificate(),
            ]
        ),
        after="\n".join(
            [
                record_manifests(),
                f"rm -f {marks.path(marks.UPGRADING)}",
                f'echo {action.fingerprint} >"$mark.new"',
            ]
        ),
        limit=limit,
    )


def deprecated(address: str, port: int) -> str:
    """What an API server was asked for of APIs that go: lines of its metrics, none where nobody
    did. All of its metrics are megabytes."""
    return (
        f"umask 077; metrics=$(mktemp -p /run) || exit; trap 'rm -f \"$metrics\"' EXIT\n"
        f"{KUBECTL} --server https://{address}:{port} --request-timeout=20s"
        ' get --raw /metrics >"$metrics" || exit\n'
        f"grep '^{DEPRECATED}{{' \"$metrics\" || [ $? = 1 ]"
    )


def webhooks() -> str:
    """All configurations of admission webhooks, as JSON."""
    kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations"
    return f"{KUBECTL} --request-timeout=20s get {kinds} -o json"
