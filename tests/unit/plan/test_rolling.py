"""Changes in turn: how many may be under way together, and what stops them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanae.plan.model import Action, Step
from kanae.plan.rolling import in_turn
from kanae.spec.models import Policies

from ...model.fixtures import ancestors


def rolled(hosts: Sequence[str], unchanged: set[str], at_once: int) -> dict[str, Step]:
    """A change and a gate for each host, as steps by id."""
    steps: dict[str, Step] = {"before": Step("before", None, "", "", Action())}

    def add(id_: str, needs: Sequence[str | None]) -> str:
        steps[id_] = Step(id_, None, "", "", Action(), tuple(n for n in needs if n is not None))
        return id_

    def change(host: str, needs: Sequence[str | None]) -> str | None:
        return None if host in unchanged else add(f"change {host}", needs)

    def gate(host: str, step: str) -> str:
        return add(f"gate {host}", [step])

    well = in_turn(hosts, change, gate, at_once=at_once, after=["before"])
    assert well == [f"gate {host}" for host in hosts if host not in unchanged]
    return steps


@given(st.integers(0, 12), st.integers(1, 5), st.sets(st.integers(0, 11)))
def test_no_more_than_the_budget_are_under_way_and_a_failure_stops_all_later_ones(
    count: int, at_once: int, unchanged: set[int]
) -> None:
    hosts = [str(number) for number in range(count)]
    steps = rolled(hosts, {str(number) for number in unchanged}, at_once)
    changed = [host for host in hosts if f"change {host}" in steps]
    for number, host in enumerate(changed):
        before = ancestors(steps, f"change {host}")
        # All but the last `at_once - 1` before it are well again.
        sure = {f"gate {other}" for other in changed[: max(0, number - at_once + 1)]}
        assert {step for step in before if step.startswith("gate")} == sure
        assert "before" in before


@pytest.mark.parametrize(
    ("said", "workers", "together"),
    [
        ("10%", 5, 1),
        ("10%", 29, 2),
        ("25%", 12, 3),
        ("100%", 7, 7),
        (3, 200, 3),
        ("1", 0, 1),
        ("99%", 1, 1),
    ],
)
def test_workers_at_once(said: str | int, workers: int, together: int) -> None:
    policies = Policies.model_validate({"maxUnavailableWorkers": said})
    assert policies.workers_at_once(workers) == together


@pytest.mark.parametrize("wrong", [0, "0", "0%", "101%", "5 %", "-1", "1.5", True, "\u0663"])
def test_what_is_no_number_of_workers_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="maxUnavailableWorkers"):
        Policies.model_validate({"maxUnavailableWorkers": wrong})
