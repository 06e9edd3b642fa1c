"""A backup, as far as plans go by it. What it says has been judged by whoever read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Saved:
    """A backup, as far as plans go by it.

    cluster, identity: whose it is. taken: when, as text. kubernetes, etcd: versions. topology: of
    etcd, as specs spell it. revision: of etcd. hosts: that the cluster had. snapshot: the file on
    the operator's machine, of `size` bytes; sha256: of it, hex. folder: on that machine too, with
    the backup's other files by their names there.
    """

    cluster: str
    identity: str
    taken: str
    kubernetes: str
    etcd: str
    topology: str
    revision: int
    hosts: tuple[str, ...]
    snapshot: str
    sha256: str
    size: int
    folder: str
