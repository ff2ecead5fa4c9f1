#!/bin/sh
# The calls of the gateway by curl. GATEWAY is where it listens.
set -eu
gateway=${GATEWAY:-http://127.0.0.1:8000}
json='content-type: application/json'

echo 'Submit one; the same Idempotency-Key again would get the same answer'
curl -sS --fail-with-body "$gateway/applications" -H "$json" -H "Idempotency-Key: $(date +%s%N)" \
    -d '{"user_name": "Анна", "description": "A pass for the reading room"}'
printf '\n\nSubmit many, one JSON object a line\n'
printf '%s\n' '{"user_name": "Anna", "description": "one"}' '{"user_name": "Boris", "description": "two"}' |
    curl -sS --fail-with-body "$gateway/applications/batch" -H 'content-type: application/x-ndjson' --data-binary @-
printf '\n\nThe newest of one user\n'
curl -sS --fail-with-body -G "$gateway/applications" --data-urlencode 'user_name=Анна' -d size=2
printf '\n\nHow it is\n'
curl -sS --fail-with-body "$gateway/healthz"
echo
