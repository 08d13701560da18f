/* Flow control; see flow.h. */
#include "worker/flow.h"

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

void flow_pace_add(struct flow_pace *pace, int64_t handling_ms)
{
    if (pace->samples < FLOW_PACE_SAMPLES)
        pace->samples++;
    pace->mean_ms += ((double)handling_ms - pace->mean_ms) / pace->samples;
}

int flow_prefetch(int capacity, int64_t span_ms, double handling_ms)
{
    double slots_ms = (double)capacity * (double)span_ms;
    if (handling_ms * FLOW_PREFETCH_MAX <= slots_ms)
        return FLOW_PREFETCH_MAX;
    return (int)(slots_ms / handling_ms);
}

static int room_of(const struct flow_view *view)
{
    return view->capacity + view->prefetch - view->held - view->polled;
}

int flow_next_poll(const struct flow_view *view)
{
    int room = room_of(view);
    if (view->blocked || view->capacity <= 0 || room <= 0 || view->polls >= view->target)
        return 0;
    if (room >= FLOW_BATCH)
        return FLOW_BATCH;
    if (view->polls == 0 && view->waiting <= FLOW_LOW_WAITING)
        return room;
    return 0;
}

bool flow_must_give_up(const struct flow_view *view)
{
    return !view->blocked && view->capacity > 0 && view->polls == 0 && view->polled > 0 &&
           view->waiting <= FLOW_LOW_WAITING && room_of(view) <= 0;
}

int flow_excess(const struct flow_view *view)
{
    int bound = view->capacity > 0 ? view->capacity + view->keep : 0;
    int excess = view->held - bound;
    return excess <= 0 ? 0 : min_int(excess, view->waiting);
}

int flow_target_after(int target, const struct flow_answer *answer)
{
    int most = (answer->capacity + FLOW_PREFETCH_MAX) / FLOW_BATCH;
    if (answer->got >= answer->asked)
        target = target * 2;
    else if (answer->got == 0)
        target = 1;
    else if (answer->slots_free && answer->early)
        target = target + 1;
    target = min_int(target, most);
    return target < 1 ? 1 : target;
}
