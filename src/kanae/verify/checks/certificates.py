"""Certificates of a cluster that is there, and who may read its keys."""

from __future__ import annotations

from collections.abc import Iterator

from kanae.verify.certificates import certificates, open_to_others, words
from kanae.verify.model import Finding, Subject, error, warning


def ending(subject: Subject) -> Iterator[Finding]:
    """Of hosts that have joined or are this cluster's: what is on others is not its own."""
    ours = {host for host, _ in subject.hosts() if subject.ours(host)}
    for each in certificates(subject.spec, subject.facts):
        if each.host not in ours or not each.soon:
            continue
        remedy = (
            "nothing that it has issued lasts longer, and kanae does not replace authorities yet"
            if each.authority
            else "kanae apply issues it anew"
        )
        kind = error if each.ended else warning
        yield kind("certificates", each.host, words(each), remedy)
    for host, path, mode in open_to_others(subject.spec, subject.facts):
        if host in ours:
            yield warning(
                "certificates",
                host,
                f"{path} holds a private key and has the mode {mode:04o}",
                f"chmod 0600 {path}, and think of who has read it",
            )
