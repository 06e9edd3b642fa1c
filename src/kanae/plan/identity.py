"""Recording on every host which cluster of its name it belongs to."""

from __future__ import annotations

from kanae.layout import marks
from kanae.plan.actions import RecordIdentity
from kanae.plan.draft import Draft
from kanae.plan.membership import identity_mark
from kanae.plan.model import Change, Verb


def plan(draft: Draft) -> None:
    """In a new cluster it follows from a key that this run makes; later it is a file like others
    (see `kanae.plan.system`).

    A host gets it when the first control-plane host has the key: were it the other way round, a
    run that stops in between would leave a host with the identity of a cluster that never was.
    """
    view = draft.view
    if view.known.identity or not draft.first:
        return
    for host in draft.hosts:
        draft.builder.add(
            host,
            "certificates",
            "identity",
            "record the cluster's identity",
            RecordIdentity(marks.path(identity_mark(view.spec, host))),
            needs=[draft.at.marked[host], draft.at.certificates[draft.first]],
            changes=[Change(Verb.CREATE, "identity", view.spec.name, "known after apply")],
        )
