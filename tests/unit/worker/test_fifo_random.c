/*
 * Several workers on one model of a FIFO queue, with random events in random order: handlers that fail,
 * replies and deletes that are lost, leases that run out, workers that crash or stand still. Whatever
 * happens, a message is started only when all earlier ones of its group have been handled; and when the
 * faults end, all are handled and deleted.
 *
 * The model is as plain as can be: per message its state, searched from end to end; rules of
 * localaws/sqs_fifo.h.
 */
#include "tests/unit/unit.h"

#include "tests/unit/worker/fake_sqs.h"

enum { GROUPS = 5, ITEMS = 60, WORKERS = 3, RUNNING_MAX = 16, VISIBILITY_MS = 30000, ATTEMPTS = 64 };

struct item {
    bool deleted;
    bool in_flight;
    int64_t until_ms;
    int serial; /* of the newest handle */
    int receives;
    int done;        /* times its handler succeeded */
    int changed_for; /* serial under which its visibility was changed */
};

/* What a receive with an attempt id took. */
struct attempt {
    char id[CORE_ATTEMPT_ID_BYTES];
    int count;
    int items[SQS_BATCH_MAX];
    int serials[SQS_BATCH_MAX];
};

struct worker {
    struct fake fake;
    struct message *running[RUNNING_MAX];
    int running_count;
    int stands_still; /* steps left in which nothing reaches it */
};

static struct item items[ITEMS]; /* item i is of group i % GROUPS, in order */
static struct attempt attempts[ATTEMPTS];
static int next_attempt; /* the oldest is written over */
static struct worker workers[WORKERS];
static struct worker *w; /* whose turn it is */
static int64_t now_ms;
static int serial;
static bool faults;
static unsigned long long g_random;
static long repeated, handed_back, crashed, late; /* so that the test has seen them */

static int below(int n)
{
    g_random ^= g_random << 13;
    g_random ^= g_random >> 7;
    g_random ^= g_random << 17;
    return (int)((g_random >> 11) % (unsigned long long)n);
}

static bool fault(int percent)
{
    return faults && below(100) < percent;
}

static void turn_of(int which)
{
    w = &workers[which];
    g_fake = &w->fake;
    w->fake.now_ms = now_ms;
}

/* "b7" is item 7 of group "b" = 1. */
static int item_of(const char *id)
{
    return (int)strtol(id + 1, NULL, 10);
}

/* ---- SQS ---- */

static bool is_blocked(int group)
{
    for (int i = group; i < ITEMS; i += GROUPS)
        if (items[i].in_flight)
            return true;
    return false;
}

static struct sqs_message *message_of(int i)
{
    char id[16];
    (void)snprintf(id, sizeof id, "%c%d", 'a' + i % GROUPS, i);
    w->fake.serial = items[i].serial - 1; /* the fake counts it up and writes it into the handle */
    return fake_message(&w->fake, id, items[i].receives);
}

static int take_some(int most, int taken[static SQS_BATCH_MAX])
{
    int count = 0;
    int start = below(GROUPS);
    for (int n = 0; n < GROUPS; n++) {
        int group = (start + n) % GROUPS;
        if (is_blocked(group))
            continue;
        for (int i = group; i < ITEMS && count < most; i += GROUPS)
            if (!items[i].deleted)
                taken[count++] = i;
    }
    for (int n = 0; n < count; n++) {
        struct item *item = &items[taken[n]];
        item->in_flight = true;
        item->until_ms = now_ms + VISIBILITY_MS;
        item->serial = ++serial;
        item->receives++;
    }
    return count;
}

/* The same messages again, as long as nobody changed or deleted one; 0: anew. */
static int repeat_attempt(const char *id, int taken[static SQS_BATCH_MAX])
{
    for (int a = 0; a < ATTEMPTS; a++) {
        const struct attempt *attempt = &attempts[a];
        bool good = strcmp(attempt->id, id) == 0;
        for (int n = 0; good && n < attempt->count; n++) {
            struct item *item = &items[attempt->items[n]];
            good = item->in_flight && item->serial == attempt->serials[n] &&
                   item->changed_for != attempt->serials[n];
            taken[n] = attempt->items[n];
        }
        if (!good)
            continue;
        for (int n = 0; n < attempt->count; n++)
            items[taken[n]].until_ms = now_ms + VISIBILITY_MS;
        repeated++;
        return attempt->count;
    }
    return 0;
}

static int receive(const struct core_poll *poll, int taken[static SQS_BATCH_MAX])
{
    int count = repeat_attempt(poll->attempt_id, taken);
    if (count > 0)
        return count;
    count = take_some(poll->asked, taken);
    struct attempt *attempt = &attempts[next_attempt++ % ATTEMPTS];
    memcpy(attempt->id, poll->attempt_id, sizeof attempt->id);
    attempt->count = count;
    for (int n = 0; n < count; n++) {
        attempt->items[n] = taken[n];
        attempt->serials[n] = items[taken[n]].serial;
    }
    return count;
}

static void answer_poll(void)
{
    struct sqs_message *messages[SQS_BATCH_MAX];
    int taken[SQS_BATCH_MAX] = {0};
    struct sqs_receive_reply reply = {.messages = messages};
    struct aws_result result = {.kind = AWS_KIND_OK};
    struct fake *f = &w->fake;
    struct core_poll *poll = f->polls[below(f->poll_count)];
    fake_drop_poll(f, poll);
    int count = fault(5) ? 0 : receive(poll, taken);
    if (fault(15)) { /* the answer is lost */
        result.kind = AWS_KIND_TRANSIENT;
        core_on_receive(&f->core, poll, now_ms, &result, NULL);
        return;
    }
    for (int n = 0; n < count; n++)
        messages[reply.count++] = message_of(taken[n]);
    core_on_receive(&f->core, poll, now_ms, &result, &reply);
}

/* One entry takes effect; false: refused. A FIFO queue deletes by a handle that holds only. */
static bool apply(const struct core_batch *batch, int n)
{
    const char *hash = strchr(batch->handles[n], '#');
    struct item *item = &items[item_of(batch->handles[n])];
    int sent = (int)strtol(hash + 1, NULL, 10);
    if (item->deleted)
        return batch->kind == BATCH_DELETE;
    if (sent != item->serial || !item->in_flight) {
        late++;
        return false;
    }
    if (batch->kind == BATCH_DELETE) {
        ck_assert_int_gt(item->done, 0);
        item->deleted = true;
        item->in_flight = false;
        return true;
    }
    handed_back += batch->kind == BATCH_RELEASE;
    item->changed_for = sent;
    item->until_ms = now_ms + (int64_t)batch->seconds[n] * 1000;
    item->in_flight = batch->seconds[n] > 0;
    return true;
}

static void answer_batch(void)
{
    struct sqs_entry_result results[SQS_BATCH_MAX] = {{.outcome = SQS_ENTRY_OK}};
    struct aws_result result = {.kind = AWS_KIND_OK};
    struct core_batch *batch = fake_pop_batch(&w->fake, below(w->fake.batch_count));
    bool lost = fault(10);
    for (int n = 0; n < batch->count; n++) {
        bool skipped = fault(10);
        bool ok = skipped || (lost && below(2) == 0) ? true : apply(batch, n);
        results[n].outcome = lost      ? SQS_ENTRY_UNKNOWN
                             : skipped ? SQS_ENTRY_RETRYABLE
                             : ok      ? SQS_ENTRY_OK
                                       : SQS_ENTRY_FAILED;
    }
    result.kind = lost ? AWS_KIND_TRANSIENT : AWS_KIND_OK;
    fake_free_handles(batch);
    core_on_batch(&w->fake.core, batch, now_ms, &result, results);
}

/* ---- handler threads ---- */

static void take(void)
{
    struct message *message = fake_take(&w->fake);
    if (message == NULL)
        return;
    int started = item_of(message->first->id);
    for (int i = started % GROUPS; i < started; i += GROUPS)
        ck_assert_msg(items[i].done > 0, "item %d starts before %d was handled", started, i);
    for (int n = 0; n < w->running_count; n++)
        ck_assert_int_ne(item_of(w->running[n]->first->id) % GROUPS, started % GROUPS);
    w->running[w->running_count++] = message;
}

static void finish(void)
{
    int which = below(w->running_count);
    struct message *message = w->running[which];
    w->running[which] = w->running[--w->running_count];
    bool done = !fault(20);
    items[item_of(message->first->id)].done += done;
    message->retry_delay_s = done || below(2) == 0 ? -1 : below(20);
    fake_finish(&w->fake, message, done ? OUTCOME_DONE : below(2) == 0 ? OUTCOME_FAILED : OUTCOME_RETRY);
}

/* ---- workers ---- */

static void start_worker(void)
{
    struct core_settings settings = fake_settings(1 + below(GROUPS + 3));
    settings.fifo = true;
    settings.grace_ms = 600000;
    settings.seed = (uint64_t)below(1 << 30);
    fake_init(&w->fake, &settings);
    w->fake.now_ms = now_ms;
    w->running_count = 0;
}

static void stop_worker(void)
{
    fake_clean_up(&w->fake);
    ck_assert_int_eq(w->fake.live, 0);
}

/* KILL: what is on the wire may arrive yet. */
static void crash(void)
{
    while (w->fake.batch_count > 0 && below(2) == 0)
        answer_batch();
    stop_worker();
    start_worker();
    crashed++;
}

static void let_time_pass(int64_t ms)
{
    now_ms += ms;
    for (int i = 0; i < ITEMS; i++)
        if (items[i].in_flight && items[i].until_ms <= now_ms)
            items[i].in_flight = false;
    for (int n = 0; n < WORKERS; n++) {
        if (workers[n].stands_still > 0)
            continue;
        int64_t end_ms = now_ms;
        turn_of(n);
        w->fake.now_ms = end_ms - ms;
        fake_advance(&w->fake, ms);
    }
}

static void step(void)
{
    turn_of(below(WORKERS));
    if (w->stands_still > 0) {
        w->stands_still--;
        return;
    }
    if (fault(1) && below(10) == 0)
        w->stands_still = 50 + below(200);
    else if (fault(1) && below(5) == 0)
        crash();
    switch (below(7)) {
    case 0:
        let_time_pass(below(10) == 0 ? below(20000) : below(500));
        break;
    case 1:
        if (w->fake.poll_count > 0)
            answer_poll();
        break;
    case 2:
    case 3:
        if (w->fake.batch_count > 0)
            answer_batch();
        break;
    case 4:
    case 5:
        take();
        break;
    default:
        if (w->running_count > 0)
            finish();
        break;
    }
}

static int left(void)
{
    int count = 0;
    for (int i = 0; i < ITEMS; i++)
        count += !items[i].deleted || items[i].done == 0;
    return count;
}

static void run(unsigned long long seed)
{
    g_random = seed * 2654435761ULL + 88172645463325252ULL;
    memset(items, 0, sizeof items);
    memset(workers, 0, sizeof workers);
    memset(attempts, 0, sizeof attempts);
    next_attempt = 0;
    serial = 0;
    faults = true;
    for (int n = 0; n < WORKERS; n++) {
        turn_of(n);
        start_worker();
    }
    for (int n = 0; n < 3000; n++)
        step();
    faults = false;
    for (int n = 0; n < 100000 && left() > 0; n++)
        step();
    ck_assert_msg(left() == 0, "seed %llu: %d messages never came to an end", seed, left());
    for (int n = 0; n < WORKERS; n++) {
        turn_of(n);
        stop_worker();
    }
}

START_TEST(no_message_starts_before_all_earlier_ones_of_its_group_were_handled)
{
    now_ms = 1000000;
    for (long seed = 1; seed <= unit_steps(100); seed++)
        run((unsigned long long)seed);
    ck_assert_int_gt(repeated, 0);
    ck_assert_int_gt(handed_back, 0);
    ck_assert_int_gt(crashed, 0);
    ck_assert_int_gt(late, 0);
}
END_TEST

UNIT_MAIN("fifo_random", no_message_starts_before_all_earlier_ones_of_its_group_were_handled)
