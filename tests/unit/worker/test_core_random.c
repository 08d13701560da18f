/*
 * The core against a small model of SQS, with random events in random order: replies late, lost, partial,
 * doubled, leases that run out, all verdicts, with and without a dead-letter queue. Whatever happens: the
 * bounds hold, no message is handled to success twice, none is deleted that was neither handled nor
 * quarantined, none is lost, and a drain leaves none invisible.
 */
#include "tests/unit/unit.h"

#include "tests/unit/worker/fake_sqs.h"
#include "worker/flow.h"

enum { ITEMS = 60, CAPACITY_MAX = 12 };

struct item {
    bool deleted;
    bool in_flight;
    bool failed; /* its handler said so last: it may be invisible for a while */
    int64_t until_ms;
    int serial; /* of the newest handle */
    int receives;
    int done;  /* times its handler succeeded */
    bool dead; /* the DLQ has it */
};

static struct fake f;
static struct item items[ITEMS];
static struct message *running[CAPACITY_MAX];
static int running_count;
static bool faults;
static unsigned long long g_random;

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

static void let_time_pass(int64_t ms)
{
    fake_advance(&f, ms);
    for (int i = 0; i < ITEMS; i++)
        if (items[i].in_flight && items[i].until_ms <= f.now_ms)
            items[i].in_flight = false;
}

static int item_of(const char *text)
{
    return atoi(text + 1);
}

/* ---- SQS ---- */

static struct sqs_message *receive(int i)
{
    char id[16];
    (void)snprintf(id, sizeof id, "i%d", i);
    items[i].receives++;
    items[i].in_flight = true;
    items[i].failed = false;
    items[i].until_ms = f.now_ms + 30000;
    struct sqs_message *message = fake_message(&f, id, items[i].receives);
    items[i].serial = f.serial;
    return message;
}

static void answer_poll(void)
{
    struct sqs_message *messages[SQS_BATCH_MAX];
    struct sqs_receive_reply reply = {.messages = messages};
    struct aws_result result = {.kind = AWS_KIND_OK};
    struct core_poll *poll = f.polls[below(f.poll_count)];
    fake_drop_poll(&f, poll);
    if (fault(10)) {
        result.kind = AWS_KIND_TRANSIENT;
        if (below(2) == 0) /* the reply was lost, its messages are invisible */
            for (int i = 0; i < ITEMS; i++)
                if (!items[i].deleted && !items[i].in_flight && below(4) == 0) {
                    items[i].in_flight = true;
                    items[i].until_ms = f.now_ms + 30000;
                    items[i].serial = -1;
                }
        core_on_receive(&f.core, poll, f.now_ms, &result, NULL);
        return;
    }
    int start = below(ITEMS);
    for (int n = 0; n < ITEMS && (int)reply.count < poll->asked; n++) {
        int i = (start + n) % ITEMS;
        /* At least once: now and then one comes that is in flight, or even deleted. */
        if ((!items[i].deleted && !items[i].in_flight) || fault(2))
            messages[reply.count++] = receive(i);
    }
    core_on_receive(&f.core, poll, f.now_ms, &result, &reply);
}

/* One entry takes effect; false: refused. */
static bool apply(const struct core_batch *batch, int n)
{
    struct item *item = &items[item_of(batch->handles[n])];
    int serial = atoi(strchr(batch->handles[n], '#') + 1);
    bool newest = serial == item->serial;
    if (batch->kind == BATCH_QUARANTINE) {
        item->dead = true;
        return true;
    }
    if (batch->kind == BATCH_DELETE) {
        if (newest)
            *item = (struct item){
                .deleted = true, .done = item->done, .receives = item->receives, .dead = item->dead};
        ck_assert(!newest || item->done > 0 || item->dead); /* never without one of the two */
        return true;
    }
    if (!newest || !item->in_flight)
        return false;
    item->until_ms = f.now_ms + (int64_t)batch->seconds[n] * 1000;
    item->in_flight = batch->seconds[n] > 0;
    return true;
}

static void answer_batch(void)
{
    struct sqs_entry_result results[SQS_BATCH_MAX] = {{.outcome = SQS_ENTRY_OK}};
    struct aws_result result = {.kind = AWS_KIND_OK};
    struct core_batch *batch = fake_pop_batch(&f, below(f.batch_count));
    bool lost = fault(10);
    for (int n = 0; n < batch->count; n++) {
        bool skipped = fault(10);
        bool ok = skipped || (lost && below(2) == 0) ? true : apply(batch, n);
        results[n].outcome = lost      ? SQS_ENTRY_UNKNOWN
                             : skipped ? below(2) == 0 ? SQS_ENTRY_RETRYABLE : SQS_ENTRY_UNKNOWN
                             : ok      ? SQS_ENTRY_OK
                                       : SQS_ENTRY_FAILED;
    }
    result.kind = lost ? AWS_KIND_TRANSIENT : AWS_KIND_OK;
    fake_free_handles(batch);
    core_on_batch(&f.core, batch, f.now_ms, &result, results);
}

/* ---- handler threads ---- */

static void take(void)
{
    struct message *message = fake_take(&f);
    if (message != NULL)
        running[running_count++] = message;
    ck_assert_int_le(running_count, f.core.settings.threads);
}

static void finish(void)
{
    int which = below(running_count);
    struct message *message = running[which];
    struct item *item = &items[item_of(message->first->id)];
    running[which] = running[--running_count];
    bool done = !fault(25);
    enum message_outcome outcome = done            ? OUTCOME_DONE
                                   : below(5) < 3  ? OUTCOME_FAILED
                                   : below(2) == 0 ? OUTCOME_RETRY
                                                   : OUTCOME_REJECTED;
    item->done += done;
    item->failed = !done;
    ck_assert_int_le(item->done, 1);
    fake_finish(&f, message, outcome);
}

static void step(void)
{
    switch (below(6)) {
    case 0:
        let_time_pass(below(10) == 0 ? below(20000) : below(500));
        break;
    case 1:
        if (f.poll_count > 0)
            answer_poll();
        break;
    case 2:
    case 3:
        if (f.batch_count > 0)
            answer_batch();
        break;
    case 4:
        take();
        break;
    default:
        if (running_count > 0)
            finish();
        break;
    }
    if (faults && below(200) == 0)
        core_set_limit(&f.core, f.now_ms, below(CAPACITY_MAX + 1));
}

static void check_bounds(void)
{
    ck_assert_int_le(f.core.held_count + f.core.polled, f.core.settings.threads + FLOW_PREFETCH_MAX);
    ck_assert_int_ge(f.core.held_count, running_count > f.core.held_count ? 0 : running_count);
    ck_assert_int_le(f.core.deletes.batches_on_wire, ACKS_IN_FLIGHT_MAX);
}

static void begin(unsigned long long seed)
{
    g_random = seed * 2654435761ULL + 88172645463325252ULL;
    memset(items, 0, sizeof items);
    running_count = 0;
    faults = true;
    struct core_settings settings = fake_settings(1 + below(CAPACITY_MAX));
    settings.grace_ms = 600000;
    settings.dlq = below(2) == 0;
    settings.max_receives = below(4) == 0 ? 0 : 3 + below(30);
    settings.brake_percent = below(2) * 50;
    fake_init(&f, &settings);
}

static void end(void)
{
    while (running_count > 0)
        finish();
    fake_clean_up(&f);
    ck_assert_int_eq(f.live, 0);
}

START_TEST(nothing_is_lost_and_nothing_succeeds_twice)
{
    for (long seed = 1; seed <= unit_steps(60); seed++) {
        begin((unsigned long long)seed);
        for (int n = 0; n < 1500; n++) {
            step();
            check_bounds();
        }
        faults = false;
        core_set_limit(&f.core, f.now_ms, CAPACITY_MAX);
        int left = ITEMS;
        for (int n = 0; n < 100000 && left > 0; n++) {
            step();
            check_bounds();
            left = 0;
            for (int i = 0; i < ITEMS; i++)
                left += !items[i].deleted || (items[i].done == 0 && !items[i].dead);
        }
        ck_assert_msg(left == 0, "seed %ld: %d messages never came to an end", seed, left);
        end();
    }
}
END_TEST

/* Invisible, not handled, and not because its handler failed a moment ago. */
static int left_invisible(void)
{
    int left = 0;
    for (int i = 0; i < ITEMS; i++)
        left += items[i].in_flight && items[i].until_ms > f.now_ms && !items[i].failed &&
                items[i].done == 0 && !items[i].dead;
    return left;
}

START_TEST(a_drain_at_any_moment_leaves_nothing_invisible)
{
    long checked = 0;
    long handed_back = 0;
    for (long seed = 1; seed <= unit_steps(200); seed++) {
        begin((unsigned long long)seed);
        faults = seed % 4 == 0;
        int steps = below(600);
        for (int n = 0; n < steps; n++)
            step();
        for (int i = 0; i < ITEMS; i++) /* what lost replies took is nobody's to hand back */
            items[i].in_flight = items[i].in_flight && items[i].serial != -1;
        faults = false;
        core_drain(&f.core, f.now_ms, "TERM");
        for (int n = 0; n < 100000 && !core_is_over(&f.core); n++)
            step();
        ck_assert(core_is_over(&f.core));
        ck_assert_int_eq(running_count, 0);
        handed_back += f.core.stats.returned;
        if (f.core.stats.lease_lost == 0) { /* a lost one comes back by its timeout */
            checked++;
            ck_assert_msg(left_invisible() == 0, "seed %ld: %d messages left invisible", seed,
                          left_invisible());
        }
        end();
    }
    ck_assert_int_ge(checked, unit_steps(200) / 4);
    ck_assert_int_ge(handed_back, unit_steps(200));
}
END_TEST

UNIT_MAIN("core_random", nothing_is_lost_and_nothing_succeeds_twice,
          a_drain_at_any_moment_leaves_nothing_invisible)
