#!/bin/sh
# The same calls by HTTPie (https://httpie.io). GATEWAY is where the gateway listens.
set -eu
gateway=${GATEWAY:-http://127.0.0.1:8000}

http --check-status --ignore-stdin POST "$gateway/applications" "Idempotency-Key: $(date +%s%N)" \
    user_name=Анна description='A pass for the reading room'
http --check-status --ignore-stdin POST "$gateway/applications/batch" \
    '[0][user_name]=Anna' '[0][description]=one' '[1][user_name]=Boris' '[1][description]=two'
http --check-status --ignore-stdin GET "$gateway/applications" user_name==Анна size==2
http --check-status --ignore-stdin GET "$gateway/healthz"
