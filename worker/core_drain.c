/*
 * How the core ends. Draining: no new polls, open ones get a last real second, what waits goes back at once,
 * what runs finishes under heartbeat, deletes are flushed. When the grace is nearly over (or on abandon) what
 * still runs is handed back too, its handler being told through the lease-lost flag, and the end comes with
 * or without an answer.
 */
#include "worker/core.h"

#include "base/log.h"
#include "worker/core_internal.h"

#include <stdio.h>

static void hand_back_waiting(struct core *core, int64_t now_ms)
{
    struct message *message = NULL;
    core_hand_back_behind(core, NULL, now_ms);
    while ((message = dispatch_withdraw_newest(core->dispatch)) != NULL) {
        message->dispatched = false;
        core_message_release(core, message, 0, true, now_ms);
    }
}

void core_drain(struct core *core, int64_t now_ms, const char *reason)
{
    int64_t scale = core->settings.scale;
    int64_t grace_ms = core->settings.grace_ms;
    if (core->stage != CORE_RUNNING)
        return;
    if (grace_ms < CORE_GRACE_FLOOR_MS * scale)
        grace_ms = CORE_GRACE_FLOOR_MS * scale;
    core->stage = CORE_DRAINING;
    core->polls_end_ms = now_ms + CORE_POLL_LAST_MS * scale;
    core->end_ms = now_ms + grace_ms;
    core->release_ms = core->end_ms - CORE_RELEASE_MS * scale;
    acks_hurry(&core->releases, core->end_ms - CORE_RELEASE_MS * scale / 2);
    LOG(LOG_INFO, "draining", LOG_STR("reason", reason), LOG_INT("held", core->held_count),
        LOG_INT("polls", core->poll_count), LOG_INT("grace_ms", grace_ms));
    hand_back_waiting(core, now_ms);
    core_run(core, now_ms);
}

static void start_releasing(struct core *core, int64_t now_ms, const char *reason)
{
    core->stage = CORE_RELEASING;
    (void)snprintf(core->reason, sizeof core->reason, "%s", reason);
    if (core->held_count > 0)
        LOG(LOG_WARNING, "handing back what did not finish", LOG_STR("reason", reason),
            LOG_INT("messages", core->held_count));
    hand_back_waiting(core, now_ms);
    struct message *next = NULL;
    for (struct message *message = TAILQ_FIRST(&core->leased); message != NULL; message = next) {
        next = TAILQ_NEXT(message, leased);
        if (message->phase == MESSAGE_QUARANTINING && message->queued)
            core_message_release(core, message, message->delay_s, false, now_ms);
        if (message->phase != MESSAGE_HELD)
            continue;
        /* First the flag, then the hand-back: a handler that looks before its last step leaves it to the
         * next. */
        message->lease.lost = true;
        core_lease_changed(core, message);
        core_message_release(core, message, 0, false, now_ms);
    }
}

void core_abandon(struct core *core, int64_t now_ms)
{
    core_drain(core, now_ms, "abandoned");
    if (core->stage != CORE_DRAINING)
        return;
    core->end_ms = now_ms + (int64_t)CORE_RELEASE_MS * core->settings.scale;
    acks_hurry(&core->releases, now_ms + (int64_t)CORE_RELEASE_MS * core->settings.scale / 2);
    start_releasing(core, now_ms, "abandoned");
    core_run(core, now_ms);
}

static void cancel_polls(struct core *core)
{
    struct core_poll *poll = NULL;
    while ((poll = TAILQ_FIRST(&core->polls)) != NULL)
        core_poll_cancel(core, poll);
}

void core_drain_step(struct core *core, int64_t now_ms)
{
    if (core->stage == CORE_RUNNING || core->stage == CORE_OVER)
        return;
    if (now_ms >= core->polls_end_ms || core->stage == CORE_RELEASING)
        cancel_polls(core);
    if (core->stage == CORE_DRAINING && now_ms >= core->release_ms)
        start_releasing(core, now_ms, "grace over");
}

void core_drain_check_end(struct core *core, int64_t now_ms)
{
    if (core->stage == CORE_RUNNING || core->stage == CORE_OVER)
        return;
    bool done = core->held_count == 0 && core->poll_count == 0 && acks_idle(&core->deletes) &&
                acks_idle(&core->releases) && acks_idle(&core->quarantines);
    bool late = now_ms >= core->end_ms;
    if (!done && !late)
        return;
    core->stage = CORE_OVER;
    if (done)
        return;
    LOG(LOG_WARNING, "leaving with calls unanswered; these messages return by their visibility timeout",
        LOG_INT("deletes", core->deletes.queued + core->deletes.on_wire),
        LOG_INT("quarantines", core->quarantines.queued + core->quarantines.on_wire),
        LOG_INT("hand_backs", core->releases.queued + core->releases.on_wire));
}

int64_t core_drain_due_ms(const struct core *core)
{
    if (core->stage == CORE_DRAINING)
        return core->poll_count > 0 && core->polls_end_ms < core->release_ms ? core->polls_end_ms
                                                                             : core->release_ms;
    return core->stage == CORE_RELEASING ? core->end_ms : INT64_MAX;
}
