#!/bin/sh
# Builds the Dockerfile for arm64 on a machine of another kind, under emulation; runs it and holds its size. Its images lie
# beside those of this machine. Needs root, Debian's qemu-user-static with binfmt_misc, and some minutes.
set -eu
cd "$(dirname "$0")/../.."
folder=/var/lib/headgate-stand-in-arm64
trust=/etc/ssl/certs/ca-certificates.crt

deploy/stand-in/packages.sh
[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || { echo "headgate: programs for arm64 cannot be run here" >&2; exit 1; }
mkdir -p "$folder"
printf '[storage]\ndriver = "overlay"\nrunroot = "%s/run"\ngraphroot = "%s/images"\n' "$folder" "$folder" >"$folder/storage.conf"
export CONTAINERS_STORAGE_CONF="$folder/storage.conf"
podman image exists debian:forky || DEBIAN_ARCH=arm64 deploy/stand-in/debian.sh
podman image exists python:3.13-slim ||
    buildah bud --isolation chroot --network host --platform linux/arm64 --volume "$trust:$trust:ro" \
        --tag python:3.13-slim deploy/stand-in/python
deploy/stand-in/image.sh --platform linux/arm64
deploy/image-size deploy/stand-in/inside.sh podman
deploy/stand-in/inside.sh podman run --rm --entrypoint uname headgate:latest --machine
deploy/stand-in/inside.sh podman run --rm headgate:latest --version
deploy/stand-in/inside.sh podman run --rm --env DATABASE_URL=postgresql+asyncpg://x@127.0.0.1:1/x headgate:latest migrate ||
    echo "headgate: as it should be, there is no database"
