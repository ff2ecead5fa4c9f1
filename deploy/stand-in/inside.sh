#!/bin/sh
# Runs a command where containers can be started: `deploy/stand-in/inside.sh podman ps`. Needs root. crun refuses hybrid
# cgroups, so this is a mount namespace without them; it is kept, because the containers' networks are mounted in it.
set -eu
namespace=/run/headgate-stand-in
if ! mountpoint -q "$namespace"; then
    mkdir -p "$namespace"
    mount --bind "$namespace" "$namespace"
    mount --make-private "$namespace"
fi
if ! mountpoint -q "$namespace/mnt"; then
    touch "$namespace/mnt"
    unshare --mount="$namespace/mnt" sh -c 'if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi'
fi
export CONTAINERS_CONF="$(dirname "$(realpath "$0")")/containers.conf"
exec nsenter --mount="$namespace/mnt" --wdns="$PWD" "$@"
