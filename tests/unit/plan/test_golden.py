"""Plans for bare hosts, as they are recorded. `KANAE_GOLDEN=write pytest ...` writes them anew;
then read the difference before it is committed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final

import click
import pytest

from kanae.report.plan_text import plan_data, plan_text

from ...model.fixtures import BASES, EXAMPLES, ROOT, Desk, bare, example
from ..golden import agree

GOLDEN: Final = ROOT / "tests" / "golden" / "plan"


def recorded(name: str, kind: str) -> str:
    """The plan as JSON; texts of files are goldens of the rendering tests, here only their size."""
    spec = example(name)
    data = plan_data(Desk.of(spec).plan(bare(spec, BASES[kind])))
    text = json.dumps(data, indent=1)
    whole = json.loads(text)
    for step in whole["steps"]:
        for change in step["changes"]:
            change["diff"] = f"{len(change['diff'].splitlines())} lines" if change["diff"] else ""
        step["changes"] = [
            " | ".join(str(value) for value in change.values() if value)
            for change in step["changes"]
        ]
    return json.dumps(whole, indent=1) + "\n"


@pytest.mark.parametrize("kind", sorted(BASES))
@pytest.mark.parametrize("name", EXAMPLES)
def test_bare_hosts_of_an_example_get_the_recorded_plan(name: str, kind: str) -> None:
    agree(GOLDEN / f"{name}-{kind}.json", recorded(name, kind))


@pytest.mark.parametrize("name", ["reference", "three-machines"])
def test_a_plan_reads_as_recorded(name: str) -> None:
    spec = example(name)
    text = click.unstyle(plan_text(Desk.of(spec).plan(bare(spec))))
    agree(GOLDEN / f"{name}.txt", text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_planning_twice_gives_equal_plans(name: str) -> None:
    spec = example(name)
    desk, facts = Desk.of(spec), bare(spec)
    assert desk.plan(facts) == desk.plan(facts)


def test_a_plan_does_not_depend_on_the_order_of_sets() -> None:
    """Two interpreters with other hash seeds plan byte by byte the same."""
    program = (
        "import json; from tests.model.fixtures import *;"
        "from kanae.report.plan_text import plan_data;"
        "s = example('vip'); print(json.dumps(plan_data(Desk.of(s).plan(bare(s)))))"
    )

    def under(seed: str) -> bytes:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command, cwd=ROOT, env=environment, check=True, capture_output=True
        ).stdout

    assert under("1") == under("2")
