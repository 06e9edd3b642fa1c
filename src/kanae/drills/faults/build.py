"""A fault from its data."""

from __future__ import annotations

from kanae.drills.faults.loss import Blank, Wipe
from kanae.drills.faults.network import Partition
from kanae.drills.faults.pause import Pause
from kanae.drills.faults.power import PowerCut, PowerOff, Return
from kanae.drills.faults.process import Kill
from kanae.drills.faults.protocol import Fault, FaultPlan, Sign, Tools


class Calm:
    """No fault at all: shows that nothing is ejected or fails by itself."""

    def check_safe(self) -> None:
        """There is nothing to fear."""

    async def prepare(self) -> None:
        """There is nothing to do."""

    async def inject(self) -> None:
        """There is nothing to do."""

    async def signs(self) -> tuple[Sign, ...]:
        return (Sign("no fault", "", True, "none is injected in this drill"),)

    async def undo(self) -> None:
        """There is nothing to undo."""

    async def signs_after(self) -> tuple[Sign, ...]:
        return ()


def build(plan: FaultPlan, tools: Tools) -> Fault:
    match plan.kind:
        case "none":
            return Calm()
        case "cut":
            return PowerCut(plan, tools)
        case "off":
            return PowerOff(plan, tools)
        case "return":
            return Return(plan, tools)
        case "kill":
            return Kill(plan, tools)
        case "partition":
            return Partition(plan, tools)
        case "pause":
            return Pause(plan, tools)
        case "wipe":
            return Wipe(plan, tools)
        case "blank":
            return Blank(plan, tools)
