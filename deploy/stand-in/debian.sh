#!/bin/sh
# Makes the image debian:forky from Debian's packages, by the mirror that this machine's apt uses. Needs root.
set -eu

suite=forky
arch=${DEBIAN_ARCH:-$(dpkg --print-architecture)}
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v -e security | grep -m1 debian)}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --arch="$arch" --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" /usr/share/debootstrap/scripts/sid
# A mirror may be a snapshot, whose index is older than its date of expiry.
echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/snapshot"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" -c . | podman import --arch "$arch" - "debian:$suite"
