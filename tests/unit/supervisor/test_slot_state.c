/* The life of a worker slot: every cell of the table, written out a second time. */
#include "tests/unit/unit.h"

#include "supervisor/slot_state.h"

#include <stdbool.h>
#include <stddef.h>

#define N SLOT_DO_NOTHING
#define IG SLOT_DO_IGNORE
#define BUG SLOT_DO_COMPLAIN
#define SPAWN SLOT_DO_SPAWN
#define TERM SLOT_DO_TERM
#define KILL SLOT_DO_KILL
#define WAIT SLOT_DO_BACK_OFF
#define FORGIVE SLOT_DO_FORGIVE
#define AGAIN (SLOT_DO_KILL | SLOT_DO_REPORT)

struct expectation {
    enum slot_state from;
    enum slot_event event;
    enum slot_state to;
    unsigned int actions;
};

static const struct expectation EXPECTED[] = {
    {SLOT_NEW, SLOT_START, SLOT_STARTING, SPAWN},
    {SLOT_NEW, SLOT_SPAWN_FAILED, SLOT_NEW, BUG},
    {SLOT_NEW, SLOT_SAID_READY, SLOT_NEW, BUG},
    {SLOT_NEW, SLOT_TIMEOUT, SLOT_NEW, BUG},
    {SLOT_NEW, SLOT_SILENT, SLOT_NEW, BUG},
    {SLOT_NEW, SLOT_STOP, SLOT_GONE, N},
    {SLOT_NEW, SLOT_HURRY, SLOT_GONE, N},
    {SLOT_NEW, SLOT_EXITED, SLOT_NEW, BUG},

    {SLOT_STARTING, SLOT_START, SLOT_STARTING, IG},
    {SLOT_STARTING, SLOT_SPAWN_FAILED, SLOT_BACKOFF, WAIT},
    {SLOT_STARTING, SLOT_SAID_READY, SLOT_READY, N},
    {SLOT_STARTING, SLOT_TIMEOUT, SLOT_REPLACING, KILL},
    {SLOT_STARTING, SLOT_SILENT, SLOT_STARTING, IG},
    {SLOT_STARTING, SLOT_STOP, SLOT_STOPPING, TERM},
    {SLOT_STARTING, SLOT_HURRY, SLOT_KILLING, KILL},
    {SLOT_STARTING, SLOT_EXITED, SLOT_BACKOFF, WAIT},

    {SLOT_READY, SLOT_START, SLOT_READY, IG},
    {SLOT_READY, SLOT_SPAWN_FAILED, SLOT_READY, BUG},
    {SLOT_READY, SLOT_SAID_READY, SLOT_READY, IG},
    {SLOT_READY, SLOT_TIMEOUT, SLOT_READY, FORGIVE},
    {SLOT_READY, SLOT_SILENT, SLOT_REPLACING, KILL},
    {SLOT_READY, SLOT_STOP, SLOT_STOPPING, TERM},
    {SLOT_READY, SLOT_HURRY, SLOT_KILLING, KILL},
    {SLOT_READY, SLOT_EXITED, SLOT_BACKOFF, WAIT},

    {SLOT_STOPPING, SLOT_START, SLOT_STOPPING, IG},
    {SLOT_STOPPING, SLOT_SPAWN_FAILED, SLOT_STOPPING, BUG},
    {SLOT_STOPPING, SLOT_SAID_READY, SLOT_STOPPING, IG},
    {SLOT_STOPPING, SLOT_TIMEOUT, SLOT_KILLING, KILL},
    {SLOT_STOPPING, SLOT_SILENT, SLOT_STOPPING, IG},
    {SLOT_STOPPING, SLOT_STOP, SLOT_STOPPING, IG},
    {SLOT_STOPPING, SLOT_HURRY, SLOT_KILLING, KILL},
    {SLOT_STOPPING, SLOT_EXITED, SLOT_GONE, N},

    {SLOT_KILLING, SLOT_START, SLOT_KILLING, IG},
    {SLOT_KILLING, SLOT_SPAWN_FAILED, SLOT_KILLING, BUG},
    {SLOT_KILLING, SLOT_SAID_READY, SLOT_KILLING, IG},
    {SLOT_KILLING, SLOT_TIMEOUT, SLOT_KILLING, AGAIN},
    {SLOT_KILLING, SLOT_SILENT, SLOT_KILLING, IG},
    {SLOT_KILLING, SLOT_STOP, SLOT_KILLING, IG},
    {SLOT_KILLING, SLOT_HURRY, SLOT_KILLING, IG},
    {SLOT_KILLING, SLOT_EXITED, SLOT_GONE, N},

    {SLOT_REPLACING, SLOT_START, SLOT_REPLACING, IG},
    {SLOT_REPLACING, SLOT_SPAWN_FAILED, SLOT_REPLACING, BUG},
    {SLOT_REPLACING, SLOT_SAID_READY, SLOT_REPLACING, IG},
    {SLOT_REPLACING, SLOT_TIMEOUT, SLOT_KILLING, AGAIN},
    {SLOT_REPLACING, SLOT_SILENT, SLOT_REPLACING, IG},
    {SLOT_REPLACING, SLOT_STOP, SLOT_KILLING, N},
    {SLOT_REPLACING, SLOT_HURRY, SLOT_KILLING, N},
    {SLOT_REPLACING, SLOT_EXITED, SLOT_BACKOFF, WAIT},

    {SLOT_BACKOFF, SLOT_START, SLOT_BACKOFF, IG},
    {SLOT_BACKOFF, SLOT_SPAWN_FAILED, SLOT_BACKOFF, BUG},
    {SLOT_BACKOFF, SLOT_SAID_READY, SLOT_BACKOFF, BUG},
    {SLOT_BACKOFF, SLOT_TIMEOUT, SLOT_STARTING, SPAWN},
    {SLOT_BACKOFF, SLOT_SILENT, SLOT_BACKOFF, BUG},
    {SLOT_BACKOFF, SLOT_STOP, SLOT_GONE, N},
    {SLOT_BACKOFF, SLOT_HURRY, SLOT_GONE, N},
    {SLOT_BACKOFF, SLOT_EXITED, SLOT_BACKOFF, BUG},

    {SLOT_GONE, SLOT_START, SLOT_GONE, BUG},
    {SLOT_GONE, SLOT_SPAWN_FAILED, SLOT_GONE, BUG},
    {SLOT_GONE, SLOT_SAID_READY, SLOT_GONE, BUG},
    {SLOT_GONE, SLOT_TIMEOUT, SLOT_GONE, BUG},
    {SLOT_GONE, SLOT_SILENT, SLOT_GONE, BUG},
    {SLOT_GONE, SLOT_STOP, SLOT_GONE, IG},
    {SLOT_GONE, SLOT_HURRY, SLOT_GONE, IG},
    {SLOT_GONE, SLOT_EXITED, SLOT_GONE, BUG},
};

enum { EXPECTED_COUNT = (int)(sizeof EXPECTED / sizeof EXPECTED[0]) };

START_TEST(every_cell_is_as_written_down_here)
{
    bool seen[SLOT_STATE_MAX][SLOT_EVENT_MAX] = {{false}};
    ck_assert_int_eq(EXPECTED_COUNT, SLOT_STATE_MAX * SLOT_EVENT_MAX);
    for (int i = 0; i < EXPECTED_COUNT; i++) {
        const struct expectation *e = &EXPECTED[i];
        struct slot_cell cell = slot_state_next(e->from, e->event);
        ck_assert_msg(cell.next == e->to && cell.actions == e->actions,
                      "%s on %s: goes to %s with actions %x, want %s with %x", slot_state_name(e->from),
                      slot_event_name(e->event), slot_state_name(cell.next), cell.actions,
                      slot_state_name(e->to), e->actions);
        seen[e->from][e->event] = true;
    }
    for (int state = 0; state < SLOT_STATE_MAX; state++)
        for (int event = 0; event < SLOT_EVENT_MAX; event++)
            ck_assert(seen[state][event]);
}
END_TEST

/* Rules that hold over the whole table. */
START_TEST(a_condemned_slot_never_comes_back)
{
    const enum slot_state condemned[] = {SLOT_STOPPING, SLOT_KILLING, SLOT_GONE};
    for (size_t i = 0; i < sizeof condemned / sizeof condemned[0]; i++)
        for (int event = 0; event < SLOT_EVENT_MAX; event++) {
            struct slot_cell cell = slot_state_next(condemned[i], (enum slot_event)event);
            ck_assert(cell.next == SLOT_STOPPING || cell.next == SLOT_KILLING || cell.next == SLOT_GONE);
            ck_assert_uint_eq(cell.actions & (SLOT_DO_SPAWN | SLOT_DO_TERM), 0);
        }
}
END_TEST

START_TEST(stop_condemns_from_every_state)
{
    for (int state = 0; state < SLOT_STATE_MAX; state++) {
        enum slot_state next = slot_state_next((enum slot_state)state, SLOT_STOP).next;
        ck_assert(next == SLOT_STOPPING || next == SLOT_KILLING || next == SLOT_GONE);
    }
}
END_TEST

START_TEST(names_are_words_of_their_own)
{
    for (int i = 0; i < SLOT_STATE_MAX; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(slot_state_name((enum slot_state)i), slot_state_name((enum slot_state)j));
    for (int i = 0; i < SLOT_EVENT_MAX; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(slot_event_name((enum slot_event)i), slot_event_name((enum slot_event)j));
    ck_assert_str_eq(slot_state_name(SLOT_BACKOFF), "backoff");
    ck_assert_str_eq(slot_event_name(SLOT_SAID_READY), "said-ready");
}
END_TEST

UNIT_MAIN("slot_state", every_cell_is_as_written_down_here, a_condemned_slot_never_comes_back,
          stop_condemns_from_every_state, names_are_words_of_their_own)
