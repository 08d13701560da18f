/* The gate to a client's connections: order, and that calls which hang hold nobody up. */
#include "tests/unit/unit.h"

#include "base/loop.h"
#include "supervisor/call_gate.h"

#include <event2/event.h>

enum { FLEETS = 12, SLOW_MS = 20 };

static struct event_base *g_base;
static struct call_gate *g_gate;
static struct fleet {
    struct call_pass pass;
    int went;
    bool leaves; /* at once: a call that fails by itself */
} g_fleets[FLEETS];
static int g_order[100];
static int g_gone;

static void go(void *arg)
{
    struct fleet *fleet = arg;
    fleet->went++;
    g_order[g_gone++] = (int)(fleet - g_fleets);
    if (fleet->leaves)
        call_gate_leave(g_gate, &fleet->pass);
}

static void set_up(size_t calls)
{
    g_base = loop_base_new();
    g_gate = call_gate_new(&(struct call_gate_options){
        .base = g_base, .calls = calls, .quick = 3, .slow = 1, .slow_real_ms = SLOW_MS});
    memset(g_fleets, 0, sizeof g_fleets);
    for (int i = 0; i < FLEETS; i++)
        g_fleets[i].pass = (struct call_pass){.go = go, .arg = &g_fleets[i]};
    g_gone = 0;
}

static void tear_down(void)
{
    for (int i = 0; i < FLEETS; i++)
        g_fleets[i].leaves = true;
    for (int i = 0; i < FLEETS; i++)
        call_gate_leave(g_gate, &g_fleets[i].pass);
    call_gate_destroy(g_gate);
    event_base_free(g_base);
}

static void enter(int i)
{
    call_gate_enter(g_gate, &g_fleets[i].pass);
}

static void leave(int i)
{
    call_gate_leave(g_gate, &g_fleets[i].pass);
}

/* Turns the loop until fleet i went `times`; the guard of ctest ends it otherwise. */
static void wait_for(int i, int times)
{
    while (g_fleets[i].went < times)
        (void)event_base_loop(g_base, EVLOOP_ONCE);
}

START_TEST(those_who_wait_go_in_order)
{
    set_up(100);
    for (int i = 0; i < 6; i++)
        enter(i);
    ck_assert_int_eq(g_gone, 3);
    leave(4); /* changed its mind */
    leave(1);
    leave(0);
    ck_assert_int_eq(g_gone, 5);
    const int order[] = {0, 1, 2, 3, 5};
    ck_assert_mem_eq(g_order, order, sizeof order);
    enter(1);
    ck_assert_int_eq(g_fleets[1].went, 1); /* full again */
    leave(1);
    leave(1);
    tear_down();
}
END_TEST

START_TEST(calls_that_end_at_once_let_all_others_go)
{
    set_up(100);
    for (int i = 0; i < 3; i++)
        enter(i);
    for (int i = 3; i < FLEETS; i++) {
        g_fleets[i].leaves = true;
        enter(i);
    }
    ck_assert_int_eq(g_gone, 3);
    leave(0);
    ck_assert_int_eq(g_gone, FLEETS);
    tear_down();
}
END_TEST

START_TEST(hanging_calls_give_their_places_to_others_and_then_go_by_their_own_lane)
{
    set_up(100);
    for (int i = 0; i < 6; i++)
        enter(i); /* 0 to 5 hang, three of them wait */
    enter(6);
    enter(7);
    wait_for(7, 1);
    const int order[] = {0, 1, 2, 3, 4, 5, 6, 7};
    ck_assert_mem_eq(g_order, order, sizeof order);
    for (int i = 0; i < 6; i++)
        leave(i); /* time-out */
    leave(6);
    leave(7);
    for (int i = 0; i < 6; i++)
        enter(i);
    ck_assert_int_eq(g_fleets[0].went, 2); /* one place in the slow lane */
    ck_assert_int_eq(g_fleets[1].went, 1);
    for (int n = 0; n < 50; n++) { /* the others go as if there were none */
        g_gone = 0;
        enter(6);
        enter(7);
        enter(8);
        ck_assert_int_eq(g_gone, 3);
        leave(6);
        leave(7);
        leave(8);
    }
    leave(0); /* quick this time: next by the slow lane, and it is a quick one again */
    ck_assert_int_eq(g_fleets[1].went, 2);
    enter(0);
    ck_assert_int_eq(g_fleets[0].went, 3);
    tear_down();
}
END_TEST

START_TEST(however_many_hang_there_is_an_end_of_connections)
{
    set_up(5); /* three quick ones and two that became slow */
    for (int i = 0; i < FLEETS; i++)
        enter(i);
    wait_for(4, 1);
    for (int n = 0; n < 3; n++)
        (void)event_base_loop(g_base, EVLOOP_ONCE); /* the gate looks again */
    ck_assert_int_eq(g_gone, 5);
    leave(0);
    ck_assert_int_eq(g_gone, 5); /* a slow one went: nothing for the quick lane yet */
    wait_for(5, 1);              /* but the next look makes room */
    ck_assert_int_eq(g_gone, 6);
    tear_down();
}
END_TEST

UNIT_MAIN("call_gate", those_who_wait_go_in_order, calls_that_end_at_once_let_all_others_go,
          hanging_calls_give_their_places_to_others_and_then_go_by_their_own_lane,
          however_many_hang_there_is_an_end_of_connections)
