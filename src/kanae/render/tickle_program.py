"""What balancers of a virtual address run to take its clients along (`render/tickle.py`), in Perl.

Only what comes with Perl itself and its Socket module: perl-base on Debian has nothing like
Time::HiRes, so the clock is /proc/uptime, in hundredths of a second. Numbers that Socket lacks are
Linux's own, the same on all architectures that Kubernetes runs on: 26 is SO_ATTACH_FILTER. The
classic BPF program sees a packet from its IP header on.
"""

from __future__ import annotations

from typing import Final

PROGRAM: Final = r"""#!/usr/bin/perl
#BANNER
# Tells the other balancers who is connected to this one by a virtual address, and has these
# connections reset by whoever gets the address. own=ADDRESS port=PORT... peer=ADDRESS...
# virtual=ADDRESS:UDPPORT...
use strict;
use warnings;
use Socket;

my $LOOK = 0.05;       # seconds between looks whether an address is here
my $LIST = 0.2;        # and between whole lists of clients: a tenth of a processor at most
my $AGAIN = 0.6;       # and between tickles: a client answers one in half a second
my $TICKLES = 3;
my $MISSED = 3;        # who is in none of so many lists of a balancer has gone
my $OLD = 30;          # seconds after which what a silent balancer told is of no use
my $PAIRS = 40_000;    # of one balancer and address, at most
my $IN_PACKET = 140;   # pairs: 1132 bytes, so that no network has to cut it up
my $PACKETS = 64;      # read at a time, so that a flood cannot hold up all else
my $PAUSE = 0.01;      # seconds between announcements of new connections: the same
my $WORD = "ktk1";
my $SYN = 0x02;
my $ACK = 0x10;

my ($own, %balanced, @peers, @virtual);
for (@ARGV) {
    my ($key, $address, $port) = /^(own|port|peer|virtual)=([0-9.]+)(?::(\d+))?$/
        or die "not understood: $_\n";
    if ($key eq "port") { $balanced{pack("n", $address)} = $address; next }
    my $bytes = inet_aton($address) or die "no address: $_\n";
    if ($key eq "own") { $own = $bytes }
    elsif ($key eq "peer") { push @peers, $bytes }
    else { push @virtual, {name => $address, address => $bytes, port => $port, known => {}} }
}
$0 = "kanae-tickle";
$| = 1;

open my $uptime, "<", "/proc/uptime" or die "/proc/uptime: $!\n";

sub now {
    sysseek $uptime, 0, 0;
    sysread $uptime, my $text, 64 or die "/proc/uptime: $!\n";
    return (split " ", $text)[0];
}

# How the kernel's table of connections writes one's own end.
my %ends;
for my $virtual (@virtual) {
    for my $port (values %balanced) {
        $ends{sprintf "%08X:%04X", unpack("L", $virtual->{address}), $port} = $virtual;
    }
    socket($virtual->{lists}, PF_INET, SOCK_DGRAM, 0) or die "UDP: $!\n";
    setsockopt $virtual->{lists}, SOL_SOCKET, SO_RCVBUF, 1 << 20;
    bind($virtual->{lists}, sockaddr_in($virtual->{port}, $own))
        or die "UDP port $virtual->{port}: $!\n";
}
my $run = time;
my $count = 0;

# A pair is a client's address and port, and the balancer's port: 8 bytes.
sub report {
    my ($virtual, @pairs) = @_;
    do {
        my $packet = join "", pack("a4 N N", $WORD, $run, $count), splice @pairs, 0, $IN_PACKET;
        send $virtual->{lists}, $packet, MSG_DONTWAIT, sockaddr_in($virtual->{port}, $_) for @peers;
    } while @pairs;
}

# Connections are listed for a while after the address has gone: its new holder needs the last.
sub list {
    return unless grep { $_->{raw} or $_->{listed} } @virtual;
    open my $table, "<", "/proc/net/tcp" or die "/proc/net/tcp: $!\n";
    my %clients;
    while (my $row = <$table>) {
        my ($end, $client, $port) = $row =~ /^ *\d+: (\S{13}) (\S{8}):(\S{4}) 01 / or next;
        my $virtual = $ends{$end} or next;
        my $address = pack "L", hex $client;
        # What the host has with itself cannot be reset from elsewhere.
        next if $address eq $virtual->{address};
        push @{$clients{$virtual->{name}}}, $address . pack("n", hex $port)
            . pack("n", hex substr $end, 9);
    }
    $count++;
    for my $virtual (@virtual) {
        my $pairs = $clients{$virtual->{name}} || [];
        report($virtual, @$pairs) if @$pairs or $virtual->{raw};
        $virtual->{listed} = @$pairs;
    }
}

sub hear {
    my ($virtual, $now) = @_;
    for (1 .. $PACKETS) {
        defined(my $from = recv $virtual->{lists}, my $packet, 2048, MSG_DONTWAIT) or return;
        my ($port, $peer) = sockaddr_in($from);
        next unless $port == $virtual->{port} and grep { $_ eq $peer } @peers;
        my $size = length($packet) - 12;
        next if $size < 0 or $size > 8 * $IN_PACKET or $size % 8;
        my ($word, $its_run, $its_count) = unpack "a4 N N", $packet;
        next unless $word eq $WORD;
        my $known = $virtual->{known}{$peer};
        $known = $virtual->{known}{$peer} = {run => $its_run, count => 0, pairs => {}}
            unless $known and $known->{run} == $its_run;
        $known->{heard} = $now;
        $known->{count} = $its_count if $its_count > $known->{count};
        my $pairs = $known->{pairs};
        for my $pair (unpack "(a8)*", substr $packet, 12) {
            my ($first, $client) = unpack "C x3 n", $pair;
            next unless $client and $first and $first != 127 and $first < 224;
            next unless $balanced{substr $pair, 6};
            next unless exists $pairs->{$pair} or keys %$pairs < $PAIRS;
            $pairs->{$pair} = $its_count;
        }
    }
}

sub forget {
    my ($virtual, $now) = @_;
    my $all = $virtual->{known};
    for my $peer (keys %$all) {
        my $known = $all->{$peer};
        if ($now - $known->{heard} > $OLD) { delete $all->{$peer}; next }
        my $pairs = $known->{pairs};
        my @gone = grep { $pairs->{$_} <= $known->{count} - $MISSED } keys %$pairs;
        delete @$pairs{@gone};
    }
}

# What is sent from here to an address of this host's own leaves from that address.
sub is_here {
    my ($virtual) = @_;
    socket(my $try, PF_INET, SOCK_DGRAM, 0) or die "UDP: $!\n";
    connect($try, sockaddr_in(9, $virtual->{address})) or return 0;
    return (sockaddr_in(getsockname $try))[1] eq $virtual->{address};
}

# Lets SYNs to the balancer's ports pass, of them 80 bytes: the IP header and most of TCP's.
sub only_new {
    my @ports = sort values %balanced;
    my @code = (
        [0xb1, 0, 0, 0],                                # X = length of the IP header
        [0x50, 0, 0, 13],                               # A = TCP's flags
        [0x54, 0, 0, $SYN | $ACK],
        [0x15, 0, 1 + @ports, $SYN],                    # no SYN alone: none
        [0x48, 0, 0, 2],                                # A = port
        (map { [0x15, @ports - $_, 0, $ports[$_]] } 0 .. $#ports),
        [0x06, 0, 0, 0],
        [0x06, 0, 0, 80],
    );
    return join "", map { pack "S C C L", @$_ } @code;
}

# The kernel puts the IP header before what is sent, with the address that the socket has.
sub open_raw {
    my ($virtual) = @_;
    my $protocol = 6;
    socket(my $raw, PF_INET, SOCK_RAW, $protocol) or die "raw socket: $!\n";
    my $code = only_new();
    setsockopt $raw, SOL_SOCKET, 26, pack("S x![P] P", length($code) / 8, $code)
        or die "filter: $!\n";
    bind($raw, sockaddr_in(0, $virtual->{address})) or return;    # gone again
    return $raw;
}

# Between two lists, so that a request in flight on a connection this young is known as well.
sub announce {
    my ($virtual) = @_;
    my @pairs;
    while (@pairs < $IN_PACKET) {
        defined recv $virtual->{raw}, my $packet, 80, MSG_DONTWAIT or last;
        my $tcp = 4 * (ord($packet) & 15);
        next if length($packet) < $tcp + 14;
        my ($client, $port, $flags) = unpack "n n x9 C", substr $packet, $tcp;
        # Without the filter, at first, there was anything.
        next unless ($flags & ($SYN | $ACK)) == $SYN and $balanced{pack "n", $port};
        push @pairs, substr($packet, 12, 4) . pack "n n", $client, $port;
    }
    report($virtual, @pairs) if @pairs;
    return scalar @pairs;
}

sub tickle {
    my ($virtual) = @_;
    my %pairs = map { %{$_->{pairs}} } values %{$virtual->{known}};
    for (keys %pairs) {
        my ($client, $port, $balanced) = unpack "a4 n n", $_;
        my @header = ($balanced, $port, 0, 0, 0x5000 | $ACK, 0);
        my $summed = pack "a4 a4 n n n n N N n n", $virtual->{address}, $client, 6, 20, @header;
        my $sum = unpack "%32n*", $summed;
        $sum = ($sum & 0xffff) + ($sum >> 16) for 1, 2;
        my $packet = pack "n n N N n n n n", @header, ~$sum & 0xffff, 0;
        send $virtual->{raw}, $packet, MSG_DONTWAIT, sockaddr_in(0, $client);
    }
    return scalar keys %pairs;
}

sub look {
    my ($virtual, $now) = @_;
    if (not is_here($virtual)) {
        return unless delete $virtual->{raw};
        print "$virtual->{name} has left\n";
        $virtual->{listed} = 1;
        list();
        return;
    }
    return if $virtual->{raw} or not $virtual->{raw} = open_raw($virtual);
    forget($virtual, $now);
    $virtual->{left} = $TICKLES;
    $virtual->{next} = $now;
    my @known = map { keys %{$_->{pairs}} } values %{$virtual->{known}};
    printf "%s is here; connections that others had: %d\n", $virtual->{name}, scalar @known;
}

my ($look, $list) = (0, 0);
while (1) {
    my $all = "";
    vec($all, fileno($_), 1) = 1 for grep { $_ } map { @$_{"lists", "raw"} } @virtual;
    select $all, undef, undef, $LOOK;
    my $now = now();
    hear($_, $now) for @virtual;
    if (grep { $_->{raw} and announce($_) } @virtual) { select undef, undef, undef, $PAUSE }
    if ($now >= $look) {
        look($_, $now) for @virtual;
        $look = $now + $LOOK;
    }
    if ($now >= $list) {
        my $began = now();
        list();
        forget($_, $now) for @virtual;
        my $took = now() - $began;
        $list = $now + ($took * 10 > $LIST ? $took * 10 : $LIST);
    }
    for (grep { $_->{raw} and $_->{left} } @virtual) {
        next if $now < $_->{next};
        tickle($_);
        $_->{next} = $now + $AGAIN;
        # What comes from now on is another holder's.
        $_->{known} = {} unless --$_->{left};
    }
}
"""
