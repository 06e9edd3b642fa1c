"""The administrator's client certificate, read from a control-plane host for the probers."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kanae.drills.probing.client import Credentials
from kanae.errors import CheckFailed, HostError
from kanae.layout import paths as at
from kanae.spec.models import Role, Spec
from kanae.transport.protocol import Transport, must


def parse(text: str) -> Credentials:
    """From a kubeconfig with embedded data. Raises ValueError."""
    try:
        yaml: Any = YAML(typ="safe", pure=True)
        config: Any = yaml.load(io.StringIO(text))
        cluster = cast("dict[str, str]", config["clusters"][0]["cluster"])
        user = cast("dict[str, str]", config["users"][0]["user"])

        def pem(section: dict[str, str], name: str) -> str:
            return base64.b64decode(section[name], validate=True).decode()

        return Credentials(
            authority=pem(cluster, "certificate-authority-data"),
            certificate=pem(user, "client-certificate-data"),
            key=pem(user, "client-key-data"),
        )
    except (YAMLError, KeyError, IndexError, TypeError, ValueError):
        # Whatever is wrong with it: its content must not get into a message.
        raise ValueError("no kubeconfig with embedded client certificate and key") from None


async def fetch(spec: Spec, transport: Callable[[str], Transport]) -> Credentials:
    """From the first control-plane host that can be read. Raises CheckFailed."""
    reasons: list[str] = []
    for host in spec.having(Role.CONTROL_PLANE):
        try:
            text = await must(transport(host), f"cat {at.ADMIN_CONF}", command="read admin.conf")
            return parse(text.decode(errors="replace"))
        except HostError as error:
            reasons.append(error.message)
        except ValueError as error:
            reasons.append(f"{host}: {at.ADMIN_CONF}: {error}")
    raise CheckFailed(
        "no credentials for the probers: " + "; ".join(reasons),
        remedy="build the cluster first: kanae apply SPEC",
    )
