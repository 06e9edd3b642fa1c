"""A host reached over SSH. One connection, at most eight commands on it at once."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from kanae.errors import ConnectError, ConnectionLost, HostError, StepTimedOut
from kanae.spec.models import Sudo
from kanae.transport.connect import Jumps, dial
from kanae.transport.conversation import SshConversation
from kanae.transport.explain import not_started, sudo_refused, sudo_unasked
from kanae.transport.fence import Fence, fenced, guarded
from kanae.transport.files import Progress, send_script, upload_batches
from kanae.transport.protocol import Completed, Upload
from kanae.transport.remote import KILL_AFTER, Run, end_script
from kanae.transport.settings import Reach
from kanae.transport.target import Target

if TYPE_CHECKING:
    import asyncssh

# sshd's default MaxSessions is 10; two are kept for ending what a cancelled command left.
CHANNELS = 8
# Seconds granted beyond a command's own time for the round trips and for `timeout` to kill.
GRACE = KILL_AFTER + 5.0
# Seconds for sudo to say yes or no; it may ask a directory service, and delays a wrong password.
SUDO_TIMEOUT = 60.0


class SshTransport:
    """Commands run as root, by sudo if the SSH user is another.

    run_id: names the processes of this run on the host, see `leftovers`. password: for sudo.
    fence: what every script has to pass, None while nothing is to be changed. host_key: what the
    host has shown, None before the first connection.
    """

    def __init__(
        self, reach: Reach, *, jumps: Jumps, run_id: str = "run", password: str | None = None
    ) -> None:
        self._reach = reach
        self._jumps = jumps
        self._password = password
        self._slots = asyncio.Semaphore(CHANNELS)
        self._connecting = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._target: Target | None = None
        self.host_key: asyncssh.SSHKey | None = None
        self._sudo = ""
        self.fence: Fence | None = None
        self._mark = f"{run_id}/{secrets.token_hex(4)}"
        self._runs = 0
        # Two channels are left beside the eight, see CHANNELS: for ending, and for the lease.
        self._ending = asyncio.Semaphore(2)
        self._endings: set[asyncio.Future[None]] = set()

    @property
    def host(self) -> str:
        return self._reach.host

    @property
    def mark(self) -> str:
        """What all processes of this transport carry in their environment."""
        return f"{self._mark}/"

    @property
    def closed(self) -> bool:
        """Whether there is no connection now; the next command opens one."""
        return self._connection is None or self._connection.is_closed()

    @property
    def _where(self) -> str:
        return self._reach.address if self._target is None else self._target.where

    async def connect(self) -> None:
        """Connect, or connect again when the connection was lost. Raises ConnectError kinds."""
        async with self._connecting:
            if not self.closed:
                return
            self._target, self._connection = await dial(self._reach, self._jumps)
            self.host_key = self._connection.get_server_host_key()
            self._sudo = self._become_root(self._target.user)
            if self._sudo:
                try:
                    await self._prove_sudo(self._target)
                except BaseException:
                    await self.close()
                    raise

    def _become_root(self, user: str) -> str:
        kind = self._reach.sudo
        if kind is Sudo.NONE or (kind is Sudo.AUTO and user == "root"):
            return ""
        # -k: ask for the password even where a ticket is still valid, so that what is sent first
        # is always read by sudo.
        return "sudo -k -S -p kanae: -- " if kind is Sudo.PASSWORD else "sudo -n -- "

    async def _prove_sudo(self, target: Target) -> None:
        """A wrong password must not be tried (and logged) by eight commands at once."""
        given = self._reach.sudo is Sudo.PASSWORD
        if given and self._password is None:
            raise sudo_unasked(target)
        try:
            async with asyncio.timeout(SUDO_TIMEOUT):
                process = await self._open(f"exec {self._sudo}true")
                word = f"{self._password}\n" if given else ""
                stdout, stderr = await self._talk(process, word.encode())
        except TimeoutError as error:
            raise self._late(SUDO_TIMEOUT) from error
        if (status := self.status_of(process)) != 0:
            raise self._sudo_refused(target, stdout, stderr, status)

    def _sudo_refused(
        self, target: Target, stdout: bytes, stderr: bytes, status: int
    ) -> ConnectError:
        given = self._reach.sudo is Sudo.PASSWORD
        return sudo_refused(target, stdout, stderr, status, given=given)

    async def run(self, script: str, *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        async def whole() -> AsyncIterator[bytes]:
            yield stdin

        return await self._run(script, whole, timeout)

    async def upload(
        self,
        uploads: Sequence[Upload],
        *,
        timeout: float = 600.0,
        progress: Progress | None = None,
    ) -> None:
        for batch in upload_batches(uploads):
            done = await self._run(send_script(batch), partial(batch.chunks, progress), timeout)
            batch.check(self.host, done)

    async def converse(self, script: str, *, mark: str, timeout: float) -> SshConversation:
        """See Conversant. It takes one of the eight places for commands while it lasts."""
        await self._slots.acquire()
        try:
            await self.connect()
            run = self._run_of(mark, await guarded(self.fence, self.host, script), timeout)
            process = await self._open(run.command)
        except BaseException:
            self._slots.release()
            raise
        talk = SshConversation(process, mark, self, self._slots.release)
        await talk.send(run.preamble)
        return talk

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            # A host that no longer answers must not hold up the end.
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(1.0):
                    await self._connection.wait_closed()
            self._connection.abort()
            self._connection = None

    async def leftovers(self, *, grace: float = 0.0, mark: str = "") -> int:
        """End what still runs on the host of earlier commands, after `grace` seconds' patience.

        For use after a lost connection, before anything is done again. mark: of another run.
        Returns how many processes had to be ended.
        """
        script = end_script(mark or self.mark, grace)
        done = await self._run_as(f"end/{secrets.token_hex(4)}", script, grace + 20.0)
        return int(done.stdout.split()[0]) if done.stdout.split() else 0

    async def run_unfenced(self, script: str, *, timeout: float) -> Completed:
        """For scripts that look after the fence themselves. It waits for no other command."""
        async with self._ending:
            return await self._run_as(f"{self._mark}/fence/", script, timeout)

    async def _run(
        self, script: str, data: Callable[[], AsyncIterator[bytes]], timeout: float
    ) -> Completed:
        async def send(whole: str) -> Completed:
            self._runs += 1
            return await self._run_as(f"{self._mark}/{self._runs}/", whole, timeout, data())

        async with self._slots:
            return await fenced(self.fence, self.host, script, send)

    async def _run_as(
        self, mark: str, script: str, timeout: float, data: AsyncIterator[bytes] | None = None
    ) -> Completed:
        await self.connect()
        run = self._run_of(mark, script, timeout)
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout + GRACE):
                process = await self._open(run.command)
                stdout, stderr = await self._talk(process, run.preamble, data)
        except (TimeoutError, asyncio.CancelledError) as error:
            ending = asyncio.ensure_future(self._end(mark))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            await asyncio.shield(ending)
            if isinstance(error, TimeoutError):
                raise self._late(timeout) from error
            raise
        status = self.status_of(process)
        if run.timed_out(status, time.monotonic() - began):
            raise self._late(timeout)
        if not run.started(stdout):
            raise self.not_started(stdout, stderr, status)
        return run.completed(status, stdout, stderr)

    def not_started(self, stdout: bytes, stderr: bytes, status: int) -> ConnectError:
        if self._target is None:
            raise ValueError("nothing was run before there was a connection")
        if self._sudo:
            return self._sudo_refused(self._target, stdout, stderr, status)
        return not_started(self._target, stdout, stderr, status)

    def _run_of(self, mark: str, script: str, seconds: float) -> Run:
        password = self._password if self._reach.sudo is Sudo.PASSWORD else None
        return Run(mark, script, seconds, self._sudo, password)

    async def _open(self, command: str) -> asyncssh.SSHClientProcess[bytes]:
        import asyncssh

        connection = self._connection
        if connection is None:
            raise self.lost()
        try:
            return await connection.create_process(command, encoding=None)
        except asyncssh.ChannelOpenError as error:
            if connection.is_closed():
                raise self.lost() from error
            raise ConnectError(
                self.host,
                f"{self._where}: sshd opens no more sessions on this connection: {error.reason}",
                remedy="MaxSessions in sshd_config has to be 10 (its default) or more",
            ) from error
        except (OSError, asyncssh.Error) as error:
            raise self.lost() from error

    async def _talk(
        self,
        process: asyncssh.SSHClientProcess[bytes],
        preamble: bytes,
        data: AsyncIterator[bytes] | None = None,
    ) -> tuple[bytes, bytes]:
        import asyncssh

        # Output is taken in while input is sent, else both sides could wait for each other.
        output = asyncio.ensure_future(process.communicate())
        try:
            # A script may end without reading all of its input.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(preamble)
                if data is not None:
                    async for chunk in data:
                        process.stdin.write(chunk)
                        await process.stdin.drain()
                process.stdin.write_eof()
            return await output
        except (OSError, asyncssh.Error) as error:
            raise self.lost() from error
        finally:
            output.cancel()
            process.close()

    def status_of(self, process: asyncssh.SSHClientProcess[bytes]) -> int:
        """Never unknown: asyncssh ends normally, without a status, when the connection breaks."""
        import signal

        if process.exit_status is not None and process.exit_status >= 0:
            return process.exit_status
        if process.exit_signal is not None:
            number = getattr(signal, f"SIG{process.exit_signal[0]}", signal.SIGKILL)
            return 128 + int(number)
        raise self.lost()

    def lost(self) -> ConnectionLost:
        return ConnectionLost(
            self.host,
            f"the connection to {self._where} was lost while a command ran; whether it took "
            "effect is not known",
            remedy="see whether the host is up; then run kanae again, it finds out what was done",
        )

    def _late(self, timeout: float) -> StepTimedOut:
        return StepTimedOut(
            self.host,
            f"a command run as {self._where} did not end within {timeout:g} s and was ended",
            remedy="see what holds it up on the host (load, disk, network), then run it again",
        )

    async def _end(self, mark: str) -> None:
        """End a run of ours that nobody waits for any more; in vain when the host is away."""
        with contextlib.suppress(HostError, TimeoutError):
            async with self._ending, asyncio.timeout(GRACE):
                run = self._run_of(f"end/{secrets.token_hex(4)}", end_script(mark, 0.0), GRACE)
                await self._talk(await self._open(run.command), run.preamble)
