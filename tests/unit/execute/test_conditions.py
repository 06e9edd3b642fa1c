from __future__ import annotations

import pytest

from kanae.errors import StepFailed, StepTimedOut
from kanae.execute.conditions import Condition, Seen, poll


async def test_a_condition_that_holds_is_looked_at_once() -> None:
    looks = 0

    async def look() -> Seen:
        nonlocal looks
        looks += 1
        return Seen(True, "ready")

    await poll(Condition("m1", "the API to answer", look), timeout=5)
    assert looks == 1


async def test_errors_while_waiting_are_observations() -> None:
    answers = [StepFailed("m1", "curl", 7, "refused"), None]

    async def look() -> Seen:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return Seen(True)

    said: list[str] = []
    await poll(Condition("m1", "the API", look), timeout=5, interval=0.001, progress=said.append)
    assert said
    assert "refused" in said[0]


async def test_what_was_waited_for_and_seen_last_is_in_the_error() -> None:
    async def look() -> Seen:
        return Seen(False, "2 of 3 members")

    condition = Condition("m1", "etcd to have quorum", look, remedy="see journalctl -u etcd")
    with pytest.raises(StepTimedOut) as caught:
        await poll(condition, timeout=0.02, interval=0.005)
    assert "for etcd to have quorum; last seen: 2 of 3 members" in caught.value.message
    assert caught.value.remedy == "see journalctl -u etcd"
