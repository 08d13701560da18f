/* A decision record told in words, one line a fact: what was known and how old it was, what the policy made
 * of it, what was cut, which waits are open, the result, and why nothing changed. Pure; thread-safe. */
#ifndef SLUICE_POLICIES_EXPLAIN_H
#define SLUICE_POLICIES_EXPLAIN_H

#include "base/strbuf.h"
#include "policies/decision.h"

#include <stdint.h>

/* Appends the lines, each of them after `indent` and with a newline at its end:
 *   result   hold at 25: visible 300 > 20: +2 to 27; scale-out cooldown, 55 s to go
 *   why not  growth waits for the scale-out cooldown
 *   queue    visible 300 (12 ms old), in flight 125 (12 ms old), delayed 0 (12 ms old)
 *   ... */
void decision_explain(const struct decision *decision, const char *indent, struct strbuf *out);

/* Appends a time for people: "12 ms", "1.2 s", "3.4 min", "2.1 h". */
void explain_span(int64_t ms, struct strbuf *out);

#endif
