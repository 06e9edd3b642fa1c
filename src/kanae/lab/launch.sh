# Runs one lab host until it is powered off; in a mount namespace of its own, whose mounts end
# with it. Environment: V1_GROUPS (folders of the host's version 1 control groups), UNIFIED_GROUP
# (of its version 2 group, or empty), NETNS, OVERLAY (mount options), ROOT.
# Arguments: nspawn's own.
set -eu

# Before anything else, so that whatever happens from here on is found by control group.
for group in $V1_GROUPS; do
    echo $$ >"$group/cgroup.procs"
done
if [ -n "$UNIFIED_GROUP" ]; then
    # Beside the host's processes, not among them: version 2 wants inner groups empty.
    mkdir -p "$UNIFIED_GROUP/launcher"
    echo $$ >"$UNIFIED_GROUP/launcher/cgroup.procs"
fi

mount -t overlay kanae-lab -o "$OVERLAY" "$ROOT"
# nspawn's locks and exchange folders: it leaves them behind when it is killed.
mkdir -p /run/systemd/nspawn
mount -t tmpfs kanae-lab /run/systemd/nspawn

while true; do
    status=0
    sh -euc '
        [ -z "$UNIFIED_GROUP" ] || echo $$ >"$UNIFIED_GROUP/cgroup.procs"
        exec nsenter --net="$NETNS" systemd-nspawn "$@"
    ' sh "$@" || status=$?
    # With --keep-unit nspawn ends with this status when the host wants a reboot.
    [ "$status" -eq 133 ] || exit "$status"
    # What a reboot clears: kubelet would wait a minute for the groups of dead containers.
    find $V1_GROUPS $UNIFIED_GROUP -mindepth 1 -depth -type d ! -name launcher -exec rmdir {} +
done
