/* Waits between restarts; see restart_backoff.h. */
#include "supervisor/restart_backoff.h"

#include "base/exitcode.h"
#include "base/random.h"

#include <sys/wait.h>

static const char *const CAUSE_NAMES[RESTART_CAUSE_MAX] = {"crashed", "misconfigured", "left"};

const char *restart_cause_name(enum restart_cause cause)
{
    return CAUSE_NAMES[cause];
}

enum restart_cause restart_cause_of_status(int status)
{
    if (!WIFEXITED(status))
        return RESTART_CRASHED;
    switch (WEXITSTATUS(status)) {
    case EXIT_CODE_OK:
        return RESTART_LEFT;
    case EXIT_CODE_USAGE:
    case EXIT_CODE_DATA:
    case EXIT_CODE_NOPERM:
    case EXIT_CODE_CONFIG:
        return RESTART_MISCONFIGURED;
    default:
        return RESTART_CRASHED;
    }
}

int64_t restart_backoff_next_ms(struct restart_backoff *backoff, enum restart_cause cause, bool was_healthy)
{
    if (was_healthy)
        backoff->failures = 0;
    if (cause == RESTART_LEFT && was_healthy)
        return 0;
    backoff->failures++;
    if (cause == RESTART_MISCONFIGURED)
        return backoff->longest_ms;
    int64_t ceiling_ms = backoff->least_ms;
    for (int i = 0; i < backoff->failures && ceiling_ms < backoff->longest_ms; i++)
        ceiling_ms *= 2;
    if (ceiling_ms > backoff->longest_ms)
        ceiling_ms = backoff->longest_ms;
    int64_t half_ms = ceiling_ms / 2 > backoff->least_ms ? ceiling_ms / 2 : backoff->least_ms;
    uint64_t span = (uint64_t)(ceiling_ms - half_ms) + 1;
    return half_ms + (int64_t)(random_next(&backoff->random) % span);
}

void restart_backoff_forgive(struct restart_backoff *backoff)
{
    backoff->failures = 0;
}

bool restart_backoff_is_crash_loop(const struct restart_backoff *backoff)
{
    return backoff->failures >= RESTART_CRASH_LOOP_FAILURES;
}
