/* Choice of victims; see victims.h. */
#include "supervisor/victims.h"

#include <stdlib.h>

static int rank_of(enum slot_state state)
{
    switch (state) {
    case SLOT_NEW:
    case SLOT_BACKOFF:
        return 0;
    case SLOT_REPLACING:
        return 1;
    case SLOT_STARTING:
        return 2;
    default:
        return 3;
    }
}

static int compare_int64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
    const struct victim_candidate *a = left;
    const struct victim_candidate *b = right;
    int order = rank_of(a->state) - rank_of(b->state);
    if (order == 0 && a->state == SLOT_READY) {
        int64_t load_a = a->load < 0 ? INT64_MAX : a->load;
        int64_t load_b = b->load < 0 ? INT64_MAX : b->load;
        order = compare_int64(load_a, load_b);
    }
    if (order == 0)
        order = compare_int64(b->started_ms, a->started_ms);
    if (order == 0)
        order = compare_int64((int64_t)b->index, (int64_t)a->index);
    return order;
}

void victims_sort(struct victim_candidate *candidates, size_t count)
{
    if (count > 1)
        qsort(candidates, count, sizeof *candidates, compare);
}
