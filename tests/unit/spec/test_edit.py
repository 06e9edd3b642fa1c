"""A spec's text gets another machine in the place of one, and nothing else of it changes."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from kanae.errors import Refused, SpecError
from kanae.spec.edit import with_host
from kanae.spec.load import SpecText

TEXT = """# ours
name: demo
kubernetes: v1.37.2
hosts:
  # the first one
  "m1": {roles: [control-plane, worker], address: '10.0.0.1'}  # rack 1
  m2:
    address: 10.0.0.2   # rack 2
    roles: [worker]
    labels: {rack: m2}
"""
NEW = IPv4Address("10.0.0.9")


def test_name_and_address_change_and_comments_stay() -> None:
    edited = with_host(SpecText(TEXT, "c.yaml"), "m2", "m9", NEW)
    assert edited.text == TEXT.replace("  m2:", "  m9:").replace("10.0.0.2 ", "10.0.0.9 ")
    assert list(edited.load().hosts) == ["m1", "m9"]


@pytest.mark.parametrize("end", ["\r\n", "\r"], ids=["CRLF", "CR"])
def test_line_ends_stay_what_they_are(end: str) -> None:
    edited = with_host(SpecText(TEXT.replace("\n", end), "c.yaml"), "m2", "m9", NEW)
    wanted = TEXT.replace("  m2:", "  m9:").replace("10.0.0.2 ", "10.0.0.9 ")
    assert edited.text == wanted.replace("\n", end)


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
def test_lines_are_counted_as_yaml_does(end: str) -> None:
    text = TEXT.replace("# ours\n", f"# ours{end}# and others'\n")
    edited = with_host(SpecText(text, "c.yaml"), "m2", "m9", NEW)
    assert edited.text == text.replace("  m2:", "  m9:").replace("10.0.0.2 ", "10.0.0.9 ")


def test_quotes_go_with_what_they_held() -> None:
    edited = with_host(SpecText(TEXT, "c.yaml"), "m1", "m1", NEW)
    assert edited.text == TEXT.replace('"m1"', "m1").replace("'10.0.0.1'", "10.0.0.9")


def test_an_address_that_is_said_elsewhere_is_not_edited() -> None:
    text = TEXT.replace("10.0.0.2 ", "&two 10.0.0.2 ")
    with pytest.raises(Refused) as refused:
        with_host(SpecText(text, "c.yaml"), "m2", "m9", NEW)
    assert "m9 (10.0.0.9)" in str(refused.value)


@pytest.mark.parametrize(("name", "address"), [("M_9", NEW), ("m9", IPv4Address("10.0.0.1"))])
def test_what_no_spec_may_say_is_refused_as_ever(name: str, address: IPv4Address) -> None:
    with pytest.raises(SpecError) as refused:
        with_host(SpecText(TEXT, "c.yaml"), "m2", name, address)
    assert "c.yaml:7" in str(refused.value) or "c.yaml:8" in str(refused.value)


OFF, ON = "[ipmitool, -H, bmc2, power, 'off']", "[ipmitool, -H, bmc2, power, 'on']"
AFTER = "m9:\n    address: 10.0.0.9   # rack 2\n    roles: [worker]\n    labels: {rack: m2}\n"


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize(
    "power",
    [
        f"    power: {{off: {OFF}, on: {ON}}}  # bmc2\n",
        f"    power:\n      off: {OFF}\n      # and back\n      on:\n        - ipmitool\n",
        f"    power:\n      off:\n      - {OFF[1:-1].split(',')[0]}\n      - 'a # b'\n",
    ],
    ids=["in braces", "in lines", "list in lines"],
)
def test_the_commands_for_the_old_machines_power_do_not_go_over(power: str, place: str) -> None:
    head, tail = TEXT.split("  m2:\n")
    behind = "  # the third\n  m3: {address: 10.0.0.3, roles: [worker]}\n"
    entry = power + tail if place == "first" else tail + power
    edited = with_host(SpecText(f"{head}  m2:\n{entry}{behind}", "c.yaml"), "m2", "m9", NEW)
    assert edited.text == f"{head}  {AFTER}{behind}"


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        ("power: {off: [x]}, address: 10.0.0.2, roles: [worker]", "{A}, roles: [worker]"),
        ("address: 10.0.0.2, power: {off: [x]}, roles: [worker]", "{A}, roles: [worker]"),
        ("address: 10.0.0.2, roles: [worker], power: {off: [x]}", "{A}, roles: [worker]"),
        ("address: 10.0.0.2, roles: [worker], power: {off: ['}']} , ", "{A}, roles: [worker] , "),
        (
            "address: 10.0.0.2, roles: [worker], ssh: {port: 22}",
            "{A}, roles: [worker], ssh: {port: 22}",
        ),
    ],
)
def test_nor_in_braces(entry: str, left: str) -> None:
    head = TEXT.split("  m2:\n")[0]
    edited = with_host(SpecText(f"{head}  m2: {{{entry}}}  # rack\n", "c.yaml"), "m2", "m9", NEW)
    wanted = left.replace("{A}", "address: 10.0.0.9")
    assert edited.text == f"{head}  m9: {{{wanted}}}  # rack\n"
