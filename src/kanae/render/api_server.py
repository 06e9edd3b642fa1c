"""What kanae says about the API server beyond kubeadm's defaults."""

from __future__ import annotations

from kanae.render.documents import to_yaml
from kanae.spec import patience
from kanae.spec.models import InCluster, Role, Spec


def certificate_sans(spec: Spec) -> tuple[str, ...]:
    """Names and addresses of every API server's certificate beside the host's own, which kubeadm
    puts in itself (cmd/kubeadm/app/util/pkiutil GetAPIServerAltNames).

    So a client may be pointed at any control-plane host directly, 127.0.0.1 serves probes on the
    host, and a host that comes or goes changes no certificate of the others.
    """
    names = [
        "localhost",
        "127.0.0.1",
        str(spec.endpoint_address),
        spec.endpoint_host,
        *(str(former.address) for former in spec.endpoint.former),
        *spec.api_server.cert_sans,
    ]
    return tuple(dict.fromkeys(names))


def serving_sans(spec: Spec, host: str) -> tuple[str, ...]:
    """All names and addresses of one API server's certificate, with those that kubeadm puts in
    itself."""
    of_service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    own = (
        host,
        *of_service,
        f"{of_service[-1]}.{spec.networks.dns_domain}",
        str(spec.networks.services[1]),
        str(spec.hosts[host].address),
    )
    return tuple(dict.fromkeys((*own, *certificate_sans(spec))))


def arguments(spec: Spec) -> dict[str, str]:
    """kanae's defaults with the spec's on top.

    Those of an orderly stop only where other API servers take over: with one, a delayed stop is a
    longer outage, and --goaway-chance is for clusters behind a balancer only, as its own help says.
    """
    defaults = patience.tolerations(spec)
    if spec.in_cluster is InCluster.BALANCER:
        # Who is behind the Service kubernetes is kanae's to say: see render/in_cluster.py.
        defaults["endpoint-reconciler-type"] = "none"
    if len(spec.having(Role.CONTROL_PLANE)) > 1:
        # /readyz fails at once and requests are served on: the balancer's checks (some 500 ms
        # apart) and kube-proxy take the server out before it refuses anybody.
        defaults["shutdown-delay-duration"] = "5s"
        # A request that comes even later is told to retry elsewhere and not cut.
        defaults["shutdown-send-retry-after"] = "true"
        # One request in a thousand makes its client reconnect, so that connections spread again
        # over all API servers after one has returned.
        defaults["goaway-chance"] = "0.001"
    return defaults | spec.api_server.extra_args


def patch(spec: Spec) -> str | None:
    """Strategic patch of the static pod; None where kubelet's own 30 s to stop it suffice.

    kubelet kills what has not ended after terminationGracePeriodSeconds: the delay above and
    the 60 s that a request may take (--request-timeout) must fit in.
    """
    if len(spec.having(Role.CONTROL_PLANE)) < 2:
        return None
    return to_yaml([{"spec": {"terminationGracePeriodSeconds": 65}}])
