"""Judge: all checks over what is known. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from kanae.errors import UsageError
from kanae.verify.checks import CHECKS
from kanae.verify.model import Finding, Severity, Subject

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def judge(subject: Subject, ignored: Collection[str] = ()) -> tuple[Finding, ...]:
    """All findings, errors first, then in the order of the checks.

    ignored: ids of checks to leave out; UsageError for one that does not exist.
    """
    known = {check.id for check in CHECKS}
    if unknown := sorted(set(ignored) - known):
        raise UsageError(
            f"there is no check called {', '.join(unknown)}",
            remedy=f"the checks are {', '.join(check.id for check in CHECKS)}",
        )
    found = [f for check in CHECKS if check.id not in ignored for f in check.run(subject)]
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.severity]))


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)


def alike(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """For people: what is found in the same words on several hosts is one finding, with all their
    names as its host."""
    hosts: dict[Finding, list[str]] = {}
    for finding in findings:
        names = hosts.setdefault(replace(finding, host=None), [])
        names += [finding.host] if finding.host is not None else []
    return tuple(
        replace(finding, host=", ".join(names) or None) for finding, names in hosts.items()
    )


def as_line(finding: Finding) -> str:
    """`host: evidence [check]`, and the remedy on a line of its own."""
    where = f"{finding.host}: " if finding.host else ""
    remedy = f"\n    {finding.remedy}" if finding.remedy else ""
    return f"{where}{finding.evidence} [{finding.check}]{remedy}"
