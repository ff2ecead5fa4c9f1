#!/bin/sh
# Builds Dockerfile and runs docker-compose.yaml as they stand, submits an application, looks for it everywhere, stops
# the services and looks at their exit codes. `--redis` does it with the rate limit in Redis. Needs root; some minutes.
set -eu
cd "$(dirname "$0")/../.."
inside=deploy/stand-in/inside.sh
compose=deploy/stand-in/compose.sh
export GATEWAY_PORT=28000 WORKER_WEB_PORT=26066 KAFKA_PORT=29092
profile=
if [ "${1:-}" = --redis ]; then
    profile="--profile redis"
    export RATE_LIMIT_STORAGE=redis://redis:6379/0
fi
gateway=http://127.0.0.1:$GATEWAY_PORT

say() { printf '== %s\n' "$*"; }
until_true() { # WHAT COMMAND…: polls for a minute
    what=$1
    shift
    tries=60
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { say "NOT $what"; exit 1; }
        sleep 1
    done
    say "$what"
}
counted() { curl -fsS -m 5 "http://127.0.0.1:$WORKER_WEB_PORT/api/metrics" ${token:+-H "$token"} | grep -q '"total":1,'; }
logged() { $inside podman logs headgate_worker-journal_1 2>&1 | grep -q "$id"; }
code_of() { $inside podman inspect --format '{{.State.ExitCode}}' "headgate_$1_1"; }

deploy/stand-in/packages.sh
for image in python:3.13-slim postgres:18 redis:8 apache/kafka:4.4.0; do
    podman image exists "$image" || { deploy/stand-in/build.sh; break; }
done
deploy/stand-in/image.sh
deploy/image-size $inside podman
say "$($inside podman run --rm headgate:latest --version)"
trap '$compose $profile down --volumes >/dev/null 2>&1' EXIT
$compose $profile up --detach
for service in gateway worker-journal worker-metrics; do
    until_true "$service is healthy" $inside podman healthcheck run "headgate_${service}_1"
done
answer=$(curl -fsS -m 10 "$gateway/applications" -H 'content-type: application/json' \
    -d '{"user_name": "ada", "description": "A bridge over the river"}')
say "$answer"
id=$(printf '%s' "$answer" | sed 's/.*"id":"\([^"]*\)".*/\1/')
until_true "it is in the list" sh -c "curl -fsS -m 10 $gateway/applications | grep $id"
until_true "the journal has it" logged
until_true "the metrics count it" counted
[ -z "$profile" ] || until_true "Redis keeps the rate limit" sh -c "$inside podman exec headgate_redis_1 redis-cli dbsize | grep -v '^0'"
# As long as the compose file gives them: podman does not know its stop_grace_period.
$inside podman stop --time 35 headgate_gateway_1 headgate_worker-journal_1 headgate_worker-metrics_1 >/dev/null
for service in migrate topics gateway worker-journal worker-metrics; do
    code=$(code_of "$service")
    [ "$code" = 0 ] && continue
    $inside podman logs --tail 20 "headgate_${service}_1"
    say "$service ended with exit code $code"
    exit 1
done
say "all services ended with exit code 0"
