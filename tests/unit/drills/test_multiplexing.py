"""Kept connections over HTTP/2, against servers whose every step is planned."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio
from drill_api_server import ApiServer, Store
from drill_bench import Bench
from drill_certificates import Authority
from drill_streams import Answer, Asked, Peer, Session
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, Frame, GoAwayFrame
from hypothesis import given
from hypothesis import strategies as st

from kanae.drills.judging.checker import check
from kanae.drills.judging.verdict import Result
from kanae.drills.probing import objects
from kanae.drills.probing.client import HTTP_2, Response, tls_context
from kanae.drills.probing.lanes import Attempt, KeptLane
from kanae.drills.probing.multiplexing import Frames, GoAway
from kanae.drills.records import History

DEADLINE = 10.0


@pytest.fixture(scope="session")
def h2_context(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    context = authority.server_context(tmp_path_factory.mktemp("tls"))
    context.set_alpn_protocols(list(HTTP_2))
    return context


@pytest_asyncio.fixture
async def peer(h2_context: ssl.SSLContext) -> AsyncIterator[Peer]:
    async with Peer(h2_context) as peer:
        yield peer


class Lane:
    """A kept lane of writes to a peer."""

    def __init__(self, peer: Peer, authority: Authority) -> None:
        context = tls_context(authority.credentials(), HTTP_2)
        self.lane = KeptLane(peer.route, context, 5.0)
        self.late: list[Response] = []
        self._route = peer.route

    def write(self, name: str, deadline: float = DEADLINE) -> asyncio.Task[Attempt]:
        request = objects.create(self._route, "drill", name)
        end = asyncio.get_running_loop().time() + deadline
        return asyncio.create_task(self.lane.run(request, 201, end, self.late.append))

    def writes(self, names: Iterable[str]) -> list[asyncio.Task[Attempt]]:
        return [self.write(name) for name in names]


@pytest_asyncio.fixture
async def lane(peer: Peer, authority: Authority) -> AsyncIterator[Lane]:
    lane = Lane(peer, authority)
    yield lane
    lane.lane.close()


def name_of(asked: Asked) -> str:
    return str(json.loads(asked.body)["metadata"]["name"])


def answer(session: Session, *requests: Asked, padding: int = 0) -> None:
    for asked in requests:
        body = json.dumps({"metadata": {"name": name_of(asked)}, "padding": "x" * padding})
        session.answer(asked.number, Answer(201, {}, body.encode()))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_answers_out_of_order_reach_their_own_requests(peer: Peer, lane: Lane) -> None:
    names = [f"w-{number}" for number in range(40)]
    tasks = lane.writes(names)
    session = await peer.connected()
    asked = await peer.asked(40)
    answer(session, *reversed(asked))
    attempts = await asyncio.gather(*tasks)
    assert {attempt.outcome for attempt in attempts} == {"ok"}
    assert [json.loads(attempt.body)["metadata"]["name"] for attempt in attempts] == names
    assert len({attempt.port for attempt in attempts}) == 1
    assert sum(attempt.handshake > 0 for attempt in attempts) == 1
    assert lane.lane.protocol == "h2"


async def test_a_slow_request_holds_up_no_other(peer: Peer, lane: Lane) -> None:
    slow = lane.write("slow")
    session = await peer.connected()
    held = await peer.asked(1)
    for number in range(20):
        quick = lane.write(f"w-{number}")
        answer(session, *await peer.asked(1))
        assert (await quick).outcome == "ok"
    assert not slow.done()
    answer(session, *held)
    assert (await slow).outcome == "ok"


async def test_a_broken_connection_fails_all_that_is_unanswered(peer: Peer, lane: Lane) -> None:
    tasks = lane.writes("abcd")
    session = await peer.connected()
    asked = await peer.asked(4)
    answer(session, asked[1])
    await tasks[1]
    session.reset()
    attempts = await asyncio.gather(*tasks)
    assert [attempt.outcome == "ok" for attempt in attempts] == [False, True, False, False]
    assert {attempt.outcome for attempt in attempts} <= {"ok", "reset", "eof"}
    after = lane.write("e")
    session = await peer.connected()
    answer(session, *await peer.asked(1))
    assert (await after).outcome == "ok"


async def test_what_a_going_server_has_not_begun_is_sent_to_another(peer: Peer, lane: Lane) -> None:
    tasks = lane.writes("abcdef")
    going = await peer.connected()
    asked = await peer.asked(6)
    going.go_away(asked[2].number)
    other = await peer.connected()
    again = await peer.asked(3)
    assert [name_of(each) for each in again] == [name_of(each) for each in asked[3:]]
    later = lane.write("g")
    again += await peer.asked(1)
    answer(other, *again)
    assert not any(task.done() for task in tasks[:3])
    answer(going, *asked[:3])
    attempts = await asyncio.gather(*tasks, later)
    assert {attempt.outcome for attempt in attempts} == {"ok"}
    assert len({attempt.port for attempt in attempts[:3]}) == 1
    assert len({attempt.port for attempt in attempts[3:]}) == 1


async def test_a_going_server_that_has_begun_all_answers_all(peer: Peer, lane: Lane) -> None:
    tasks = lane.writes("ab")
    going = await peer.connected()
    asked = await peer.asked(2)
    # First without a bound, then with the last one that came: an orderly end in two steps.
    going.go_away(2**31 - 1)
    going.go_away(asked[-1].number)
    answer(going, *asked)
    assert {(await task).outcome for task in tasks} == {"ok"}
    await asyncio.wait_for(going.ended.wait(), 10)  # closed by the client, which needs it no more
    after = lane.write("c")
    answer(await peer.connected(), *await peer.asked(1))
    assert (await after).outcome == "ok"


async def test_what_a_going_server_had_begun_fails_when_it_breaks_off(
    peer: Peer, lane: Lane
) -> None:
    tasks = lane.writes("ab")
    going = await peer.connected()
    asked = await peer.asked(2)
    going.go_away(asked[-1].number, ErrorCodes.ENHANCE_YOUR_CALM)
    going.close()
    for attempt in await asyncio.gather(*tasks):
        assert attempt.outcome == "eof"
        assert "GOAWAY 11" in attempt.detail


async def test_a_refused_stream_is_sent_again_and_a_reset_one_has_failed(
    peer: Peer, lane: Lane
) -> None:
    tasks = lane.writes("abc")
    session = await peer.connected()
    asked = await peer.asked(3)
    session.refuse(asked[0].number)
    session.refuse(asked[1].number, ErrorCodes.INTERNAL_ERROR)
    again = await peer.asked(1)
    answer(session, *again, asked[2])
    refused, reset, calm = await asyncio.gather(*tasks)
    assert (refused.outcome, refused.refusals) == ("ok", 1)
    assert (reset.outcome, reset.status) == ("reset", 0)
    assert "INTERNAL_ERROR" in reset.detail
    assert calm.outcome == "ok"


async def test_a_server_that_refuses_on_and_on_is_not_flooded(peer: Peer, lane: Lane) -> None:
    task = lane.write("a", deadline=0.7)
    session = await peer.connected()
    for _ in range(2):
        session.refuse((await peer.asked(1))[0].number)
    attempt = await task
    assert (attempt.outcome, attempt.refusals) == ("timeout", 2)
    assert session.highest == 3  # the second stream: nothing was sent in the second after it


async def test_requests_beyond_the_servers_limit_wait_their_turn(
    h2_context: ssl.SSLContext, authority: Authority
) -> None:
    async with Peer(h2_context, {SettingCodes.MAX_CONCURRENT_STREAMS: 2}) as peer:
        lane = Lane(peer, authority)
        first = lane.write("first")
        session = await peer.connected()
        answer(session, *await peer.asked(1))
        await first
        tasks = lane.writes("abcde")
        # The server's own h2 would end the connection at a third stream.
        for count in (2, 2, 1):
            asked = await peer.asked(count)
            assert session.http.open_inbound_streams == count
            answer(session, *asked)
        attempts = await asyncio.gather(*tasks)
        assert {attempt.outcome for attempt in attempts} == {"ok"}
        assert len({attempt.port for attempt in attempts}) == 1
        lane.lane.close()


async def test_what_waited_its_turn_on_a_broken_connection_goes_over_another(
    h2_context: ssl.SSLContext, authority: Authority
) -> None:
    async with Peer(h2_context, {SettingCodes.MAX_CONCURRENT_STREAMS: 1}) as peer:
        lane = Lane(peer, authority)
        first = lane.write("first")
        session = await peer.connected()
        answer(session, *await peer.asked(1))
        await first
        sent, waiting = lane.writes(["sent", "waiting"])
        assert [name_of(each) for each in await peer.asked(1)] == ["sent"]
        session.reset()
        assert (await sent).outcome in ("reset", "eof")
        answer(await peer.connected(), *await peer.asked(1))
        assert (await waiting).outcome == "ok"
        lane.lane.close()


async def test_bodies_obey_the_servers_windows(
    h2_context: ssl.SSLContext, authority: Authority
) -> None:
    async with Peer(h2_context, {SettingCodes.INITIAL_WINDOW_SIZE: 10}) as peer:
        lane = Lane(peer, authority)
        tasks = [lane.write("first")]
        session = await peer.connected()
        answer(session, *await peer.asked(1))
        # From here on the client knows of the small window; more would be an error to the server.
        tasks += lane.writes("abc")
        asked = await peer.asked(3)
        assert [name_of(each) for each in asked] == ["a", "b", "c"]
        answer(session, *asked)
        assert {(await task).outcome for task in tasks} == {"ok"}
        lane.lane.close()


async def test_windows_are_given_back_as_answers_come(peer: Peer, lane: Lane) -> None:
    session: Session | None = None
    for number in range(40):
        task = lane.write(f"w-{number}")
        session = session or await peer.connected()
        # 160 kB in all, where a connection's window begins with 64 kB.
        answer(session, *await peer.asked(1), padding=4000)
        assert (await task).outcome == "ok"


async def test_a_ping_is_answered(peer: Peer, lane: Lane) -> None:
    task = lane.write("a")
    session = await peer.connected()
    session.ping(b"question")
    await until(lambda: session.pongs == [b"question"])
    answer(session, *await peer.asked(1))
    assert (await task).outcome == "ok"


async def test_a_late_answer_still_counts_and_its_stream_is_not_reset(
    peer: Peer, lane: Lane
) -> None:
    task = lane.write("a", deadline=0.5)
    session = await peer.connected()
    asked = await peer.asked(1)
    assert (await task).outcome == "timeout"
    after = lane.write("b")
    other = await peer.connected()
    answer(other, *await peer.asked(1))
    assert (await after).outcome == "ok"
    assert lane.late == []
    assert session.resets == []
    answer(session, *asked)
    await until(lambda: [response.status for response in lane.late] == [201])


async def test_told_to_come_again_it_does(peer: Peer, lane: Lane) -> None:
    task = lane.write("a")
    session = await peer.connected()
    asked = await peer.asked(1)
    session.answer(asked[0].number, Answer(429, {"retry-after": "0"}, b"{}"))
    answer(session, *await peer.asked(1))
    attempt = await task
    assert (attempt.outcome, attempt.retries) == ("ok", 1)


@pytest.mark.parametrize(
    "nonsense",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", DataFrame(1, b"no headers before it").serialize()],
)
async def test_nonsense_is_malformed(peer: Peer, lane: Lane, nonsense: bytes) -> None:
    task = lane.write("a")
    session = await peer.connected()
    await peer.asked(1)
    session.send(nonsense)
    assert (await task).outcome == "malformed"


FRAMES = st.one_of(
    st.builds(DataFrame, st.just(1), st.binary(max_size=30)),
    st.builds(
        GoAwayFrame,
        st.just(0),
        st.integers(0, 2**31 - 1),
        st.integers(0, 13),
        st.binary(max_size=5),
    ),
)


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 200), max_size=6))
def test_frames_are_the_same_however_the_bytes_come(frames: list[Frame], cuts: list[int]) -> None:
    data = b"".join(frame.serialize() for frame in frames)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = Frames()
    found: list[bytes | GoAway] = []
    for begin, end in pairwise(places):
        found += reader.feed(data[begin:end], 16384)
    farewells = [frame for frame in frames if isinstance(frame, GoAwayFrame)]
    assert [(each.last, each.code) for each in found if isinstance(each, GoAway)] == [
        (frame.last_stream_id, frame.error_code) for frame in farewells
    ]
    rest = b"".join(frame.serialize() for frame in frames if frame not in farewells)
    assert b"".join(each for each in found if isinstance(each, bytes)) == rest


# A whole prober


@pytest_asyncio.fixture
async def bench(
    tmp_path: Path, authority: Authority, h2_context: ssl.SSLContext
) -> AsyncIterator[Bench]:
    server = ApiServer(Store(), h2_context)
    await server.start()
    yield Bench(tmp_path, authority, server)
    await server.stop()


async def nothing() -> None:
    """The fault of a run without one."""


def kept(run: History) -> list[tuple[int, str, float]]:
    """Port, outcome and latency of each request over a kept connection, by when it was due."""
    streams = {s.id for s in run.header.streams if s.connection == "kept"}
    found = [r for r in run.requests if r.stream in streams]
    return [(r.port, r.outcome, r.latency) for r in sorted(found, key=lambda r: r.at)]


async def test_a_run_over_http_2_passes_and_says_so(bench: Bench) -> None:
    run = await bench.run(nothing)
    verdict = check(run)
    assert verdict.result is Result.PASSED, verdict.reasons
    assert "kept connections spoke h2" in [note.text for note in run.notes]
    # Of reads and writes each: both kept connections, and one of the two serial ones.
    assert bench.server.multiplexed == 2 * (2 + 1)
    assert len({port for port, _, _ in kept(run)}) == 2 * 2


async def test_lanes_keep_up_with_a_server_that_takes_longer_than_their_period(
    bench: Bench,
) -> None:
    bench.server.faults.service = 0.3  # six periods
    requests = kept(await bench.run(nothing))
    assert {outcome for _, outcome, _ in requests} == {"ok"}
    assert len({port for port, _, _ in requests}) == 2 * 2
    latencies = [latency for _, _, latency in requests]
    # A queue that grows spares no request; a busy machine does.
    assert min(latencies[-len(latencies) // 3 :]) < 0.8


async def test_a_server_that_says_goodbye_to_every_connection_fails_nothing(bench: Bench) -> None:
    async def part() -> None:
        bench.server.faults.last = True
        await bench.served(40)
        bench.server.faults.last = False

    run = await bench.run(part)
    assert {outcome for _, outcome, _ in kept(run)} == {"ok"}
    assert len({port for port, _, _ in kept(run)}) > 2 * 2
    assert check(run).writes.lost == ()


async def test_a_killed_server_breaks_kept_connections_and_loses_nothing(bench: Bench) -> None:
    async def kill() -> None:
        bench.server.faults.stalled = asyncio.Event()
        await bench.served(10)
        await bench.server.stop()
        bench.server.faults.stalled = None
        await bench.server.start()

    run = await bench.run(kill)
    assert {outcome for _, outcome, _ in kept(run)} & {"reset", "eof"}
    verdict = check(run)
    assert verdict.writes.lost == ()
    assert verdict.watches[0].missed == ()
