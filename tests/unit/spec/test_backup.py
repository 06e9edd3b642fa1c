"""What of the section `backup` is refused, and where."""

from __future__ import annotations

import pytest

from kanae.errors import SpecError
from kanae.spec.load import loads

HOSTS = """name: demo
kubernetes: v1.37.2
hosts:
  m1: {address: 192.0.2.1, roles: [control-plane, worker]}
"""
APART = HOSTS + "  e1: {address: 192.0.2.2, roles: [etcd]}\n"


@pytest.mark.parametrize(
    ("backup", "told"),
    [
        ("{target: 'ftp://x/y'}", "backup.target: expected a folder, ssh://HOST/PATH"),
        ("{target: 's3://bucket/x'}", "backup.target: expected backup.s3.endpoint"),
        ("{recipients: [age1x]}", "backup.recipients[0]: expected a public key"),
        ("{keep: {}}", "backup.keep: expected count or age"),
        ("{keep: {count: 0}}", "backup.keep.count: expected a number of at least 1"),
        ("{keep: {age: 30}}", "backup.keep.age: "),
        ("{schedule: {every: 5h}}", "backup.schedule.every: "),
        ("{schedule: {folder: /x}}", "backup.schedule.folder: expected an absolute path"),
        ("{schedule: {folder: /a/../b}}", "backup.schedule.folder: expected an absolute path"),
        ("{schedule: {folder: '/a/$(b)'}}", "backup.schedule.folder: expected an absolute path"),
        ("{schedule: {folder: /var/lib/kanae/b}}", "a folder that stays"),
        ("{schedule: {folder: /var/lib/etcd/b}}", "a folder that stays"),
        ("{s3: {endpoint: 'https://u:p@x'}}", "backup.s3.endpoint: expected http"),
        ("{s3: {endpoint: 'https://x/y'}}", "backup.s3.endpoint: expected http"),
        ("{s3: {endpoint: 'https://x', region: 'a b'}}", "backup.s3.region: expected a region"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(backup: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        loads(f"{HOSTS}backup: {backup}\n", "cluster.yaml")
    assert told in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_a_schedule_wants_the_keys_where_etcd_is() -> None:
    with pytest.raises(SpecError, match="the keys of the cluster are not on e1"):
        loads(f"{APART}backup: {{schedule: {{every: 6h}}}}\n", "cluster.yaml")
    assert loads(f"{APART}backup: {{target: kept}}\n", "cluster.yaml").backup.schedule is None


def test_said_nothing_ten_are_kept_and_nothing_is_scheduled() -> None:
    backup = loads(HOSTS, "cluster.yaml").backup
    assert (backup.schedule, backup.keep.count, backup.keep.age) == (None, 10, None)
    aged = loads(f"{HOSTS}backup: {{keep: {{age: 30d}}}}\n", "cluster.yaml").backup.keep
    assert (aged.count, aged.age) == (None, "30d")
