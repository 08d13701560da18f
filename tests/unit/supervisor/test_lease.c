/* The lease of two or three supervisors: its rules one by one, and thousands of random schedules in which
 * messages are late, doubled and lost, machines stand still, die and come back, and clocks run apart. */
#include "tests/unit/unit.h"

#include "supervisor/lease.h"

#include <stdio.h>

enum { LEASE_MS = 10000, HEARTBEAT_MS = 2000, MARGIN_MS = LEASE_MS / LEASE_MARGIN_PART };

static const struct lease_rules RULES = {
    .lease_ms = LEASE_MS, .heartbeat_ms = HEARTBEAT_MS, .margin_ms = MARGIN_MS, .retry_ms = 500};

/* ---- one machine by hand ---- */

static struct lease make(const char *owner)
{
    struct lease lease;
    lease_init(&lease, &RULES, owner, 1000, 0);
    lease_set_ready(&lease, true);
    return lease;
}

static struct lease_action expect(struct lease *lease, int64_t now_ms, enum lease_deed what)
{
    struct lease_action action = lease_next(lease, now_ms);
    ck_assert_int_eq(action.what, what);
    return action;
}

static void read_as(struct lease *lease, int64_t now_ms, const char *owner, int64_t rvn, int64_t lease_ms)
{
    struct lease_record record = {.exists = owner != NULL, .rvn = rvn, .lease_ms = lease_ms};
    (void)snprintf(record.owner, sizeof record.owner, "%s", owner != NULL ? owner : "");
    (void)expect(lease, now_ms, LEASE_READ);
    lease_answer(lease, LEASE_DONE, &record, now_ms);
}

/* A leader since now_ms with rvn 6. */
static struct lease make_leader(int64_t now_ms)
{
    struct lease lease = make("a");
    lease.floor = 0;
    read_as(&lease, now_ms, "", 5, LEASE_MS);
    struct lease_action take = expect(&lease, now_ms, LEASE_TAKE);
    ck_assert_int_eq(take.rvn, 5);
    ck_assert_int_eq(take.new_rvn, 6);
    ck_assert(!lease_valid(&lease, now_ms));
    lease_answer(&lease, LEASE_DONE, NULL, now_ms + 10);
    ck_assert(lease_valid(&lease, now_ms + 10));
    ck_assert_int_eq(lease.token, 6);
    return lease;
}

START_TEST(a_version_that_stands_for_a_whole_lease_is_taken_over)
{
    struct lease lease = make("b");
    read_as(&lease, 0, "a", 7, LEASE_MS);
    for (int64_t t = HEARTBEAT_MS; t < LEASE_MS; t += HEARTBEAT_MS)
        read_as(&lease, t, "a", 7, LEASE_MS);
    ck_assert_int_eq(expect(&lease, LEASE_MS - 1, LEASE_WAIT).wake_ms, 1);
    struct lease_action take = expect(&lease, LEASE_MS, LEASE_TAKE);
    ck_assert_int_eq(take.rvn, 7);
    ck_assert_int_eq(lease.role, LEASE_CANDIDATE);
    ck_assert_int_eq(expect(&lease, LEASE_MS + 1, LEASE_WAIT).wake_ms, -1);
}
END_TEST

START_TEST(a_new_version_begins_the_watch_anew)
{
    struct lease lease = make("b");
    read_as(&lease, 0, "a", 7, LEASE_MS);
    read_as(&lease, 8000, "a", 8, LEASE_MS);
    read_as(&lease, 10000, "a", 8, LEASE_MS);
    (void)expect(&lease, 11999, LEASE_WAIT);
    read_as(&lease, 12000, "a", 8, LEASE_MS);
    (void)expect(&lease, 13999, LEASE_WAIT);
    (void)lease_next(&lease, 14000);
    lease_answer(&lease, LEASE_FAILED, NULL, 15000);
    (void)expect(&lease, 18000, LEASE_TAKE);
}
END_TEST

START_TEST(the_longer_lease_counts)
{
    struct lease lease = make("b");
    read_as(&lease, 0, "a", 7, 3 * LEASE_MS);
    for (int64_t t = 5000; t < 3 * LEASE_MS; t += 5000)
        read_as(&lease, t, "a", 7, 3 * LEASE_MS);
    (void)expect(&lease, 3 * LEASE_MS, LEASE_TAKE);
}
END_TEST

START_TEST(a_missing_record_is_made_and_watched_like_one_that_is_held)
{
    struct lease lease = make("b");
    read_as(&lease, 0, NULL, 0, 0);
    ck_assert_int_eq(expect(&lease, 0, LEASE_MAKE).new_rvn, 1000);
    lease_answer(&lease, LEASE_DONE, NULL, 10);
    for (int64_t t = 10; t < LEASE_MS; t += HEARTBEAT_MS)
        read_as(&lease, t, LEASE_NOBODY, 1000, LEASE_MS);
    (void)expect(&lease, LEASE_MS + 9, LEASE_WAIT);
    struct lease_action take = expect(&lease, LEASE_MS + 10, LEASE_TAKE);
    ck_assert_int_eq(take.rvn, 1000);
    ck_assert_int_eq(take.new_rvn, 1001);
}
END_TEST

START_TEST(one_that_is_not_ready_takes_nothing)
{
    struct lease lease = make("b");
    lease_set_ready(&lease, false);
    read_as(&lease, 0, "", 7, LEASE_MS);
    (void)expect(&lease, 0, LEASE_WAIT);
    read_as(&lease, 9 * LEASE_MS, "", 7, LEASE_MS);
    lease_set_ready(&lease, true);
    (void)expect(&lease, 9 * LEASE_MS, LEASE_TAKE);
}
END_TEST

START_TEST(a_leader_renews_at_every_heartbeat_from_when_it_sent)
{
    struct lease lease = make_leader(0);
    ck_assert_int_eq(expect(&lease, 10, LEASE_WAIT).wake_ms, HEARTBEAT_MS - 10);
    struct lease_action renew = expect(&lease, HEARTBEAT_MS, LEASE_RENEW);
    ck_assert_int_eq(renew.rvn, 6);
    ck_assert_int_eq(renew.new_rvn, 7);
    lease_answer(&lease, LEASE_DONE, NULL, HEARTBEAT_MS + 900);
    ck_assert_int_eq(lease.valid_until_ms, HEARTBEAT_MS + LEASE_MS - MARGIN_MS);
    (void)expect(&lease, 2 * HEARTBEAT_MS, LEASE_RENEW);
}
END_TEST

START_TEST(a_leader_without_answers_stops_a_margin_before_the_lease_is_over)
{
    struct lease lease = make_leader(0);
    int64_t end_ms = LEASE_MS - MARGIN_MS;
    for (int64_t t = HEARTBEAT_MS; t < end_ms - 1000; t += 1000) {
        (void)expect(&lease, t, LEASE_RENEW);
        lease_answer(&lease, LEASE_FAILED, NULL, t + 400);
    }
    ck_assert(lease_valid(&lease, end_ms - 1));
    ck_assert(!lease_valid(&lease, end_ms));
    (void)lease_next(&lease, end_ms);
    ck_assert_int_eq(lease.role, LEASE_FOLLOWER);
    ck_assert_int_eq((int)lease.losses, 1);
    ck_assert(!lease.ready);
}
END_TEST

START_TEST(a_machine_that_stood_still_does_not_act_though_nobody_told_it)
{
    struct lease lease = make_leader(0);
    ck_assert(!lease_valid(&lease, 3 * LEASE_MS));
    (void)expect(&lease, 3 * LEASE_MS, LEASE_READ);
    ck_assert_int_eq(lease.role, LEASE_FOLLOWER);
}
END_TEST

START_TEST(a_renewal_whose_answer_was_lost_counts_from_when_it_was_first_sent)
{
    struct lease lease = make_leader(0);
    (void)expect(&lease, 2000, LEASE_RENEW);
    lease_answer(&lease, LEASE_FAILED, NULL, 3000);
    struct lease_action again = expect(&lease, 3500, LEASE_RENEW);
    ck_assert_int_eq(again.new_rvn, 7);
    lease_answer(&lease, LEASE_REFUSED, NULL, 3600);
    read_as(&lease, 3600, "a", 7, LEASE_MS);
    ck_assert_int_eq(lease.role, LEASE_LEADER);
    ck_assert_int_eq(lease.rvn, 7);
    ck_assert_int_eq(lease.valid_until_ms, 2000 + LEASE_MS - MARGIN_MS);
    ck_assert_int_eq(expect(&lease, 4000, LEASE_RENEW).rvn, 7);
}
END_TEST

START_TEST(a_leader_that_finds_another_name_stops_at_once)
{
    struct lease lease = make_leader(0);
    (void)expect(&lease, 2000, LEASE_RENEW);
    lease_answer(&lease, LEASE_REFUSED, NULL, 2010);
    read_as(&lease, 2010, "b", 9, LEASE_MS);
    ck_assert(!lease_valid(&lease, 2010));
    ck_assert_str_eq(lease.why, "b has the lease");
}
END_TEST

START_TEST(a_late_answer_to_a_takeover_makes_no_leader)
{
    struct lease lease = make("a");
    read_as(&lease, 0, "", 5, LEASE_MS);
    (void)expect(&lease, 0, LEASE_TAKE);
    lease_answer(&lease, LEASE_DONE, NULL, LEASE_MS);
    ck_assert(!lease_valid(&lease, LEASE_MS));
    read_as(&lease, LEASE_MS, "a", lease.try_rvn, LEASE_MS);
    (void)expect(&lease, LEASE_MS, LEASE_TAKE); /* ours: nobody else can lead */
}
END_TEST

START_TEST(a_clean_stop_gives_the_lease_back_and_is_over)
{
    struct lease lease = make_leader(0);
    (void)expect(&lease, 2000, LEASE_RENEW);
    lease_retire(&lease, 2001);
    ck_assert(!lease_valid(&lease, 2001));
    (void)expect(&lease, 2001, LEASE_WAIT); /* the renewal first: it may come to stand */
    lease_answer(&lease, LEASE_FAILED, NULL, 2500);
    ck_assert_int_gt(expect(&lease, 2500, LEASE_RELEASE).new_rvn, 7);
    lease_answer(&lease, LEASE_DONE, NULL, 2510);
    ck_assert_int_eq(lease.role, LEASE_OVER);
    ck_assert_int_eq(expect(&lease, 9999, LEASE_WAIT).wake_ms, -1);
}
END_TEST

START_TEST(a_follower_that_never_led_has_nothing_to_give_back)
{
    struct lease lease = make("b");
    read_as(&lease, 0, "a", 7, LEASE_MS);
    lease_retire(&lease, 1);
    ck_assert_int_eq(lease.role, LEASE_OVER);
}
END_TEST

START_TEST(a_release_that_fails_is_tried_and_given_up)
{
    struct lease lease = make_leader(0);
    int64_t t = 100;
    lease_retire(&lease, t);
    for (int i = 0; i < LEASE_RELEASE_TRIES; i++, t += 1000) {
        (void)expect(&lease, t, LEASE_RELEASE);
        lease_answer(&lease, LEASE_FAILED, NULL, t);
    }
    ck_assert_int_eq(lease.role, LEASE_OVER);
}
END_TEST

START_TEST(a_fence_ends_a_leadership_and_raises_the_next_token)
{
    struct lease lease = make_leader(0);
    lease_fenced(&lease, 500, 100);
    ck_assert(!lease_valid(&lease, 100));
    lease_set_ready(&lease, true);
    read_as(&lease, 100, "a", 6, LEASE_MS);
    ck_assert_int_eq(expect(&lease, 100, LEASE_TAKE).new_rvn, 501);
}
END_TEST

/* ---- schedules ---- */

enum { MACHINES_MAX = 3, MESSAGES_MAX = 256, CALL_TIMEOUT_MS = 1000 };
/* What the margin leaves for writes that are on their way, with clocks that run up to a hundredth fast or
 * slow: 0.75 lease by the slowest clock end this long before 1 lease by the fastest does. */
static const double FLIGHT_MS = LEASE_MS / 5.0;

struct machine {
    struct lease lease;
    bool dead;
    int incarnation;
    double offset, rate;  /* of its clock */
    int64_t paused_until; /* true ms */
    int64_t wake;         /* true ms, INT64_MAX: none */
    int64_t call;         /* id of the call under way, 0: none */
    int64_t timeout;      /* of that, true ms */
    bool led;
    double act_end; /* true ms: the last moment at which its writes may take effect */
};

struct message {
    int to; /* machine, or -1: the table */
    int from;
    int incarnation;
    int64_t call;
    int64_t at; /* true ms */
    char owner[8];
    struct lease_action action;
    enum lease_answer answer;
    struct lease_record record;
};

static struct machine g_machines[MACHINES_MAX];
static int g_machine_count;
static struct message g_messages[MESSAGES_MAX];
static int g_message_count;
static struct lease_record g_record;
static int64_t g_now, g_calls;
static int64_t g_last_token;
static bool g_calm, g_deleted;
static long g_leaderships, g_schedule;
static uint64_t g_random;

static uint32_t draw(uint32_t below)
{
    g_random = g_random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((g_random >> 33) % below);
}

static int64_t clock_of(const struct machine *machine)
{
    return (int64_t)(machine->offset + machine->rate * (double)g_now);
}

static double true_of(const struct machine *machine, int64_t local_ms)
{
    return ((double)local_ms - machine->offset) / machine->rate;
}

static void post(struct message *message)
{
    bool lost = !g_calm && draw(100) < 12;
    int copies = lost ? 0 : (!g_calm && draw(100) < 5) ? 2 : 1;
    for (int i = 0; i < copies && g_message_count < MESSAGES_MAX; i++) {
        bool late = !g_calm && draw(100) < 10;
        message->at = g_now + 1 + draw(late ? 3 * LEASE_MS : 40);
        g_messages[g_message_count++] = *message;
    }
}

/* Nobody else's writes may take effect any more when one begins to lead. */
static void check_alone(int index)
{
    for (int i = 0; i < g_machine_count; i++)
        if (i != index && (double)g_now < g_machines[i].act_end)
            ck_abort_msg(
                "schedule %ld: at %lld machine %d leads, and writes of machine %d may come until %.0f",
                g_schedule, (long long)g_now, index, i, g_machines[i].act_end);
}

/* No further write is begun. */
static void end_acts(struct machine *machine)
{
    if (machine->led && (double)g_now + FLIGHT_MS < machine->act_end)
        machine->act_end = (double)g_now + FLIGHT_MS;
    machine->led = false;
}

/* Follows a machine's role after it was touched. */
static void follow(int index)
{
    struct machine *machine = &g_machines[index];
    const struct lease *lease = &machine->lease;
    bool leads = !machine->dead && lease_valid(lease, clock_of(machine));
    if (leads && !machine->led) {
        check_alone(index);
        g_leaderships++;
        if (!g_deleted)
            ck_assert_int_gt(lease->token, g_last_token);
        g_last_token = lease->token;
    }
    if (leads)
        machine->act_end = true_of(machine, lease->valid_until_ms) + FLIGHT_MS;
    else if (machine->led)
        end_acts(machine);
    machine->led = leads;
}

static void step(int index)
{
    struct machine *machine = &g_machines[index];
    if (machine->dead)
        return;
    struct lease_action action = lease_next(&machine->lease, clock_of(machine));
    follow(index);
    /* What it led rests after a while: it may lead again. */
    if (!machine->lease.ready && draw(4) == 0)
        lease_set_ready(&machine->lease, true);
    machine->wake =
        action.wake_ms < 0 ? INT64_MAX : g_now + (int64_t)((double)action.wake_ms / machine->rate) + 1;
    if (action.what == LEASE_WAIT)
        return;
    struct message message = {
        .to = -1, .from = index, .incarnation = machine->incarnation, .call = ++g_calls, .action = action};
    (void)snprintf(message.owner, sizeof message.owner, "%.7s", machine->lease.owner);
    machine->call = message.call;
    machine->timeout = g_now + CALL_TIMEOUT_MS;
    post(&message);
}

/* The table does what a call asks, if the condition holds. */
static void serve(struct message *message)
{
    const struct lease_action *action = &message->action;
    bool ours = g_record.exists && strcmp(g_record.owner, message->owner) == 0;
    bool good = action->what == LEASE_MAKE    ? !g_record.exists
                : action->what == LEASE_TAKE  ? g_record.exists && g_record.rvn == action->rvn
                : action->what == LEASE_RENEW ? ours && g_record.rvn == action->rvn
                                              : ours;
    message->answer = LEASE_DONE;
    if (action->what != LEASE_READ && !good)
        message->answer = LEASE_REFUSED;
    if (action->what != LEASE_READ && good) {
        ck_assert(!g_record.exists || action->new_rvn > g_record.rvn);
        g_record = (struct lease_record){.exists = true, .rvn = action->new_rvn, .lease_ms = LEASE_MS};
        if (action->what != LEASE_RELEASE)
            (void)snprintf(g_record.owner, sizeof g_record.owner, "%s",
                           action->what == LEASE_MAKE ? LEASE_NOBODY : message->owner);
    }
    message->record = g_record;
    message->to = message->from;
    if (!g_calm && draw(100) < 5) { /* throttled, or the server's trouble: done or not */
        message->answer = LEASE_FAILED;
    }
    post(message);
}

static void deliver(struct message *message)
{
    struct machine *machine = &g_machines[message->to < 0 ? 0 : message->to];
    if (message->to < 0) {
        serve(message);
        return;
    }
    if (machine->dead || machine->incarnation != message->incarnation || machine->call != message->call)
        return;
    machine->call = 0;
    lease_answer(&machine->lease, message->answer,
                 message->action.what == LEASE_READ ? &message->record : NULL, clock_of(machine));
    follow(message->to);
    step(message->to);
}

static void start_machine(int index)
{
    struct machine *machine = &g_machines[index];
    char owner[8];
    machine->dead = false;
    machine->incarnation++;
    machine->call = 0;
    machine->led = false;
    machine->paused_until = 0;
    (void)snprintf(owner, sizeof owner, "m%d.%d", index, machine->incarnation);
    lease_init(&machine->lease, &RULES, owner, 1000 + g_now, clock_of(machine));
    lease_set_ready(&machine->lease, true);
    machine->wake = g_now;
}

static void disturb(void)
{
    int index = (int)draw((uint32_t)g_machine_count);
    struct machine *machine = &g_machines[index];
    uint32_t what = draw(20);
    if (machine->dead || machine->lease.role == LEASE_OVER) {
        start_machine(index);
    } else if (what < 9) {
        machine->paused_until = g_now + 1 + draw(what < 3 ? 3 * LEASE_MS : 2500);
    } else if (what < 12) {
        machine->dead = true; /* killed: what it has sent goes on */
        end_acts(machine);
    } else if (what < 15) {
        lease_retire(&machine->lease, clock_of(machine));
        follow(index);
        machine->act_end = (double)g_now; /* its fleets are at rest before it gives the lease back */
        step(index);
    } else if (what == 15) {
        g_record.exists = false;
        g_deleted = true;
    }
}

static int64_t next_of(const struct machine *machine)
{
    int64_t at = machine->call != 0 && machine->timeout < machine->wake ? machine->timeout : machine->wake;
    if (machine->dead)
        return INT64_MAX;
    return at > machine->paused_until ? at : machine->paused_until;
}

/* Runs what is due first; false: not before until_ms. */
static bool turn(int64_t until_ms)
{
    int first = -1;
    int message = -1;
    int64_t at = until_ms;
    for (int i = 0; i < g_machine_count; i++)
        if (next_of(&g_machines[i]) < at) {
            at = next_of(&g_machines[i]);
            first = i;
        }
    for (int i = 0; i < g_message_count; i++) {
        int to = g_messages[i].to;
        int64_t due = g_messages[i].at;
        if (to >= 0 && g_machines[to].paused_until > due)
            due = g_machines[to].paused_until;
        if (due < at) {
            at = due;
            message = i;
        }
    }
    if (first < 0 && message < 0)
        return false;
    g_now = at > g_now ? at : g_now;
    if (message >= 0) {
        struct message one = g_messages[message];
        g_messages[message] = g_messages[--g_message_count];
        deliver(&one);
        return true;
    }
    struct machine *machine = &g_machines[first];
    if (machine->call != 0 && g_now >= machine->timeout) {
        machine->call = 0;
        lease_answer(&machine->lease, LEASE_FAILED, NULL, clock_of(machine));
        follow(first);
    }
    step(first);
    return true;
}

static void run_schedule(long number)
{
    g_schedule = number;
    g_random = (uint64_t)number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    g_machine_count = 2 + (int)draw(2);
    g_message_count = 0;
    g_record = (struct lease_record){.exists = false};
    g_now = 0;
    g_last_token = 0;
    g_calm = g_deleted = false;
    memset(g_machines, 0, sizeof g_machines);
    for (int i = 0; i < g_machine_count; i++) {
        g_machines[i].offset = draw(100000000);
        g_machines[i].rate = 0.99 + draw(2001) / 100000.0;
        start_machine(i);
    }
    for (int i = 0; i < 40; i++) {
        int64_t until = g_now + draw(LEASE_MS);
        while (turn(until))
            continue;
        g_now = until;
        disturb();
    }
    /* With nothing in the way one of them leads, and stays. */
    g_calm = true;
    for (int i = 0; i < g_machine_count; i++) {
        g_machines[i].paused_until = 0;
        if (g_machines[i].dead || g_machines[i].lease.role >= LEASE_LEAVING)
            start_machine(i);
    }
    int64_t until = g_now + 6 * LEASE_MS;
    while (turn(until))
        continue;
    g_now = until;
    int leaders = 0;
    for (int i = 0; i < g_machine_count; i++)
        leaders += lease_valid(&g_machines[i].lease, clock_of(&g_machines[i]));
    ck_assert_msg(leaders == 1, "schedule %ld: %d leaders in calm times", number, leaders);
}

START_TEST(never_two_lead_whatever_messages_clocks_and_machines_do)
{
    long schedules = unit_steps(4000);
    g_leaderships = 0;
    for (long i = 0; i < schedules; i++)
        run_schedule(i);
    ck_assert_int_gt(g_leaderships, 5 * schedules);
}
END_TEST

UNIT_MAIN("lease", a_version_that_stands_for_a_whole_lease_is_taken_over, a_new_version_begins_the_watch_anew,
          the_longer_lease_counts, a_missing_record_is_made_and_watched_like_one_that_is_held,
          one_that_is_not_ready_takes_nothing, a_leader_renews_at_every_heartbeat_from_when_it_sent,
          a_leader_without_answers_stops_a_margin_before_the_lease_is_over,
          a_machine_that_stood_still_does_not_act_though_nobody_told_it,
          a_renewal_whose_answer_was_lost_counts_from_when_it_was_first_sent,
          a_leader_that_finds_another_name_stops_at_once, a_late_answer_to_a_takeover_makes_no_leader,
          a_clean_stop_gives_the_lease_back_and_is_over, a_follower_that_never_led_has_nothing_to_give_back,
          a_release_that_fails_is_tried_and_given_up, a_fence_ends_a_leadership_and_raises_the_next_token,
          never_two_lead_whatever_messages_clocks_and_machines_do)
