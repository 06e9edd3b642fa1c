"""Two kinds of host and a small cluster that the rendering tests share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ruamel.yaml import YAML

from kanae.spec.models import Spec

from ...model import fixtures

# A host whose kernel has Open vSwitch, and one whose kernel lacks it.
V2: Final = replace(fixtures.V2, kernel_features=fixtures.V2.kernel_features | {"openvswitch"})
V1: Final = fixtures.V1


def spec_of(text: str) -> Spec:
    data: Any = YAML(typ="safe", pure=True).load(text)  # pyright: ignore[reportUnknownMemberType]  # untyped
    return Spec.model_validate(data)


def small(**fields: object) -> Spec:
    """One balancer, two masters, one worker; with these top-level fields of the spec."""
    data: dict[str, object] = {
        "name": "small",
        "kubernetes": "v1.37.2",
        "endpoint": {"port": 6440},
        "hosts": {
            "lb": {"address": "10.0.0.9", "roles": ["load-balancer"]},
            "m1": {"address": "10.0.0.10", "roles": ["control-plane"]},
            "m2": {"address": "10.0.0.11", "roles": ["control-plane"]},
            "w1": {"address": "10.0.0.12", "roles": ["worker"]},
        },
    }
    return Spec.model_validate(data | fields)
