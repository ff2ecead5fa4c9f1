#!/bin/sh
# `deploy/stand-in/compose.sh up -d` is `docker compose up -d` where there is podman and no Docker engine. Needs root.
set -eu
cd "$(dirname "$0")/../.."
exec deploy/stand-in/inside.sh scripts/uv run --quiet --with podman-compose==1.6.0 \
    podman-compose --podman-path "$PWD/deploy/stand-in/podman" "$@"
