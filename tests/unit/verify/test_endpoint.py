"""Whether the endpoint's name leads to the endpoint."""

from __future__ import annotations

import pytest

from kanae.verify.model import Subject
from kanae.verify.query import check_query

from .subjects import SPEC, change, errors_of, make_spec, make_subject

NAME = "api.example.org"
HOSTS: dict[str, object] = {
    **SPEC["hosts"],  # pyright: ignore[reportGeneralTypeIssues]  # a mapping
    "c1": {"address": "10.0.0.31", "roles": ["client"]},
}


def subject_of(found: tuple[str, ...] | None, **changes: object) -> Subject:
    """Every host but w1 resolves the name well."""
    fields: dict[str, object] = {
        "endpoint": {"name": NAME, "port": 6440},
        "hosts": HOSTS,
        **changes,
    }
    subject = make_subject(make_spec(**fields))
    for host in subject.facts.hosts:
        subject = change(subject, host, names={NAME: ("10.0.0.9",)})
    return change(subject, "w1", names={NAME: found})


def test_the_name_is_asked_of_nodes_and_clients_only() -> None:
    spec = subject_of(()).spec
    asked = {host for host in spec.hosts if check_query(spec, host).names == (NAME,)}
    assert asked == {"m1", "m2", "m3", "w1", "c1"}
    assert not check_query(make_spec(), "w1").names


@pytest.mark.parametrize(
    ("found", "evidence"),
    [
        ((), f"{NAME} is not resolved"),
        (("2001:db8::9",), f"{NAME} is not resolved to an IPv4 address"),
        (None, f"{NAME} was not resolved within 10 s"),
        (("127.0.1.1",), f"{NAME} leads to 127.0.1.1, and the endpoint is at 10.0.0.9"),
        (("10.0.0.9", "10.0.0.8"), f"{NAME} leads to 10.0.0.8, and the endpoint is at 10.0.0.9"),
    ],
)
def test_what_leads_elsewhere_or_nowhere_is_an_error(
    found: tuple[str, ...] | None, evidence: str
) -> None:
    [error] = errors_of(subject_of(found), "endpoint-name")
    assert (error.host, error.evidence) == ("w1", evidence)
    assert error.remedy


@pytest.mark.parametrize("found", [("10.0.0.9",), ("2001:db8::9", "10.0.0.9")])
def test_the_endpoints_own_address_is_none(found: tuple[str, ...]) -> None:
    assert not errors_of(subject_of(found), "endpoint-name")


def test_while_it_moves_the_name_may_lead_to_where_it_was() -> None:
    former = [{"address": "10.0.0.99", "port": 6440, "vrrp": {"routerId": 51}}]
    moving = {"name": NAME, "port": 6440, "former": former}
    assert not errors_of(subject_of(("10.0.0.99",), endpoint=moving), "endpoint-name")
    assert errors_of(subject_of(("10.0.0.98",), endpoint=moving), "endpoint-name")


def test_a_host_that_cannot_tell_is_passed_over_and_a_spec_without_a_name_too() -> None:
    assert not errors_of(change(subject_of(()), "w1", names={}), "endpoint-name")
    assert not errors_of(subject_of((), endpoint={"port": 6440}), "endpoint-name")


def test_the_name_may_lead_to_each_of_several_balancers_but_not_past_their_address() -> None:
    both = {**HOSTS, "lb2": {"address": "10.0.0.8", "roles": ["load-balancer"]}}
    assert not errors_of(subject_of(("10.0.0.8", "10.0.0.9"), hosts=both), "endpoint-name")
    said = {"name": NAME, "port": 6440, "address": "10.0.0.100"}
    past = subject_of(("10.0.0.8",), hosts=both, endpoint=said)
    assert {error.host for error in errors_of(past, "endpoint-name")} == {
        "m1", "m2", "m3", "w1", "c1",
    }  # fmt: skip
