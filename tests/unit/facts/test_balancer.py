"""What balancers say of their backends."""

from __future__ import annotations

import socket
import subprocess
import threading
from ipaddress import IPv4Address
from pathlib import Path

from kanae.facts.balancer import Backend, BalancerQuery, balancer_script, parse_balancer

SERVERS = {"m1": IPv4Address("127.0.0.2"), "m2": IPv4Address("127.0.0.3")}
STATISTICS = """\
# pxname,svname,qcur,status,check_status,
api,FRONTEND,,OPEN,,
api,m1,0,UP,L7OK,
api,m2,0,DOWN,L4CON,
api,BACKEND,0,UP,,
"""


def test_haproxys_own_words_are_taken_before_what_readyz_says() -> None:
    answer = f"kanae-facts 1 1.5\n#1.5 haproxy\n{STATISTICS}#1.5 readyz\n#1.5 end 2.5\n"
    found = parse_balancer("lb", BalancerQuery("/run/s.sock", SERVERS), answer.encode())
    assert found == (Backend("m1", True, "UP L7OK"), Backend("m2", False, "DOWN L4CON"))


def test_of_haproxys_backends_the_one_with_the_connections_counts_and_says_why() -> None:
    rows = """\
# pxname,svname,qcur,status,check_status,
api,m1,0,UP,L7OK,
api,m2,0,NOLB,L7OKC,
state,FRONTEND,0,OPEN,,
ready,m1,0,DOWN,L7TOUT,
ready,m2,0,DOWN,L7STS,
answering,m2,0,UP,L7OK,
"""
    answer = f"kanae-facts 1 1.5\n#1.5 haproxy\n{rows}#1.5 readyz\n#1.5 end 2.5\n"
    found = parse_balancer("lb", BalancerQuery("/run/s.sock", SERVERS), answer.encode())
    assert found == (Backend("m1", True, "UP L7OK"), Backend("m2", False, "NOLB L7STS"))


def test_without_statistics_readyz_tells() -> None:
    answer = b"kanae-facts 1 1.5\n#1.5 readyz\n127.0.0.3 000\n127.0.0.2 200\n#1.5 end 2.5\n"
    found = parse_balancer("lb", BalancerQuery(None, SERVERS), answer)
    assert found == (Backend("m1", True, "/readyz 200"), Backend("m2", False, "no answer"))


def test_the_statistics_socket_is_asked_for_real(tmp_path: Path) -> None:
    path = tmp_path / "haproxy.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(100) == b"show stat\n"
                connection.sendall(STATISTICS.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        query = BalancerQuery(str(path), SERVERS)
        done = subprocess.run(["/bin/sh", "-c", balancer_script(query)], capture_output=True)
        thread.join(5)
    found = parse_balancer("lb", query, done.stdout)
    assert [backend.up for backend in found] == [True, False]
