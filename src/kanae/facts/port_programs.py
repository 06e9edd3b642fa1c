"""What hosts run to open ports, and to ask where bash cannot: the same in Python and in Perl.

OPEN_*: each argument, such as tcp:6443, udp:8472 or ip:112, is opened as far as nothing holds it,
and printed, then "ready". ASK_*: an address and the number of a protocol of IP.

The kernel hands a packet to all raw sockets of its protocol, so that one more takes nothing from a
keepalived that runs already. It gets both words too, and neither is an advert to it. RFC 5798 7.1
wants a TTL of 255 (these leave with the kernel's own, 64), version 3 (they have 0), a whole packet
with all its addresses (they are no longer than its header), and a VRID that the receiver has. They
have 0, which is nobody's (1 to 255): keepalived looks for it first, and those of old that find
theirs wait anew for adverts, whatever the packet is.

A firewall's refusal of the question must get back too: Linux tells no socket of one that quotes
less than 8 bytes (icmp_socket_deliver in net/ipv4/icmp.c), and netfilter refuses only what sums up
to 0xffff (nf_send_unreach in net/ipv4/netfilter/nf_reject_ipv4.c), for which the question ends so.
"""

from __future__ import annotations

from typing import Final

OPEN_PYTHON: Final = """\
import select, socket, sys
held = []
for word in sys.argv[1:]:
    kind, _, port = word.partition(":")
    try:
        if kind == "ip":
            s = socket.socket(socket.AF_INET, socket.SOCK_RAW, int(port))
        else:
            stream = kind == "tcp"
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
            if stream:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("0.0.0.0", int(port)))
            if stream:
                s.listen(128)
    except OSError:
        continue
    held.append(s)
    print(word)
print("ready")
sys.stdout.flush()
while True:
    for s in select.select(held, [], [])[0]:
        if s.type == socket.SOCK_STREAM:
            s.accept()[0].close()
            continue
        data, peer = s.recvfrom(128)
        try:
            if s.type == socket.SOCK_DGRAM and data == b"kanae?\\n":
                s.sendto(b"!", peer)
            if s.type == socket.SOCK_RAW and data[(data[0] & 15) * 4:] == b"\\0\\0kana&=":
                s.sendto(b"\\0\\0kanae!", peer)
        except OSError:
            pass
"""
OPEN_PERL: Final = """\
use strict; use Socket; $| = 1;
my (@held, $all); $all = "";
for my $word (@ARGV) {
  my ($kind, $port) = split /:/, $word;
  my $s;
  if ($kind eq "ip") { socket($s, PF_INET, SOCK_RAW, $port) or next }
  else {
    socket($s, PF_INET, $kind eq "tcp" ? SOCK_STREAM : SOCK_DGRAM, 0) or next;
    setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) if $kind eq "tcp";
    bind($s, sockaddr_in($port, INADDR_ANY)) or next;
    $kind eq "udp" or listen($s, 128) or next;
  }
  push @held, [$kind, $s]; vec($all, fileno($s), 1) = 1; print "$word\\n";
}
print "ready\\n";
while (1) {
  select(my $now = $all, undef, undef, undef);
  for (@held) {
    my ($kind, $s) = @$_;
    next unless vec($now, fileno($s), 1);
    if ($kind eq "tcp") { my $c; close $c if accept($c, $s); next }
    my $peer = recv($s, my $data, 128, 0) or next;
    send($s, "!", 0, $peer) if $kind eq "udp" and $data eq "kanae?\\n";
    next unless $kind eq "ip" and substr($data, (ord($data) & 15) * 4) eq "\\0\\0kana&=";
    send($s, "\\0\\0kanae!", 0, $peer);
  }
}
"""
# One question to an address, in a protocol of IP. It ends as bash's way of UDP does, with 0 for an
# answer, 124 for none, else with what is wrong; and with 125 where no raw socket may be opened. A
# packet may be lost: three are sent. 11 is IP_RECVERR: then the kernel also tells of refusals that
# it takes for passing ones. What a firewall of the host itself drops is EPERM to its sender.
ASK_PYTHON: Final = """\
import select, socket, sys, time
try:
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, int(sys.argv[2]))
except OSError:
    sys.exit(125)
s.setsockopt(socket.IPPROTO_IP, 11, 1)
s.connect((sys.argv[1], 0))
for _ in range(3):
    try:
        s.send(b"\\0\\0kana&=")
    except PermissionError:
        pass
    until = time.monotonic() + 0.9
    while select.select([s], [], [], max(0, until - time.monotonic()))[0]:
        data = s.recv(128)
        if data[(data[0] & 15) * 4:] == b"\\0\\0kanae!":
            sys.exit(0)
sys.exit(124)
"""
ASK_PERL: Final = """\
use strict; use Socket;
my ($address, $protocol) = @ARGV;
socket(my $s, PF_INET, SOCK_RAW, $protocol) or exit 125;
setsockopt($s, 0, 11, 1);
connect($s, sockaddr_in(0, inet_aton($address))) or die "$!\\n";
my $all = ""; vec($all, fileno($s), 1) = 1;
for (1 .. 3) {
  defined send($s, "\\0\\0kana&=", 0) or $! == 1 or die "$!\\n";
  my ($ready, $left) = (1, 0.9);
  while (($ready, $left) = select(my $now = $all, undef, undef, $left), $ready > 0) {
    defined recv($s, my $data, 128, 0) or die "$!\\n";
    exit 0 if substr($data, (ord($data) & 15) * 4) eq "\\0\\0kanae!";
  }
}
exit 124;
"""
