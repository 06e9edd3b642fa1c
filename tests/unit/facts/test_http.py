"""HTTP/1.1 responses cut out of one stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kanae.facts.http import Response, responses

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2;x=y\r\n\r\n\r\n0\r\n\r\n"
)


def test_responses_follow_each_other_by_length_or_in_chunks() -> None:
    assert responses(LENGTH + CHUNKED + LENGTH) == [
        Response(200, b"hello"),
        Response(404, b"abc\r\n"),
        Response(200, b"hello"),
    ]


def test_a_response_that_is_cut_short_ends_the_list() -> None:
    for stream in (LENGTH, CHUNKED):
        for length in range(len(stream)):
            assert responses(LENGTH + stream[:length]) == [Response(200, b"hello")]


@given(st.binary(max_size=200))
def test_garbage_gives_no_response_and_no_traceback(garbage: bytes) -> None:
    assert responses(garbage + LENGTH[:-1]) == []
