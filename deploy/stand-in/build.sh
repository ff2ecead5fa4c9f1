#!/bin/sh
# Makes the stand-ins for the images that Dockerfile and docker-compose.yaml name, under those very names, on a Debian
# machine whose packages can be had but whose image registry cannot. Needs root, podman, buildah and debootstrap.
set -eu
cd "$(dirname "$0")"

trust=/etc/ssl/certs/ca-certificates.crt
build() { # NAME FOLDER
    buildah bud --isolation chroot --network host --volume "$trust:$trust:ro" --tag "$1" "$2"
}

podman image exists debian:forky || ./debian.sh
build python:3.13-slim python
build postgres:18 postgres
build redis:8 redis

kafka=$(mktemp -d)
trap 'rm -rf "$kafka"' EXIT
cp kafka/* "$kafka"
mkdir "$kafka/libs"
(cd ../.. && scripts/uv run python -c 'from devstack.kafka.jars import class_path; print(class_path())') | tr : '\n' | xargs cp -t "$kafka/libs"
build apache/kafka:4.4.0 "$kafka"
