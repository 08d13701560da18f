/*
 * FIFO queues in the core: what becomes of the messages that stand behind one of their group, and attempt ids
 * of receives whose answer was lost.
 *
 * Why handing back is in order whatever SQS gets first: a group is blocked while any of its messages is in
 * flight, and then comes from its first message on. Of m1, m2, m3 that go back, m2 cannot be received before
 * m3's hand-back has arrived, nor before m1 is visible again or deleted: and if m1 is visible, it comes
 * first.
 */
#include "worker/core.h"

#include "base/random.h"
#include "worker/core_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ATTEMPT_LIFE_MS = 300 * 1000 }; /* API reference, ReceiveMessage: usable for five minutes */

/* ---- groups ---- */

void core_hand_back_behind(struct core *core, struct message *message, int64_t now_ms)
{
    struct message *behind = NULL;
    if (!core->settings.fifo)
        return;
    while ((behind = dispatch_withdraw_behind(core->dispatch, message)) != NULL) {
        behind->dispatched = false;
        if (lease_over(&behind->lease, now_ms)) {
            core_lease_lost(core, behind, now_ms, "the visibility timeout ran out before its turn");
            core_message_drop(core, behind, now_ms);
        } else {
            core_message_release(core, behind, 0, true, now_ms);
        }
    }
}

void core_group_stop(struct core *core, struct message *message, int64_t now_ms)
{
    if (!core->settings.fifo)
        return;
    core_hand_back_behind(core, message, now_ms);
    dispatch_leave_group(core->dispatch, message);
}

/* ---- attempts ---- */

void core_attempt_begin(struct core *core, struct core_poll *poll, int64_t now_ms)
{
    if (!core->settings.fifo)
        return;
    for (int i = 0; i < CORE_ATTEMPTS_KEPT; i++) {
        struct core_attempt *kept = &core->lost_attempts[i];
        if (now_ms >= kept->until_ms || kept->asked > poll->asked)
            continue;
        memcpy(poll->attempt_id, kept->id, sizeof poll->attempt_id);
        poll->asked = kept->asked;
        kept->until_ms = 0;
        return;
    }
    (void)snprintf(poll->attempt_id, sizeof poll->attempt_id, "%016" PRIx64 "%016" PRIx64,
                   random_next(&core->random), random_next(&core->random));
}

void core_attempt_lost(struct core *core, const struct core_poll *poll, int64_t now_ms)
{
    struct core_attempt *oldest = &core->lost_attempts[0];
    int64_t until_ms = now_ms + (int64_t)core->settings.visibility_s * 1000;
    if (!core->settings.fifo)
        return;
    for (int i = 1; i < CORE_ATTEMPTS_KEPT; i++)
        if (core->lost_attempts[i].until_ms < oldest->until_ms)
            oldest = &core->lost_attempts[i];
    if (until_ms > poll->opened_ms + ATTEMPT_LIFE_MS)
        until_ms = poll->opened_ms + ATTEMPT_LIFE_MS;
    memcpy(oldest->id, poll->attempt_id, sizeof oldest->id);
    oldest->asked = poll->asked;
    oldest->until_ms = until_ms;
}
