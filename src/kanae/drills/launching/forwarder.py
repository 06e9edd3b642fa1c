"""The process that holds the way inside: `python -m kanae.drills.launching.forwarder`.

Input: one line, its Forwards; it ends with its input. Output: `ready PORT...`, a port for each
destination; or `failed TEXT`; later `lost TEXT` when a connection has broken.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pydantic import TypeAdapter

from kanae.drills.probing.probe import take_precedence
from kanae.errors import KanaeError
from kanae.transport.connect import Jumps, dial
from kanae.transport.settings import Reach

if TYPE_CHECKING:
    import asyncssh

_LOCAL = "127.0.0.1"
_LIMIT = 1 << 20
_TRY = 5.0  # seconds that an sshd may take to open one connection before it is taken as allowed


@dataclass(frozen=True, slots=True)
class Forwards:
    """through: the host whose sshd connects to `destinations`. listener: the host on whose loopback
    the ports are, None for this machine.
    """

    through: Reach
    destinations: tuple[tuple[str, int], ...]
    listener: Reach | None = None

    def encode(self) -> bytes:
        """One line of JSON, without its end."""
        return _ADAPTER.dump_json(self)


_ADAPTER: TypeAdapter[Forwards] = TypeAdapter(Forwards)


def _say(text: str) -> None:
    sys.stdout.write(" ".join(text.split()) + "\n")
    sys.stdout.flush()


async def _require_allowed(
    inside: asyncssh.SSHClientConnection, destinations: Sequence[tuple[str, int]]
) -> None:
    """Raises OSError when sshd refuses to connect to one of them for somebody else. That nobody
    answers there is what is to be measured.
    """
    import asyncssh
    from asyncssh.constants import OPEN_ADMINISTRATIVELY_PROHIBITED

    async def attempt(address: str, port: int) -> None:
        try:
            async with asyncio.timeout(_TRY):
                opened = await inside.open_connection(address, port)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # untyped
            writer = cast("asyncssh.SSHWriter[bytes]", opened[1])
        except TimeoutError:
            return
        except asyncssh.ChannelOpenError as error:
            if error.code == OPEN_ADMINISTRATIVELY_PROHIBITED:
                raise OSError(f"no connection to {address}:{port}: {error.reason}") from None
            return
        writer.channel.abort()

    await asyncio.gather(*(attempt(*destination) for destination in destinations))


async def _hold(forwards: Forwards, jumps: Jumps, gone: asyncio.Task[bytes]) -> str:
    """Until the input ends, or a connection does: why. Raises KanaeError and OSError kinds."""
    import asyncssh

    _, inside = await dial(forwards.through, jumps)
    held = {forwards.through.host: inside}
    await _require_allowed(inside, forwards.destinations)
    ports: list[int] = []
    for address, port in forwards.destinations:
        ports.append((await inside.forward_local_port(_LOCAL, 0, address, port)).get_port())
    if forwards.listener is not None:
        _, outside = await dial(forwards.listener, jumps)
        held[forwards.listener.host] = outside
        try:
            ports = [
                (await outside.forward_remote_port(_LOCAL, 0, _LOCAL, port)).get_port()
                for port in ports
            ]
        except asyncssh.ChannelListenError as error:
            raise OSError(f"{forwards.listener.host}: {error}") from None
    _say(f"ready {' '.join(map(str, ports))}")
    ends = {asyncio.create_task(each.wait_closed()): host for host, each in held.items()}
    try:
        await asyncio.wait({*ends, gone}, return_when=asyncio.FIRST_COMPLETED)
        return next((f"no connection to {host}" for end, host in ends.items() if end.done()), "")
    finally:
        for end in ends:
            end.cancel()
        for connection in held.values():
            connection.abort()


async def main() -> None:
    """Serve one orchestrator on standard input and output."""
    reader = asyncio.StreamReader(limit=_LIMIT)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    if not (line := await reader.readline()):
        return
    take_precedence()
    gone = asyncio.create_task(reader.read())
    jumps = Jumps()
    try:
        if why := await _hold(_ADAPTER.validate_json(line), jumps, gone):
            _say(f"lost {why}")
    except KanaeError as error:
        _say(f"failed {error.message}")
    except OSError as error:
        _say(f"failed {error}")
    finally:
        gone.cancel()
        await jumps.close()


if __name__ == "__main__":
    asyncio.run(main())
