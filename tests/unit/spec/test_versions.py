"""Which versions may work together."""

from __future__ import annotations

import pytest

from kanae.spec.versions import (
    NEWEST_MINOR,
    OLDEST_MINOR,
    KubernetesVersion,
    kubelet_skew,
    unsupported,
    upgrade_skew,
)

parse = KubernetesVersion.parse


def test_versions_are_ordered_by_number_not_by_text() -> None:
    assert parse("v1.9.0") < parse("1.10.0") < parse("v1.10.2")
    assert str(parse("1.37.2")) == "v1.37.2"


@pytest.mark.parametrize("text", ["1.37", "v1.37.2.1", "v1.x.2", ""])
def test_half_a_version_is_no_version(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_supported_minors_have_both_an_oldest_and_a_newest() -> None:
    assert unsupported(KubernetesVersion(1, OLDEST_MINOR, 0)) == ""
    assert unsupported(KubernetesVersion(1, NEWEST_MINOR, 9)) == ""
    assert "not v1.33.0" in unsupported(KubernetesVersion(1, OLDEST_MINOR - 1, 0))
    assert "not v1.38.0" in unsupported(KubernetesVersion(1, NEWEST_MINOR + 1, 0))
    assert unsupported(KubernetesVersion(2, OLDEST_MINOR, 0))


@pytest.mark.parametrize(
    ("kubelet", "allowed"),
    [("1.38.0", False), ("1.37.9", True), ("1.34.0", True), ("1.33.9", False)],
)
def test_kubelet_may_be_three_minors_older_and_never_newer(kubelet: str, allowed: bool) -> None:
    assert (kubelet_skew(parse(kubelet), parse("1.37.2")) == "") is allowed


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("1.36.3", "1.37.2", True),
        ("1.37.1", "1.37.2", True),
        ("1.35.4", "1.37.2", False),
        ("1.37.2", "1.37.1", False),
    ],
)
def test_an_upgrade_goes_forward_by_one_minor(old: str, new: str, allowed: bool) -> None:
    assert (upgrade_skew(parse(old), parse(new)) == "") is allowed


def test_kubelet_refuses_cgroup_v1_since_1_35() -> None:
    versions = [KubernetesVersion(1, minor, 0) for minor in range(34, 38)]
    assert [v.minor for v in versions if v.fails_on_cgroup_v1] == [35, 36, 37]
