/* The last decisions of a fleet; see decision_ring.h. */
#include "supervisor/decision_ring.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "policies/decision_pack.h"

#include <stdlib.h>
#include <string.h>

void decision_ring_init(struct decision_ring *ring, size_t room)
{
    *ring = (struct decision_ring){.runs = xcalloc(room, sizeof(struct decision_run)), .room = room};
}

void decision_ring_clean_up(struct decision_ring *ring)
{
    for (size_t i = 0; i < ring->room; i++)
        free(ring->runs[i].packed);
    free(ring->runs);
    *ring = (struct decision_ring){.runs = NULL};
}

static struct decision_run *run_at(const struct decision_ring *ring, size_t back)
{
    size_t at = ring->first + ring->count - 1 - back;
    return &ring->runs[at < ring->room ? at : at - ring->room];
}

/* A change is always news. */
static bool are_alike(const struct decision *a, const struct decision *b)
{
    return a->to == a->from && b->to == b->from && a->to == b->to && a->why == b->why &&
           a->override.kind == b->override.kind && strcmp(a->proposal.reason, b->proposal.reason) == 0;
}

static struct decision_run *begin_run(struct decision_ring *ring, const struct decision *decision)
{
    if (ring->count < ring->room)
        ring->count++;
    else
        ring->first = ring->first + 1 < ring->room ? ring->first + 1 : 0;
    struct decision_run *run = run_at(ring, 0);
    run->since_ms = decision->t_ms;
    run->steps = 0;
    return run;
}

void decision_ring_add(struct decision_ring *ring, const struct decision *decision)
{
    struct decision newest;
    struct strbuf packed = STRBUF_INIT;
    const struct decision_run *last = decision_ring_get(ring, 0, &newest);
    struct decision_run *run =
        last != NULL && are_alike(&newest, decision) ? run_at(ring, 0) : begin_run(ring, decision);
    decision_pack(decision, &packed);
    run->packed = xrealloc(run->packed, packed.len);
    memcpy(run->packed, packed.data, packed.len);
    run->len = packed.len;
    run->steps++;
    strbuf_clean_up(&packed);
}

const struct decision_run *decision_ring_get(const struct decision_ring *ring, size_t back,
                                             struct decision *ret_decision)
{
    if (back >= ring->count)
        return NULL;
    const struct decision_run *run = run_at(ring, back);
    if (decision_unpack(run->packed, run->len, ret_decision) != 0)
        abort(); /* we packed it */
    return run;
}

void decision_ring_write(const struct decision_ring *ring, size_t most, int64_t now_ms, struct jsonw *w)
{
    struct strbuf text = STRBUF_INIT;
    struct decision decision;
    const struct decision_run *run = NULL;
    jsonw_array(w);
    for (size_t i = 0; i < most && (run = decision_ring_get(ring, i, &decision)) != NULL; i++) {
        strbuf_clear(&text);
        decision_text(&decision, &text);
        jsonw_object(w);
        jsonw_key_str(w, "text", strbuf_str(&text));
        jsonw_key_int(w, "age_ms", now_ms - decision.t_ms);
        jsonw_key_int(w, "since_age_ms", now_ms - run->since_ms);
        jsonw_key_int(w, "steps", (int64_t)run->steps);
        jsonw_key(w, "record");
        decision_encode_json(&decision, w);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    strbuf_clean_up(&text);
}
