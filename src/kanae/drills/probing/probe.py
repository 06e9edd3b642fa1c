"""The prober's process: `python -m kanae.drills.probing.probe`, or from a parcel on another host.

What it is told is in `orders`. Standard output: `ready` once everything is set up, `failed TEXT` if
that cannot be, `finished` at the end. Everything measured goes into the history file, or for a
prober on another host to standard output too, as lines that begin with `{`; nobody can hold the
prober up by not reading. Of the standard library, as is all that it imports, but for HTTP/2.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from functools import partial
from pathlib import Path

from kanae.drills.probing.client import RequestFailed
from kanae.drills.probing.orders import Orders, Output
from kanae.drills.probing.prober import SETTLE, Prober
from kanae.drills.probing.workload import ProbeConfig
from kanae.drills.probing.writing import Recorder, Writer

_NICE = -15


def take_precedence() -> str:
    """Run before everything else on this machine, as far as that is allowed; how, in words.

    The prober needs a third of a core at most, but it needs it in time: in a lab the cluster that
    it judges keeps the same cores busy.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        except OSError:
            return "ordinary priority"
        return f"nice {_NICE}"
    return "real-time priority"


async def _serve(orders: Orders, output: Output) -> None:
    """One orchestrator's run."""
    line = await orders.next()
    if not line:
        return
    config = ProbeConfig.decode(line)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    recorder = Writer(Path(config.history)) if config.history else Recorder(output.put)
    prober = Prober(config, recorder)
    prober.note(f"the prober runs with {take_precedence()}")
    lost = partial(prober.note, level="wrong")
    listening = asyncio.create_task(orders.listen(config.silence, lost))
    try:
        await prober.set_up()
    except RequestFailed as failure:
        output.say(f"failed {failure.detail}")
    else:
        # What exists by now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        output.say("ready")
        await prober.run(orders.finish)
        output.say("finished")
    listening.cancel()


async def main() -> None:
    """Serve one orchestrator on standard input and output."""
    output = Output(1)
    await _serve(await Orders.open(output), output)
    await output.flush(SETTLE)


if __name__ == "__main__":
    asyncio.run(main())
