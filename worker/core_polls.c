/* The core's receives: when to open them, what their ends mean, how fast to go on. */
#include "worker/core.h"

#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/random.h"
#include "worker/core_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deletes and hand-backs that SQS has not confirmed, beyond which no new messages are fetched: a memory
 * bound, far above normal. */
enum { UNACKED_MAX = 200 };

/* Exit code for a worker whose receives never worked, 0: keep trying. */
static int exit_code_of(enum aws_kind kind)
{
    switch (kind) {
    case AWS_KIND_CREDENTIALS:
    case AWS_KIND_DENIED:
        return EXIT_CODE_NOPERM;
    case AWS_KIND_NOT_FOUND:
        return EXIT_CODE_UNAVAILABLE;
    case AWS_KIND_REQUEST:
        return EXIT_CODE_CONFIG;
    default:
        return 0;
    }
}

/* Refused from the start and for longer than a new queue or role may take to be seen: a person has to look.
 */
static bool give_up_start(struct core *core, int64_t now_ms, const struct aws_result *result)
{
    int code = core->ever_received ? 0 : exit_code_of(result->kind);
    if (code == 0) {
        core->refused_since_ms = 0;
        return false;
    }
    if (core->refused_since_ms == 0)
        core->refused_since_ms = now_ms;
    if (now_ms - core->refused_since_ms < (int64_t)CORE_STARTUP_MS * core->settings.scale ||
        core->stage != CORE_RUNNING)
        return false;
    char text[768];
    LOG(LOG_ERROR, "giving up: receiving never worked",
        LOG_STR("error", aws_result_text(result, "ReceiveMessage", text, sizeof text)),
        LOG_INT("exit_code", code));
    core->exit_code = code;
    (void)snprintf(core->reason, sizeof core->reason, "%s", aws_kind_name(result->kind));
    core_drain(core, now_ms, aws_kind_name(result->kind));
    return true;
}

static void on_receive_failed(struct core *core, int asked, int64_t now_ms, const struct aws_result *result)
{
    int64_t most_ms = core->ever_received ? CORE_BACKOFF_MAX_MS : CORE_STARTUP_MS / 6;
    int shift = core->poll_failures > 10 ? 10 : core->poll_failures;
    int64_t pause_ms = (int64_t)CORE_BACKOFF_FIRST_MS << shift;
    char text[512];
    if (pause_ms > most_ms)
        pause_ms = most_ms;
    pause_ms = pause_ms / 2 + (int64_t)(random_next(&core->random) % (uint64_t)(pause_ms / 2 + 1));
    if (strcmp(result->code, "OverLimit") == 0 && pause_ms < CORE_OVER_LIMIT_MS)
        pause_ms = CORE_OVER_LIMIT_MS;
    if (strcmp(result->code, "ReplyTooLarge") == 0)
        core->ask_max = asked > 1 ? asked / 2 : 1;
    core->stats.receives_failed++;
    core->poll_failures++;
    core->poll_target = 1;
    core->poll_retry_ms = now_ms + pause_ms * core->settings.scale;
    if (give_up_start(core, now_ms, result))
        return;
    /* A state change logs once; a long outage says now and then that it lasts. */
    if ((core->poll_failures & (core->poll_failures - 1)) == 0)
        LOG(LOG_WARNING, "receive failed, trying again",
            LOG_STR("error", aws_result_text(result, "ReceiveMessage", text, sizeof text)),
            LOG_INT("failures", core->poll_failures), LOG_INT("pause_real_ms", pause_ms));
}

/* An empty answer that did not wait would be asked for again at once, and again. */
static void pace_empties(struct core *core, const struct core_poll *poll, int got, int64_t now_ms)
{
    int64_t wait_ms = (int64_t)poll->wait_s * 1000;
    int64_t pause_ms = (int64_t)CORE_EMPTY_FIRST_MS << (core->early_empties > 5 ? 5 : core->early_empties);
    if (got > 0 || poll->wait_s < core->settings.wait_s ||
        (wait_ms > 0 && (now_ms - poll->opened_ms) * 2 >= wait_ms)) {
        core->early_empties = 0;
        return;
    }
    core->early_empties++;
    core->poll_retry_ms =
        now_ms + (pause_ms < CORE_EMPTY_MAX_MS ? pause_ms : CORE_EMPTY_MAX_MS) * core->settings.scale;
}

static void set_target(struct core *core, const struct core_poll *poll, int got, int64_t now_ms)
{
    int64_t wait_ms = (int64_t)poll->wait_s * 1000;
    struct flow_answer answer = {.capacity = core->capacity,
                                 .asked = poll->asked,
                                 .got = got,
                                 .slots_free = core->held_count - dispatch_count(core->dispatch).behind <
                                               core->capacity,
                                 .early = wait_ms == 0 || (now_ms - poll->opened_ms) * 10 < wait_ms};
    core->poll_target = flow_target_after(core->poll_target, &answer);
    if (got >= poll->asked && core->ask_max < SQS_BATCH_MAX)
        core->ask_max++;
}

static void warn_of_md5(struct core *core, const struct sqs_receive_reply *reply)
{
    if (reply->bad_md5 == 0)
        core->md5_failures = reply->count > 0 ? 0 : core->md5_failures;
    else if (core_is_worth_logging(++core->md5_failures))
        LOG(LOG_WARNING, "messages left alone: MD5OfBody does not match", LOG_INT("count", reply->bad_md5),
            LOG_INT("replies_in_a_row", core->md5_failures));
}

static void on_receive_ok(struct core *core, const struct core_poll *poll, int64_t now_ms,
                          const struct aws_result *result, const struct sqs_receive_reply *reply)
{
    int got = (int)(reply->count + reply->bad_md5);
    bool is_torn = core->settings.fifo && reply->bad_md5 > 0; /* the others may stand behind those */
    if (core->poll_failures > 0)
        LOG(LOG_INFO, "receiving works again", LOG_INT("failures", core->poll_failures));
    core->poll_failures = 0;
    core->poll_retry_ms = 0;
    core->polls_hung = 0;
    core->ever_received = true;
    core->last_receive_ms = now_ms;
    core->stats.receives++;
    core->stats.receives_full += got >= poll->asked;
    core->stats.receives_empty += got == 0;
    core->stats.received += (int64_t)reply->count;
    warn_of_md5(core, reply);
    for (size_t i = 0; i < reply->count; i++) {
        core->stats.received_again += reply->messages[i]->receive_count > 1;
        core_message_accept(core, reply->messages[i], now_ms - result->reply_age_product_ms, is_torn, now_ms);
    }
    set_target(core, poll, got, now_ms);
    pace_empties(core, poll, got, now_ms);
}

static int polls_in_time(const struct core *core, int64_t now_ms)
{
    int count = 0;
    const struct core_poll *poll = NULL;
    for (poll = TAILQ_FIRST(&core->polls); poll != NULL; poll = TAILQ_NEXT(poll, link))
        count += now_ms < poll->overdue_ms;
    return count;
}

static int unconfirmed(const struct acks *acks)
{
    return acks->queued + acks->on_wire;
}

struct flow_view core_flow_view(struct core *core, int64_t now_ms)
{
    struct flow_view view = {.capacity = core->capacity, .held = core->held_count, .polled = core->polled};
    int64_t visibility_ms = (int64_t)core->settings.visibility_s * 1000;
    /* Before the first one is done, handling takes at least as long as it has taken so far. */
    double handling_ms =
        core->pace.samples > 0 ? core->pace.mean_ms : (double)core_oldest_held_ms(core, now_ms);
    view.prefetch = flow_prefetch(core->capacity, visibility_ms / 2, handling_ms);
    view.keep = flow_prefetch(core->capacity, visibility_ms, handling_ms);
    /* What stands behind others of its group takes no slot and keeps none busy; SQS bounds it, ten a group.
     */
    struct dispatch_counts counts = dispatch_count(core->dispatch);
    view.waiting = counts.waiting;
    view.held -= counts.behind;
    view.polls = polls_in_time(core, now_ms);
    view.target = core->poll_target;
    int unacked =
        unconfirmed(&core->deletes) + unconfirmed(&core->releases) + unconfirmed(&core->quarantines);
    /* Without a delete to try, only the next message can find out whether deletes work again. */
    bool refused = core->deletes_refused && unconfirmed(&core->deletes) > 0;
    view.blocked = core->stage != CORE_RUNNING || now_ms < core->poll_retry_ms || refused ||
                   unacked > UNACKED_MAX + core->capacity;
    return view;
}

/* Only hung polls are open, and they take all the room. */
static void give_up_oldest_poll(struct core *core, int64_t now_ms)
{
    struct core_poll *poll = TAILQ_FIRST(&core->polls);
    LOG(LOG_WARNING, "receive given up: no answer", LOG_INT("open_ms", now_ms - poll->opened_ms));
    core_attempt_lost(core, poll, now_ms);
    core_poll_cancel(core, poll);
}

/* How many have become overdue since the last call. */
static int mark_hung(struct core *core, int64_t now_ms)
{
    int count = 0;
    struct core_poll *poll = NULL;
    for (poll = TAILQ_FIRST(&core->polls); poll != NULL; poll = TAILQ_NEXT(poll, link))
        if (!poll->hung && now_ms >= poll->overdue_ms) {
            poll->hung = true;
            count++;
        }
    return count;
}

/* How long it may wait, and when it is overdue. After one hung, the next ones show soon whether they hang,
 * too: a small worker has room for one or two only. */
static void set_times(struct core *core, struct core_poll *poll, int64_t now_ms)
{
    int shift =
        core->polls_hung < CORE_POLL_OVERDUE_SHIFT_MAX ? core->polls_hung : CORE_POLL_OVERDUE_SHIFT_MAX;
    int64_t wait_s = core->ever_received ? core->settings.wait_s : 0;
    poll->opened_ms = now_ms;
    poll->wait_s = (int)wait_s;
    if (core->polls_hung > 0 && wait_s > CORE_POLL_SUSPECT_S)
        poll->wait_s = CORE_POLL_SUSPECT_S;
    /* The first one may wait for credentials and connections, too. */
    if (!core->ever_received && core->polls_hung == 0)
        shift = CORE_POLL_OVERDUE_SHIFT_MAX;
    poll->overdue_ms = now_ms + (int64_t)poll->wait_s * 1000 +
                       ((int64_t)CORE_POLL_OVERDUE_MS << shift) * core->settings.scale;
}

void core_open_polls(struct core *core, int64_t now_ms)
{
    core->polls_hung += mark_hung(core, now_ms);
    for (;;) {
        struct flow_view view = core_flow_view(core, now_ms);
        int asked = flow_next_poll(&view);
        if (asked == 0 && flow_must_give_up(&view)) {
            give_up_oldest_poll(core, now_ms);
            continue;
        }
        if (asked == 0)
            return;
        struct core_poll *poll = xcalloc(1, sizeof *poll);
        poll->asked = asked < core->ask_max ? asked : core->ask_max;
        set_times(core, poll, now_ms);
        core_attempt_begin(core, poll, now_ms);
        TAILQ_INSERT_TAIL(&core->polls, poll, link);
        core->poll_count++;
        core->polled += poll->asked;
        core->stats.calls++;
        core->ops.receive(core->ops.arg, poll);
    }
}

/* It may have taken effect, and would bring the same again. */
static bool is_answer_lost(const struct aws_result *result)
{
    return result->kind == AWS_KIND_TRANSIENT ||
           (result->kind == AWS_KIND_BAD_REPLY && strcmp(result->code, "ReplyTooLarge") != 0);
}

void core_on_receive(struct core *core, struct core_poll *poll, int64_t now_ms,
                     const struct aws_result *result, const struct sqs_receive_reply *reply)
{
    struct core_poll answered = *poll;
    core_poll_free(core, poll);
    if (result->kind == AWS_KIND_OK)
        on_receive_ok(core, &answered, now_ms, result, reply);
    else if (is_answer_lost(result))
        core_attempt_lost(core, &answered, now_ms);
    if (result->kind != AWS_KIND_OK)
        on_receive_failed(core, answered.asked, now_ms, result);
    core_run(core, now_ms);
}
