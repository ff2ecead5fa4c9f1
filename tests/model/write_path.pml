/*
 * The protocol of the write path: two gateways, two batches of one user, one partition.
 *
 * Every step is one atomic action of a gateway (writer, publisher, lease, recovery), of PostgreSQL, of Kafka, of the
 * network or of time, and every interleaving of them is tried. Names follow the code: docs/model.md has the table.
 *
 * Time is counted in ticks. A tick cannot pass while a *living* process has something to do that is due (no process
 * is paused), nor while bytes of an aborted or dead producer are older than the settle wait with the broker answering
 * (the named assumption). A database or a broker that is away is silent: it may still carry out what had reached it.
 *
 * Budgets (-D…=n) bound how often things go wrong, so that every run ends; the last process then looks at the end.
 * Mutations (-DNO_…) take one rule out; tests/model/test_model.py expects an error from each.
 */

#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef DATABASE_AWAY /* silent for both gateways */
#define DATABASE_AWAY 0
#endif
#ifndef CUT_OFF /* silent for one gateway, while the other goes on */
#define CUT_OFF 0
#endif
#ifndef BROKER_AWAY
#define BROKER_AWAY 0
#endif
#ifndef UNKNOWN /* connections cut in mid-statement while the database is there */
#define UNKNOWN 0
#endif
#ifndef FOLLOWER_AWAY /* records above the high watermark, hidden from readers for a while */
#define FOLLOWER_AWAY 0
#endif
#ifndef SPILLS /* batches that find the publisher's memory full */
#define SPILLS 0
#endif

#define BATCHES 2
#define LEASES 8 /* 0 is "none"; a number is used again once its lease is drained and nothing names it */
#define NOBODY 2

/* Ticks. Sending stops at LEASE - REQUEST_TIMEOUT; the claimant waits LEASE, then SETTLE. */
#define REQUEST_TIMEOUT 1
#define LEASE 2
#define FENCE (LEASE - REQUEST_TIMEOUT)
#define SETTLE 2

/* outbox row of a batch */
#define ABSENT 0
#define PRESENT 1
#define TOMBSTONE 2
#define DELETED 3

/* the committing statement at PostgreSQL */
#define NO_STATEMENT 0
#define RUNNING 1
#define COMMITTED 2
#define REFUSED 3

/* Writer, for each batch */
#define WAITS_FOR_CLIENT 0
#define COMMITTING 1
#define SETTLING 2
#define ANSWERED 3

/* Publisher */
#define MEMORY 0
#define BACKLOG 1
#define WAITING 2
#define CONDEMNED 3 /* the lease is given up: what was handed over is reconciled by whoever drains it */
#define FENCED 4

/* a batch in the publisher's memory */
#define OUT 0
#define QUEUED 1
#define HANDED 2
#define CONFIRMED 3

/* a produce request under way: +1 once it has aged one tick */
#define NO_SEND 0
#define SENT 1
#define APPENDED 3

/* Lease */
#define DRAINED 0 /* its row is deleted */
#define HELD 1
#define CLAIMED 2

/* Recovery */
#define IDLE 0
#define SETTLE_FIRST 1
#define RESEND 2

/* PostgreSQL */
byte row[BATCHES], row_lease[BATCHES];
bool application[BATCHES];
byte statement[BATCHES], statement_lease[BATCHES];
byte lease[LEASES], claimed_by[LEASES], former[LEASES], silent[LEASES];
bool away[2];          /* the database, as gateway g sees it */
#ifdef KEYED
byte key_winner = NOBODY; /* both batches carry the same Idempotency-Key */
#endif
#ifdef RETENTION /* another partition: others write to it, these gateways do not, and then retention empties it */
bool others_wrote, emptied;
bool reached[2], position[BATCHES];  /* gateway g, and what its statement carries, knows of what the others wrote */
#endif

/* Kafka: one partition. Strays are bytes of a producer that is aborted or dead. */
bool broker_away, follower_away;
bool on_topic[BATCHES], visible[BATCHES];
byte stray[BATCHES];   /* 0 none, 1 fresh, 2 one tick old, 3 held for ever (mutation) */
bool stray_behind;     /* batch 1's stray has the sequence number after batch 0's stray */

/* gateway processes */
bool alive[2];
byte my_lease[2], unrenewed[2];
byte writer[BATCHES], home[BATCHES];
byte publisher[2], cursor[2], last_committed[2];
byte memory[4], send[4];  /* index g * BATCHES + b */
bool behind[2];        /* batch 1 was handed while batch 0 was under way at the same producer */
byte recovery[2], settle_recovery[2], recovering[2], missing[2], drained_rows[2], resend[2], resent[2];

/* what was promised */
bool accepted[BATCHES], first_before_second;

/* budgets */
#ifdef NO_FULL_LEASE
bool early_claim;
#endif
byte crashes = CRASHES, database_away = DATABASE_AWAY, cut_offs = CUT_OFF, broker_aways = BROKER_AWAY, unknowns = UNKNOWN;
byte follower_aways = FOLLOWER_AWAY, spills = SPILLS;

#define REACHES(g) (alive[g] && !away[g])
#define HOLDS(g) (alive[g] && publisher[g] <= WAITING)
#define READY(g) (HOLDS(g) && !away[g])
#define SENDS(g) (alive[g] && (publisher[g] == MEMORY || publisher[g] == BACKLOG))
#define AT(g, b) ((g) * BATCHES + (b))
#define UNDER_WAY(g) (send[AT(g, 0)] || send[AT(g, 1)])
#define GONE(l) (lease[l] == DRAINED)
#define BUSY(b, g) (home[b] == (g) && (writer[b] == COMMITTING || writer[b] == SETTLING))
#define NOT_CLAIMED(b) (lease[statement_lease[b]] == HELD)

#ifdef NO_LOG_END /* rule 8: reads to the high watermark and takes what it does not see for missing */
#define TOPIC_READABLE (!broker_away)
#else
#define TOPIC_READABLE (!broker_away && !follower_away)
#endif

hidden byte i;

/* ---- what Kafka does ------------------------------------------------------------------------------------------- */

inline append(b) {
    assert(application[b]);                                           /* nothing without its row */
    assert(!on_topic[b]);                                             /* nothing twice */
    assert(!(b == 1 && first_before_second && !on_topic[0]));         /* order per user */
    on_topic[b] = true;
    visible[b] = !follower_away;
    first_before_second = first_before_second && !on_topic[0]
}

inline lose_producer(s, b) {  /* the request leaves its producer's hands; its bytes may still arrive */
    if
    :: s == SENT || s == SENT + 1 -> stray[b] = 1
    :: else
    fi;
    s = NO_SEND
}

inline abort_publisher(g) {
    if
    :: behind[g] && send[AT(g, 0)] && send[AT(g, 0)] <= SENT + 1 -> stray_behind = true
    :: else
    fi;
    lose_producer(send[AT(g, 0)], 0);
    lose_producer(send[AT(g, 1)], 1);
    behind[g] = false
}

inline abort_recovery(g) {
    if
    :: resend[g] -> lose_producer(resend[g], resent[g])
    :: else
    fi;
    resent[g] = 0
}

/* ---- Writer ---------------------------------------------------------------------------------------------------- */

#ifdef BISECTED /* one commit with both, refused for content: each half is committed by itself, and the first may come back */
#define BEFORE_SECOND (accepted[0] || writer[0] == WAITS_FOR_CLIENT)
#define COMES_BACK(b) \
    :: d_step { alive[g] && home[b] == g && writer[b] == COMMITTING && away[g] && statement[b] == RUNNING -> \
        writer[b] = WAITS_FOR_CLIENT; statement[b] = NO_STATEMENT; statement_lease[b] = 0 }
#else
#define BEFORE_SECOND (accepted[0])
#define COMES_BACK(b)
#endif

inline submit(b, g) {
    home[b] = g;
    writer[b] = COMMITTING;
#ifdef NO_KEY_IN_BATCH /* rule 6: the key is won by a statement of its own, before the rows */
    key_winner = (key_winner == NOBODY -> b : key_winner);
#endif
    statement[b] = RUNNING;
    statement_lease[b] = my_lease[g];
#ifdef RETENTION
    position[b] = reached[g];
#endif
    if
    :: b == 1 -> first_before_second = (BEFORE_SECOND && home[0] == g && !on_topic[0])
    :: else
    fi
}

#ifdef NO_WHOLE_BACK /* rule 18: the second half is committed although the first came back */
#define FIRST_IS_THROUGH (home[0] != NOBODY)
#else
#define FIRST_IS_THROUGH (writer[0] != WAITS_FOR_CLIENT)
#endif

#ifdef NO_LEASE_FENCE /* rule 5: the insert does not ask for the lease */
#define UNDER_ITS_LEASE(b) (true)
#else
#define UNDER_ITS_LEASE(b) (lease[statement_lease[b]] == HELD)
#endif

inline execute(b) {  /* one transaction: rows, outbox row, lease fence; a tombstone makes it fail as a whole */
    if
    :: row[b] == TOMBSTONE || !UNDER_ITS_LEASE(b) -> statement[b] = REFUSED
#ifdef KEYED
    :: else -> statement[b] = COMMITTED;
        if
        :: key_winner == NOBODY || key_winner == b ->
            key_winner = b;
            row[b] = PRESENT; row_lease[b] = statement_lease[b]; application[b] = true
        :: else
        fi
#else
    :: else -> statement[b] = COMMITTED;
        row[b] = PRESENT; row_lease[b] = statement_lease[b]; application[b] = true
#endif
    fi;
    if
    :: writer[b] == ANSWERED -> statement[b] = NO_STATEMENT; statement_lease[b] = 0
    :: writer[b] == SETTLING -> statement[b] = NO_STATEMENT
    :: else
    fi
}

inline accept(b, g) {  /* 201, then the publisher: in order, from memory or spilled */
    writer[b] = ANSWERED;
    statement[b] = NO_STATEMENT;
#ifdef KEYED
    assert(application[key_winner]);                                  /* the replayed answer names a stored row */
    accepted[b] = (key_winner == b)
#else
    assert(application[b]);                                           /* 201 means durable */
    accepted[b] = true
#endif
}

#ifdef NO_WINNERS_ONLY /* rule 6: what lost against an idempotency key is published with the rest */
#define TO_PUBLISH(b) (true)
#elif defined(KEYED)
#define TO_PUBLISH(b) (key_winner == (b))
#else
#define TO_PUBLISH(b) (true)
#endif

#ifdef NO_SPILL_ORDER /* rule 3: once one batch is spilled, all later ones are */
#define FROM_MEMORY(g) (publisher[g] == MEMORY || publisher[g] == BACKLOG)
#else
#define FROM_MEMORY(g) (publisher[g] == MEMORY)
#endif

inline enqueue(b, g, memory_is_full) {
    if
    :: !TO_PUBLISH(b) || statement_lease[b] != my_lease[g] || !HOLDS(g)
        /* lost the key, or the lease after the commit: whoever drains that lease publishes */
    :: else ->
        if
        :: !memory_is_full && FROM_MEMORY(g) -> memory[AT(g, b)] = QUEUED
        :: else
        fi;
        if
        :: memory[AT(g, b)] == QUEUED && cursor[g] == last_committed[g] -> cursor[g] = b + 1
        :: else
        fi;
        if
        :: last_committed[g] < b + 1 -> last_committed[g] = b + 1
        :: else
        fi;
        if
        :: publisher[g] == MEMORY && cursor[g] < last_committed[g] -> publisher[g] = BACKLOG
        :: else
        fi
    fi
}

inline drop_statement(b) {
    if
    :: statement[b] != RUNNING -> statement[b] = NO_STATEMENT
    :: else
    fi
}

/* ---- Publisher ------------------------------------------------------------------------------------------------- */

inline hand(g, b) {
    send[AT(g, b)] = SENT;
    memory[AT(g, b)] = HANDED;
    if
    :: b == 1 && send[AT(g, 0)] -> behind[g] = true
    :: else
    fi
}

inline read_back(g) {  /* the next row past the cursor; without one the reader is past what it was told of */
    i = cursor[g];
    do
    :: i < BATCHES && !(row[i] == PRESENT && row_lease[i] == my_lease[g] && memory[AT(g, i)] == OUT) -> i++
    :: else -> break
    od;
    if
    :: i < BATCHES -> memory[AT(g, i)] = QUEUED; cursor[g] = i + 1
    :: else -> cursor[g] = last_committed[g]
    fi;
    if
    :: cursor[g] >= last_committed[g] -> publisher[g] = MEMORY
    :: else
    fi
}

inline forget(g) {  /* the process keeps nothing but its writer's open statements */
    memory[AT(g, 0)] = OUT; memory[AT(g, 1)] = OUT;
    cursor[g] = 0; last_committed[g] = 0;
    recovery[g] = IDLE; settle_recovery[g] = 0; recovering[g] = 0; missing[g] = 0; drained_rows[g] = 0;
    unrenewed[g] = 0
}

/* ---- Lease ----------------------------------------------------------------------------------------------------- */

inline unused_number() {
    i = 1;
    do
    :: i < LEASES && lease[i] != DRAINED -> i++
    :: else -> break
    od;
    assert(i < LEASES)
}

inline take_lease(g, before) {
    unused_number();
    former[i] = before;
    lease[i] = HELD;
    my_lease[g] = i;
    unrenewed[g] = 0;
#ifdef NO_WAIT_FOR_FORMER /* rule 7: a new lease publishes before its former one is drained */
    publisher[g] = MEMORY
#else
    publisher[g] = (GONE(before) -> MEMORY : WAITING)
#endif
}

inline lose_lease(g, why) {  /* nothing is sent or committed under it any more; a new one names it as its former */
    abort_publisher(g);
    abort_recovery(g);
    forget(g);
    publisher[g] = why
}

inline condemn(g) {
#ifdef NO_RECONCILE_OWN /* rule 2: what failed is taken for not written, and handed to a new producer */
    abort_publisher(g);
    memory[AT(g, 0)] = (memory[AT(g, 0)] == HANDED -> QUEUED : memory[AT(g, 0)]);
    memory[AT(g, 1)] = (memory[AT(g, 1)] == HANDED -> QUEUED : memory[AT(g, 1)])
#else
    lose_lease(g, CONDEMNED)
#endif
#ifdef NO_ABORT /* rule 1: the failed producer is stopped, which flushes what it holds, sometime */
    stray[0] = (stray[0] -> 3 : 0);
    stray[1] = (stray[1] -> 3 : 0);
#endif
}

inline crash(g) {
    crashes--;
    abort_publisher(g);
    abort_recovery(g);
    forget(g);
    publisher[g] = MEMORY;
    alive[g] = false;
    my_lease[g] = 0;
    i = 0;
    do
    :: i < BATCHES ->
        if
        :: BUSY(i, g) -> writer[i] = ANSWERED; drop_statement(i)  /* the client saw a broken connection */
        :: else
        fi;
        if
        :: home[i] == g -> home[i] = NOBODY
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

/* ---- Recovery -------------------------------------------------------------------------------------------------- */

#define ORPHAN(l, g) ( \
    (lease[l] == HELD && ((l) == former[my_lease[g]] || EXPIRED(l))) || \
    (lease[l] == CLAIMED && (OTHERS_TOO || lease[claimed_by[l]] != HELD)))

#ifdef NO_FULL_LEASE /* rule 7: judged by a clock that may be ahead, not by the counter */
#define EXPIRED(l) (silent[l] >= LEASE || !early_claim)
#else
#define EXPIRED(l) (silent[l] >= LEASE)
#endif

#ifdef NO_SINGLE_OWNER /* rule 7: the claim dies with its connection, so a second claimant gets in */
#define OTHERS_TOO (true)
#else
#define OTHERS_TOO (false)
#endif

inline claim(g, l) {
#ifdef NO_FULL_LEASE
    early_claim = early_claim || (silent[l] < LEASE && l != former[my_lease[g]]);
#endif
    lease[l] = CLAIMED;
    silent[l] = 0;
    claimed_by[l] = my_lease[g]
}

inline begin(g, l) {
    recovering[g] = l;
    recovery[g] = SETTLE_FIRST;
#ifdef NO_SETTLE /* rule 8 */
    settle_recovery[g] = 0
#else
    settle_recovery[g] = SETTLE
#endif
}

inline reconcile(g) {
    i = 0;
    do
    :: i < BATCHES ->
        if
        :: row[i] == PRESENT && row_lease[i] == recovering[g] ->
            drained_rows[g] = drained_rows[g] | (1 << i);
            if
#ifdef NO_RECONCILE /* rule 2: what is read back is sent without asking Kafka */
            :: true -> missing[g] = missing[g] | (1 << i)
#else
            :: !visible[i] -> missing[g] = missing[g] | (1 << i)
            :: else
#endif
            fi
        :: else
        fi;
        i++
    :: else -> break
    od;
    recovery[g] = RESEND
}

#ifdef RETENTION /* rule 9: what a position points at is gone: no guess, the drain is stopped */
#define STOPPED(b) (row[b] == PRESENT && row_lease[b] == recovering[g] && emptied && !position[b])
#define STARTS_AT_ITS_POSITIONS(g) (!STOPPED(0) && !STOPPED(1))
#define NAMES_WHAT_GOES(b) ((row[b] == PRESENT || statement[b]) && !position[b])
#else
#define STARTS_AT_ITS_POSITIONS(g) (true)
#endif

#ifdef NO_FRESH_POSITIONS /* rule 16: positions are learned at the start, and then only from acknowledgements */
#define READS_AGAIN(g) (false)
#define READ_AGAIN(g) (true)
#else
#define READS_AGAIN(g) (alive[g] && !broker_away && others_wrote && !reached[g])
#define READ_AGAIN(g) (!alive[g] || reached[g])
#endif

inline unname(which, l) { which = (which == l -> 0 : which) }

inline delete_lease(l) {  /* whatever named it finds nothing from now on */
    lease[l] = DRAINED;
    silent[l] = 0; former[l] = 0; claimed_by[l] = 0;
    i = 1;
    do
    :: i < LEASES -> unname(former[i], l); unname(claimed_by[i], l); i++
    :: else -> break
    od;
    unname(statement_lease[0], l); unname(statement_lease[1], l);
    unname(row_lease[0], l); unname(row_lease[1], l);
    unname(my_lease[1 - g], l)
}

inline drain(g) {  /* rows, tombstones and the lease go in one statement */
    i = 0;
    do
    :: i < BATCHES ->
        if
        :: drained_rows[g] & (1 << i) -> row[i] = DELETED
        :: row[i] == TOMBSTONE && row_lease[i] == recovering[g] -> row[i] = ABSENT
        :: else
        fi;
        i++
    :: else -> break
    od;
    delete_lease(recovering[g]);
    recovery[g] = IDLE; recovering[g] = 0; drained_rows[g] = 0
}

/* ---- the processes --------------------------------------------------------------------------------------------- */

#define WRITE(b) \
    :: d_step { REACHES(g) && home[b] == g && writer[b] == COMMITTING && statement[b] == COMMITTED -> \
        accept(b, g); enqueue(b, g, false); statement_lease[b] = 0 } \
    :: d_step { REACHES(g) && home[b] == g && writer[b] == COMMITTING && statement[b] == COMMITTED && spills -> \
        spills--; accept(b, g); enqueue(b, g, true); statement_lease[b] = 0 } \
    :: d_step { REACHES(g) && home[b] == g && writer[b] == COMMITTING && statement[b] == REFUSED -> \
        writer[b] = ANSWERED; statement[b] = NO_STATEMENT; statement_lease[b] = 0 } \
    :: d_step { alive[g] && home[b] == g && writer[b] == COMMITTING && away[g] -> \
        writer[b] = SETTLING; drop_statement(b) } \
    :: d_step { REACHES(g) && home[b] == g && writer[b] == COMMITTING && unknowns -> \
        unknowns--; writer[b] = SETTLING; drop_statement(b) } \
    :: d_step { REACHES(g) && home[b] == g && writer[b] == SETTLING && NOT_CLAIMED(b) && row[b] == PRESENT -> \
        accept(b, g); enqueue(b, g, false); statement_lease[b] = 0 } \
    :: d_step { REACHES(g) && home[b] == g && writer[b] == SETTLING && NOT_CLAIMED(b) && row[b] == ABSENT -> \
        SETTLE_BY_WRITE(b); writer[b] = ANSWERED; statement_lease[b] = (statement[b] == RUNNING -> statement_lease[b] : 0) } \
    :: d_step { REACHES(g) && home[b] == g && writer[b] == SETTLING && !NOT_CLAIMED(b) -> \
        writer[b] = ANSWERED; statement_lease[b] = (statement[b] == RUNNING -> statement_lease[b] : 0) }

#ifdef NO_SETTLING_WRITE /* rule 4: a look-up, while the old backend may still be running */
#define SETTLE_BY_WRITE(b) skip
#else
#define SETTLE_BY_WRITE(b) row[b] = TOMBSTONE; row_lease[b] = statement_lease[b]
#endif

#ifdef NO_KEPT_TOMBSTONE /* rule 21: a tombstone goes like a row that owes nothing, before its lease ends */
#define TOMBSTONE_GOES(b) :: d_step { row[b] == TOMBSTONE -> row[b] = ABSENT; row_lease[b] = 0 }
#else
#define TOMBSTONE_GOES(b)
#endif

#define PUBLISH(b) \
    :: d_step { SENDS(g) && memory[AT(g, b)] == QUEUED && !(b == 1 && memory[AT(g, 0)] == QUEUED) -> hand(g, b) } \
    :: d_step { send[AT(g, b)] >= APPENDED && TOPIC_ANSWERS -> send[AT(g, b)] = NO_SEND; memory[AT(g, b)] = CONFIRMED } \
    :: d_step { READY(g) && memory[AT(g, b)] == CONFIRMED -> row[b] = DELETED; memory[AT(g, b)] = OUT } \
    :: d_step { READY(g) && memory[AT(g, b)] == CONFIRMED && row[b] == PRESENT && unknowns -> \
        unknowns--; row[b] = DELETED; FORGET_EARLY(b) } \
    :: d_step { READY(g) && memory[AT(g, b)] == CONFIRMED && row[b] == PRESENT && unknowns -> \
        unknowns--; FORGET_EARLY(b) }

#define TOPIC_ANSWERS (!broker_away && !follower_away)

#ifdef NO_KEEP_CONFIRMED /* rule 2: confirmed ids leave memory before their deletion is known to have committed */
#define FORGET_EARLY(b) memory[AT(g, b)] = OUT
#else
#define FORGET_EARLY(b) skip
#endif

/* A lease is claimed together with whatever it had claimed; its rows wait for its own former lease. */
#define CLAIM(l) \
    :: d_step { READY(g) && l != my_lease[g] && ORPHAN(l, g) -> claim(g, l) } \
    :: d_step { READY(g) && recovery[g] == IDLE && lease[l] == CLAIMED && claimed_by[l] == my_lease[g] && \
        GONE(former[l]) -> begin(g, l) }

/* A lease that was not renewed in the last tick, for whatever reason, ends by the holder's own clock. */
#ifdef NO_FENCE /* rule 7: goes on sending until it is told that its lease is lost */
#define MUST_STOP(g) (READY(g) && lease[my_lease[g]] != HELD)
#else
#define MUST_STOP(g) (HOLDS(g) && unrenewed[g] >= FENCE)
#endif

#ifdef NO_ONE_COMMIT /* rule 3: several commits in flight, and a cursor that passes the open one */
#define ONE_COMMIT(g) (true)
#else
#define ONE_COMMIT(g) (!BUSY(0, g))
#endif

#define ORPHANED(b) (row[b] == PRESENT && lease[row_lease[b]] == DRAINED)

inline adopt_orphans() {  /* outbox rows whose lease is gone get one that anybody may claim */
    unused_number();
    lease[i] = CLAIMED;
    row_lease[0] = (ORPHANED(0) -> i : row_lease[0]);
    row_lease[1] = (ORPHANED(1) -> i : row_lease[1])
}

proctype gateway(byte g) {
end: do
    /* start, and start again after a crash */
#ifdef RETENTION
    :: d_step { !alive[g] && !away[g] -> alive[g] = true; take_lease(g, 0); reached[g] = others_wrote }
#else
    :: d_step { !alive[g] && !away[g] -> alive[g] = true; take_lease(g, 0) }
#endif
    :: d_step { alive[g] && crashes -> crash(g) }

    /* Writer: gathering -> committing -> (settling) -> answered. One commit in flight. */
    :: d_step { READY(g) && writer[0] == WAITS_FOR_CLIENT && g == 0 -> submit(0, g) }
    :: d_step { READY(g) && writer[1] == WAITS_FOR_CLIENT && FIRST_IS_THROUGH && ONE_COMMIT(g) -> submit(1, g) }
    WRITE(0)
    WRITE(1)
    TOMBSTONE_GOES(0)
    TOMBSTONE_GOES(1)
    COMES_BACK(0)
    COMES_BACK(1)

    /* Publisher */
    PUBLISH(0)
    PUBLISH(1)
    :: d_step { READY(g) && publisher[g] == BACKLOG -> read_back(g) }
    :: d_step { UNDER_WAY(g) && !TOPIC_ANSWERS -> condemn(g) }
    :: d_step { READY(g) && publisher[g] == WAITING && GONE(former[my_lease[g]]) ->
        publisher[g] = (cursor[g] < last_committed[g] -> BACKLOG : MEMORY) }
#ifdef RETENTION
    :: d_step { READS_AGAIN(g) -> reached[g] = true }
#endif

    /* Lease */
    :: d_step { MUST_STOP(g) -> lose_lease(g, FENCED) }
    :: d_step { REACHES(g) && publisher[g] >= CONDEMNED -> take_lease(g, my_lease[g]) }

    /* Recovery: claim -> settle -> reconcile -> resend -> delete */
    CLAIM(1)
    CLAIM(2)
    CLAIM(3)
    CLAIM(4)
    CLAIM(5)
    CLAIM(6)
    CLAIM(7)
    :: d_step { READY(g) && (ORPHANED(0) || ORPHANED(1)) -> adopt_orphans() }
    :: d_step { READY(g) && recovery[g] == SETTLE_FIRST && !settle_recovery[g] && TOPIC_READABLE && STARTS_AT_ITS_POSITIONS(g) ->
        reconcile(g) }
    :: d_step { READY(g) && recovery[g] == RESEND && missing[g] && !resend[g] -> 
        resent[g] = (missing[g] & 1 -> 0 : 1); resend[g] = SENT }
    :: d_step { resend[g] >= APPENDED && TOPIC_ANSWERS ->
        missing[g] = missing[g] - (1 << resent[g]); resend[g] = NO_SEND; resent[g] = 0 }
    :: d_step { resend[g] && !TOPIC_ANSWERS ->
        abort_recovery(g); missing[g] = 0; drained_rows[g] = 0; recovery[g] = SETTLE_FIRST; settle_recovery[g] = SETTLE }
    :: d_step { READY(g) && recovery[g] == RESEND && !missing[g] -> drain(g) }
    od
}

#define ARRIVES(b) \
    :: d_step { !broker_away && (send[AT(0, b)] == SENT || send[AT(0, b)] == SENT + 1) && IN_SEQUENCE(0, b) -> \
        append(b); send[AT(0, b)] = send[AT(0, b)] + 2 } \
    :: d_step { !broker_away && (send[AT(1, b)] == SENT || send[AT(1, b)] == SENT + 1) && IN_SEQUENCE(1, b) -> \
        append(b); send[AT(1, b)] = send[AT(1, b)] + 2 } \
    :: d_step { !broker_away && stray[b] && !(b == 1 && stray_behind && stray[0]) -> append(b); stray[b] = 0; stray_ends(b) } \
    :: d_step { stray[b] -> stray[b] = 0; if :: b == 0 && stray_behind -> stray[1] = 0 :: else fi; stray_ends(b) }

/* A producer's second request is refused while its first is missing. */
#define IN_SEQUENCE(g, b) (!((b) == 1 && behind[g] && (send[AT(g, 0)] == SENT || send[AT(g, 0)] == SENT + 1)))
#define RESENT_ARRIVES(g) (!broker_away && (resend[g] == SENT || resend[g] == SENT + 1))

inline stray_ends(b) { stray_behind = (stray[0] && stray[1] -> stray_behind : false) }

inline restart_settling() {  /* rule 8: the wait counts only while the leaders answer */
    settle_recovery[0] = (settle_recovery[0] -> SETTLE : 0); settle_recovery[1] = (settle_recovery[1] -> SETTLE : 0)
}

#define AGED(s) ((s) == SENT + 1 || (s) == APPENDED + 1)
#define FRESH(s) ((s) == SENT || (s) == APPENDED)
#define RENEWS(g) (READY(g) && lease[my_lease[g]] == HELD)
#define HOLDER(l) (RENEWS(0) && my_lease[0] == (l) || RENEWS(1) && my_lease[1] == (l))

#define STOPS_IN_TIME(g) (!MUST_STOP(g))

#ifdef NO_PROMPT_LEADER /* rule 8: the wait counts although the broker does not answer */
#define WAIT_COUNTS (true)
#else
#define WAIT_COUNTS (!broker_away)
#endif

#define UNSURE(g) (HOLDS(g) && (RENEWS(g) -> unrenewed[g] > 0 : unrenewed[g] < FENCE))

#define MAY_TICK ( \
    !AGED(send[0]) && !AGED(send[1]) && !AGED(send[2]) && !AGED(send[3]) && !AGED(resend[0]) && !AGED(resend[1]) && \
    (broker_away || (stray[0] != 2 && stray[1] != 2)) && STOPS_IN_TIME(0) && STOPS_IN_TIME(1))

#define GROWS_SILENT(l) (lease[l] == HELD && (HOLDER(l) -> silent[l] > 0 : silent[l] < LEASE))

#define TICK_MATTERS ( \
    FRESH(send[0]) || FRESH(send[1]) || FRESH(send[2]) || FRESH(send[3]) || FRESH(resend[0]) || FRESH(resend[1]) || \
    (!broker_away && (stray[0] == 1 || stray[1] == 1)) || \
    (WAIT_COUNTS && (settle_recovery[0] || settle_recovery[1])) || \
    GROWS_SILENT(1) || GROWS_SILENT(2) || GROWS_SILENT(3) || GROWS_SILENT(4) || GROWS_SILENT(5) || GROWS_SILENT(6) || GROWS_SILENT(7) || \
    UNSURE(0) || UNSURE(1))

inline older(s) { s = (FRESH(s) -> s + 1 : s) }
inline less(s) { s = (s -> s - 1 : 0) }
inline count_silence(g) {
    if
    :: RENEWS(g) -> unrenewed[g] = 0; silent[my_lease[g]] = 0
    :: HOLDS(g) && !RENEWS(g) && unrenewed[g] < FENCE -> unrenewed[g]++
    :: else
    fi
}

inline tick() {
    older(send[0]); older(send[1]); older(send[2]); older(send[3]); older(resend[0]); older(resend[1]);
    if
    :: !broker_away ->
        stray[0] = (stray[0] == 1 -> 2 : stray[0]); stray[1] = (stray[1] == 1 -> 2 : stray[1])
    :: else
    fi;
    if
    :: WAIT_COUNTS -> less(settle_recovery[0]); less(settle_recovery[1])
    :: else
    fi;
    i = 1;
    do
    :: i < LEASES ->
        if
        :: lease[i] == HELD && !HOLDER(i) && silent[i] < LEASE -> silent[i]++
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0;
    count_silence(0);
    count_silence(1)
}

proctype world() {
end: do
    /* PostgreSQL */
    :: d_step { statement[0] == RUNNING -> execute(0) }
    :: d_step { statement[1] == RUNNING -> execute(1) }
    :: d_step { statement[0] == RUNNING && writer[0] != COMMITTING ->
        statement[0] = NO_STATEMENT; statement_lease[0] = (writer[0] == ANSWERED -> 0 : statement_lease[0]) }
    :: d_step { statement[1] == RUNNING && writer[1] != COMMITTING ->
        statement[1] = NO_STATEMENT; statement_lease[1] = (writer[1] == ANSWERED -> 0 : statement_lease[1]) }
    :: d_step { database_away && !away[0] && !away[1] -> database_away--; away[0] = true; away[1] = true }
    :: d_step { cut_offs && !away[0] && !away[1] -> cut_offs--; away[0] = true }
    :: d_step { cut_offs && !away[0] && !away[1] -> cut_offs--; away[1] = true }
    :: d_step { away[0] || away[1] -> away[0] = false; away[1] = false }

    /* Kafka */
    ARRIVES(0)
    ARRIVES(1)
    :: d_step { RESENT_ARRIVES(0) -> append(resent[0]); resend[0] = resend[0] + 2 }
    :: d_step { RESENT_ARRIVES(1) -> append(resent[1]); resend[1] = resend[1] + 2 }
    :: d_step { broker_aways && !broker_away -> broker_aways--; broker_away = true; restart_settling() }
    :: d_step { broker_away -> broker_away = false }
    :: d_step { follower_aways && !follower_away -> follower_aways--; follower_away = true }
    :: d_step { follower_away -> follower_away = false; visible[0] = on_topic[0]; visible[1] = on_topic[1] }
#ifdef RETENTION
    /* Retention takes far longer than a minute, and keeps what an outbox still names. */
    :: d_step { !others_wrote -> others_wrote = true }
    :: d_step { others_wrote && !emptied && READ_AGAIN(0) && READ_AGAIN(1) && !NAMES_WHAT_GOES(0) && !NAMES_WHAT_GOES(1) ->
        emptied = true }
#endif

    /* time */
    :: d_step { MAY_TICK && TICK_MATTERS -> tick() }
    od
}

/* Every run ends (tests/model checks that there is no cycle), and this is what it must have come to. */
proctype quiet() {
    timeout -> d_step {
        assert(alive[0] && alive[1]);
        assert(application[0] == on_topic[0] && application[1] == on_topic[1]);  /* rows = topic: nothing is lost */
        assert(!accepted[0] || on_topic[0]);
        assert(!accepted[1] || on_topic[1]);
        assert(row[0] != PRESENT && row[1] != PRESENT);                          /* the outbox is empty */
        assert(writer[0] == ANSWERED && writer[1] == ANSWERED)                   /* every client has an answer */
    }
}

init {
    d_step {
        home[0] = NOBODY; home[1] = NOBODY;
        alive[0] = true; take_lease(0, 0);
        alive[1] = true; take_lease(1, 0)
    };
    atomic { run gateway(0); run gateway(1); run world(); run quiet() }
}
