"""What a balancer runs while it hands its clients over (`render/handover.py`), in Perl.

Of Perl only what comes with it and its Socket module, as in `tickle_program`. The kernel tells of
its connections, and ends them, by sock_diag(7); numbers and layouts are those of
linux/sock_diag.h, linux/inet_diag.h and linux/tcp.h, the same on all architectures.
"""

from __future__ import annotations

from typing import Final

PROGRAM: Final = r"""#!/usr/bin/perl
#BANNER
# Waits until the connections to virtual addresses that have moved to another balancer have ended,
# and ends them itself when nothing is under way on them. virtual=ADDRESS... port=PORT...
# most=SECONDS
use strict;
use warnings;
use Socket;

my $LOOK = 0.02;       # seconds between looks at the connections
my $COME = 3;          # until every client has heard who has the address now
my $PATIENT = 60;      # for so long only those are ended that are idle beyond doubt
# Seconds without a byte after which a connection is idle: where the last word was the server's, and
# where it was the client's, who may still wait for an answer. At first, and when it gets late.
my @IDLE = (1, 10);
my @PAUSES = (0.05, 5);

my ($AF_NETLINK, $SOCK_DIAG) = (16, 4);
my ($BY_FAMILY, $DESTROY) = (20, 21);
my ($REQUEST, $ACK, $DUMP) = (1, 4, 0x300);
my ($ERROR, $DONE) = (2, 3);
my ($TCP, $INFO) = (6, 2);
# By the numbers of net/tcp_states.h.
my %STATE = (established => 1, syn_received => 3, fin_wait => 4, close_wait => 8, last_ack => 9,
    closing => 11);

my (%virtual, @ports, $most);
for (@ARGV) {
    my ($key, $value) = /^(virtual|port|most)=([0-9.]+)$/ or die "not understood: $_\n";
    if ($key eq "port") { push @ports, $value }
    elsif ($key eq "most") { $most = $value }
    else { $virtual{inet_aton($value) or die "no address: $_\n"} = $value }
}
die "most=SECONDS is missing\n" unless $most;
$0 = "kanae-hand-over";
$| = 1;

open my $uptime, "<", "/proc/uptime" or die "/proc/uptime: $!\n";

sub now {
    sysseek $uptime, 0, 0;
    sysread $uptime, my $text, 64 or die "/proc/uptime: $!\n";
    return (split " ", $text)[0];
}

# Whether an address is still here: where it was not to be kept there is nothing to wait for.
sub is_here {
    my ($address) = @_;
    socket(my $try, PF_INET, SOCK_DGRAM, 0) or die "UDP: $!\n";
    connect($try, sockaddr_in(9, $address)) or return 0;
    return (sockaddr_in(getsockname $try))[1] eq $address;
}

socket(my $diag, $AF_NETLINK, SOCK_RAW, $SOCK_DIAG) or die "sock_diag: $!\n";
my $asked = 0;

# What is answered, each without its header, and the error's number, or 0.
sub ask {
    my ($type, $flags, $states, $id) = @_;
    my $extensions = 1 << $INFO - 1;
    my $body = pack "C C C x L a48", AF_INET, $TCP, $extensions, $states, $id;
    my $head = pack "L S S L L", 16 + length $body, $type, $REQUEST | $flags, ++$asked, 0;
    defined send $diag, $head . $body, 0 or die "sock_diag: $!\n";
    my @found;
    while (1) {
        defined recv $diag, my $data, 1 << 17, 0 or die "sock_diag: $!\n";
        while (length $data >= 16) {
            my ($size, $kind, undef, $answers) = unpack "L S S L", $data;
            die "sock_diag: an answer of $size bytes\n" if $size < 16 or $size > length $data;
            my $content = substr $data, 16, $size - 16;
            my $whole = $size + 3 & ~3;
            $data = $whole < length $data ? substr $data, $whole : "";
            next unless $answers == $asked;
            return (\@found, 0) if $kind == $DONE;
            return (\@found, -unpack "l", $content) if $kind == $ERROR;
            push @found, $content;
        }
    }
}

# Which connection -> its state, and for how long nothing was sent and nothing has come, in seconds.
sub connections {
    my %found;
    my $states = 0;
    $states |= 1 << $_ for values %STATE;
    for my $port (@ports) {
        my ($told, $error) = ask($BY_FAMILY, $DUMP, $states, pack "n", $port);
        die "sock_diag: error $error\n" if $error;
        for (@$told) {
            my ($state, $id, $attributes) = unpack "x C x2 a48 x20 a*", $_;
            my ($address) = unpack "x4 a4", $id;
            next unless $virtual{$address};
            my ($sent, $received) = (0, 0);
            while (length $attributes >= 4) {
                my ($size, $type) = unpack "S S", $attributes;
                last if $size < 4 or $size > length $attributes;
                ($sent, $received) = unpack "x48 L x4 L", $attributes
                    if $type == $INFO and $size >= 60;
                my $whole = $size + 3 & ~3;
                $attributes = $whole < length $attributes ? substr $attributes, $whole : "";
            }
            $found{$id} = [$state, $sent / 1000, $received / 1000];
        }
    }
    return \%found;
}

sub is_idle {
    my ($sent, $received, @enough) = @_;
    my ($quiet, $enough) = $sent < $received ? ($sent, $enough[0]) : ($received, $enough[1]);
    return $quiet >= $enough;
}

my $began = now();
my (%waited, %ended);
my ($first, $idle, $late, $refused) = (0, 0, 0, 0);
while (grep { is_here($_) } keys %virtual) {
    my $since = now() - $began;
    my $open = connections();
    # What comes later is this host's own: everybody else asks the new holder.
    if ($since < $COME) { $waited{$_} = 1 for keys %$open }
    else { $first ||= 1 }
    my @left = grep { $waited{$_} } keys %$open;
    last if $first and not @left;
    my $over = $since >= $most;
    for (@left) {
        my ($state, $sent, $received) = @{$open->{$_}};
        next unless $state == $STATE{established} or $state == $STATE{close_wait} or $over;
        next if $refused and not $over;
        my $quiet = is_idle($sent, $received, $since < $PATIENT ? @IDLE : @PAUSES);
        next unless $quiet or $over;
        my (undef, $error) = ask($DESTROY, $ACK, 0, $_);
        # Gone meanwhile; or a kernel that cannot do it: they end by themselves, or with the
        # address.
        next if $error == 2;
        if ($error) { print "connections cannot be ended: error $error\n" unless $refused++; next }
        next if $ended{$_}++;
        $quiet ? $idle++ : $late++;
    }
    last if $over;
    select undef, undef, undef, $LOOK;
}
my $all = keys %waited;
my $left = $all - $idle - $late;
printf "%d connections: %d have ended, %d were ended when idle, %d when it was too late\n",
    $all, $left, $idle, $late;
"""
