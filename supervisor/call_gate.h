/*
 * Fair access of many fleets to one client's connections. A fleet has at most one poll under way; so many may
 * be on the wire at once, and the rest waits in order. A call that takes long (a queue that hangs, an
 * endpoint that does not answer) gives its place to others after a second, and a fleet whose last call was
 * slow goes by a lane of its own until one is quick again: however many queues hang, the others keep their
 * rate.
 *
 *   call_gate_enter(gate, &pass);      go(arg) now, or when there is a place
 *   call_gate_leave(gate, &pass);      the call is over, or no longer wanted
 *
 * Belongs to the loop's thread. Real time: it is the network's.
 */
#ifndef SLUICE_SUPERVISOR_CALL_GATE_H
#define SLUICE_SUPERVISOR_CALL_GATE_H

#include "base/jsonw.h"
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct call_gate;

/* Polls on the wire at once, at most; of these quick ones, which always have their places, and such as begin
 * by the slow lane. A call is slow after so long. */
enum { CALL_GATE_CALLS = 224, CALL_GATE_QUICK = 64, CALL_GATE_SLOW = 32, CALL_GATE_SLOW_REAL_MS = 1000 };
/* Connections that a client with a gate needs: some are for calls that are no polls. */
enum { CALL_GATE_CONNECTIONS = 256 };

enum call_pass_state { PASS_OUT, PASS_WAITING, PASS_QUICK, PASS_SLOW };

/* One of each fleet; zeroed, then go and arg set. Not moved while it is not PASS_OUT. */
struct call_pass {
    void (*go)(void *arg);
    void *arg;
    enum call_pass_state state;
    bool is_slow;       /* the last call was: the next one goes by the slow lane */
    int64_t started_ms; /* real */
    TAILQ_ENTRY(call_pass) link;
};

struct call_gate_options {
    struct event_base *base;
    size_t calls; /* as are the next: 0 for the default */
    size_t quick, slow;
    int64_t slow_real_ms;
};

struct call_gate *call_gate_new(const struct call_gate_options *options);
/* No pass may be in it. Accepts NULL. */
void call_gate_destroy(struct call_gate *gate);

/* Asks for a place; pass->go runs before this returns when there is one. The pass must be out. */
void call_gate_enter(struct call_gate *gate, struct call_pass *pass);
/* Gives the place back, or stops waiting; nothing when the pass is out. Others go before this returns. */
void call_gate_leave(struct call_gate *gate, struct call_pass *pass);

/* Writes the value of "gate": places taken and waited for. */
void call_gate_write_status(const struct call_gate *gate, struct jsonw *w);

#endif
