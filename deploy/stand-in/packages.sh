#!/bin/sh
# Installs the Debian packages that build and run the stand-ins, or names those that are missing. Needs root.
set -eu

[ "$(id -u)" = 0 ] || { echo "headgate: containers are built and run as root here" >&2; exit 1; }
packages=
want() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
want podman podman
want buildah buildah
want debootstrap debootstrap
want crun crun
want iptables iptables
want catatonit catatonit
[ -x /usr/lib/podman/netavark ] || packages="$packages netavark"
[ -x /usr/lib/podman/aardvark-dns ] || packages="$packages aardvark-dns"
[ -n "$packages" ] || exit 0

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! { apt-get update -qq && apt-get install -qq -y --no-install-recommends $packages; } >/dev/null; then
    echo "headgate: these Debian packages are needed and could not be installed:$packages" >&2
    exit 1
fi
