#!/bin/sh
# Prints each application once: what Kafka hands again after a rebalance is told by its header ce_id.
# Needs kcat. The ids are remembered while this runs; for more, see the consumers beside this one.
set -eu

exec kcat -b "${KAFKA_BOOTSTRAP_SERVERS:-127.0.0.1:9092}" \
    -G "${GROUP:-example-kcat}" -X auto.offset.reset=earliest -u -q \
    -f '%h\t%s\n' "${TOPIC:-applications}" |
    awk -F '\t' '
        # Headers come as name=value,name=value; another version is not guessed at.
        $1 ~ /ce_type=/ && $1 !~ /ce_type=headgate\.application\.submitted\.v1(,|$)/ { next }
        $1 ~ /headgate-replayed=/ { next }  # published again on purpose
        match($1, /ce_id=[0-9a-f-]*/) {
            if (seen[substr($1, RSTART, RLENGTH)]++) next
            print $2
            fflush()
        }'
