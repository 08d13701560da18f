/* Lanes and places; see call_gate.h. */
#include "supervisor/call_gate.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/loop.h"

#include <stdlib.h>

TAILQ_HEAD(pass_list, call_pass);

enum { QUICK, SLOW, LANES };

struct lane {
    struct pass_list waiting; /* in order of coming */
    size_t waiting_count;
    size_t running; /* calls */
    size_t places;  /* for those that begin */
};

struct call_gate {
    struct lane lanes[LANES];
    struct pass_list quick; /* calls of that lane, the oldest first */
    size_t slow_most;       /* slow calls, with those that became so */
    int64_t slow_real_ms;
    struct loop_timer timer;
    bool admitting;
    uint64_t admitted, slowed; /* calls; of these, those that moved to the slow lane */
};

static void on_timer(void *arg);

struct call_gate *call_gate_new(const struct call_gate_options *options)
{
    struct call_gate *gate = xcalloc(1, sizeof *gate);
    for (int i = 0; i < LANES; i++)
        TAILQ_INIT(&gate->lanes[i].waiting);
    TAILQ_INIT(&gate->quick);
    gate->lanes[QUICK].places = options->quick > 0 ? options->quick : CALL_GATE_QUICK;
    gate->lanes[SLOW].places = options->slow > 0 ? options->slow : CALL_GATE_SLOW;
    gate->slow_most = (options->calls > 0 ? options->calls : CALL_GATE_CALLS) - gate->lanes[QUICK].places;
    gate->slow_real_ms = options->slow_real_ms > 0 ? options->slow_real_ms : CALL_GATE_SLOW_REAL_MS;
    loop_timer_init(&gate->timer, options->base, on_timer, gate);
    return gate;
}

void call_gate_destroy(struct call_gate *gate)
{
    if (gate == NULL)
        return;
    loop_timer_clean_up(&gate->timer);
    free(gate);
}

static struct lane *lane_of(struct call_gate *gate, const struct call_pass *pass)
{
    return &gate->lanes[pass->is_slow ? SLOW : QUICK];
}

/* The one place where a pass's state changes. */
static void set_state(struct call_gate *gate, struct call_pass *pass, enum call_pass_state state)
{
    struct lane *lane = lane_of(gate, pass);
    if (pass->state == PASS_WAITING) {
        TAILQ_REMOVE(&lane->waiting, pass, link);
        lane->waiting_count--;
    } else if (pass->state == PASS_QUICK) {
        TAILQ_REMOVE(&gate->quick, pass, link);
        gate->lanes[QUICK].running--;
    } else if (pass->state == PASS_SLOW) {
        gate->lanes[SLOW].running--;
    }
    if (state == PASS_WAITING) {
        TAILQ_INSERT_TAIL(&lane->waiting, pass, link);
        lane->waiting_count++;
    } else if (state == PASS_QUICK) {
        TAILQ_INSERT_TAIL(&gate->quick, pass, link);
        gate->lanes[QUICK].running++;
    } else if (state == PASS_SLOW) {
        gate->lanes[SLOW].running++;
    }
    pass->state = state;
}

/* The oldest quick call decides when there is something to do. */
static void arm(struct call_gate *gate)
{
    const struct call_pass *oldest = TAILQ_FIRST(&gate->quick);
    if (oldest == NULL)
        loop_timer_cancel(&gate->timer);
    else if (!loop_timer_pending(&gate->timer))
        loop_timer_arm_real_ms(&gate->timer, oldest->started_ms + gate->slow_real_ms - clock_mono_ms());
}

static void let_in(struct call_gate *gate, struct call_pass *pass)
{
    pass->started_ms = clock_mono_ms();
    gate->admitted++;
    set_state(gate, pass, pass->is_slow ? PASS_SLOW : PASS_QUICK);
    arm(gate);
    pass->go(pass->arg);
}

/* The next one that may go; NULL: nobody. */
static struct call_pass *find_next(const struct call_gate *gate)
{
    for (int i = 0; i < LANES; i++)
        if (gate->lanes[i].running < gate->lanes[i].places && !TAILQ_EMPTY(&gate->lanes[i].waiting))
            return TAILQ_FIRST(&gate->lanes[i].waiting);
    return NULL;
}

/* go() may leave at once, which comes back here. */
static void admit(struct call_gate *gate)
{
    struct call_pass *next = NULL;
    if (gate->admitting)
        return;
    gate->admitting = true;
    while ((next = find_next(gate)) != NULL)
        let_in(gate, next);
    gate->admitting = false;
}

static void on_timer(void *arg)
{
    struct call_gate *gate = arg;
    int64_t now_ms = clock_mono_ms();
    struct call_pass *oldest = TAILQ_FIRST(&gate->quick);
    while (oldest != NULL && now_ms - oldest->started_ms >= gate->slow_real_ms &&
           gate->lanes[SLOW].running < gate->slow_most) {
        gate->slowed++;
        set_state(gate, oldest, PASS_SLOW);
        oldest = TAILQ_FIRST(&gate->quick);
    }
    admit(gate);
    if (oldest != NULL && now_ms - oldest->started_ms >= gate->slow_real_ms)
        loop_timer_arm_real_ms(&gate->timer, gate->slow_real_ms); /* no room for more slow ones */
    else
        arm(gate);
}

void call_gate_enter(struct call_gate *gate, struct call_pass *pass)
{
    set_state(gate, pass, PASS_WAITING);
    admit(gate);
}

void call_gate_leave(struct call_gate *gate, struct call_pass *pass)
{
    bool ran = pass->state == PASS_QUICK || pass->state == PASS_SLOW;
    if (pass->state == PASS_OUT)
        return;
    set_state(gate, pass, PASS_OUT);
    if (ran)
        pass->is_slow = clock_mono_ms() - pass->started_ms >= gate->slow_real_ms;
    admit(gate);
}

void call_gate_write_status(const struct call_gate *gate, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "quick", (int64_t)gate->lanes[QUICK].running);
    jsonw_key_int(w, "slow", (int64_t)gate->lanes[SLOW].running);
    jsonw_key_int(w, "waiting", (int64_t)gate->lanes[QUICK].waiting_count);
    jsonw_key_int(w, "waiting_slow", (int64_t)gate->lanes[SLOW].waiting_count);
    jsonw_key_int(w, "calls", (int64_t)gate->admitted);
    jsonw_key_int(w, "slowed", (int64_t)gate->slowed);
    jsonw_end_object(w);
}
