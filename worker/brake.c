/* Retry-storm brake; see brake.h. */
#include "worker/brake.h"

#include <limits.h>

void brake_init(struct brake *brake, int percent)
{
    *brake = (struct brake){.percent = percent, .limit = INT_MAX};
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

static void record(struct brake *brake, bool failure)
{
    if (brake->count == BRAKE_WINDOW)
        brake->failed -= brake->failures[brake->next];
    else
        brake->count++;
    brake->failures[brake->next] = failure;
    brake->failed += failure;
    brake->next = (brake->next + 1) % BRAKE_WINDOW;
}

static void set_limit(struct brake *brake, int limit)
{
    brake->limit = limit;
    brake->count = brake->next = brake->failed = 0;
}

bool brake_on_outcome(struct brake *brake, bool failure, int ceiling)
{
    int limit = min_int(brake->limit, ceiling);
    if (brake->percent == 0 || ceiling <= 0)
        return false;
    record(brake, failure);
    if (brake->failed * 100 > brake->percent * brake->count) {
        if (brake->count < min_int(BRAKE_WINDOW, max_int(BRAKE_LEAST, limit)))
            return false;
        /* At one it starts counting anew, too: a long outage does not delay the way back. */
        set_limit(brake, limit > 1 ? limit / 2 : brake->limit);
        return limit > 1;
    }
    if (brake->limit == INT_MAX || brake->count < min_int(BRAKE_WINDOW, max_int(BRAKE_LEAST_BACK, limit)))
        return false;
    int more = limit + max_int(1, limit / 2);
    set_limit(brake, more < ceiling ? more : INT_MAX);
    return true;
}

int brake_closed_percent(const struct brake *brake, int ceiling)
{
    if (brake->limit >= ceiling)
        return 0;
    int closed = 100 - (int)(((int64_t)brake->limit * 100 + ceiling - 1) / ceiling);
    return max_int(1, min_int(closed, 99));
}

int brake_failure_percent(const struct brake *brake)
{
    return brake->count == 0 ? 0 : brake->failed * 100 / brake->count;
}
