#!/bin/sh
# Builds the Dockerfile as it stands, on the stand-ins. Needs root and buildah, which gets the arguments.
set -eu
cd "$(dirname "$0")/../.."
trust=/etc/ssl/certs/ca-certificates.crt
buildah bud --isolation chroot --network host --format docker --volume "$trust:$trust:ro" \
    --build-arg COMMIT="$(git rev-parse HEAD)" --tag headgate:latest "$@" .
