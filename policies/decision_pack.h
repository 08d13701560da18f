/*
 * A decision record in as few bytes as possible (about 200, where struct decision has 1,500), for a history
 * in memory of thousands of fleets. Of this program only: nothing here is written to a file. Pure;
 * thread-safe.
 */
#ifndef SLUICE_POLICIES_DECISION_PACK_H
#define SLUICE_POLICIES_DECISION_PACK_H

#include "base/strbuf.h"
#include "policies/decision.h"

#include <stddef.h>

/* Appends the packed decision to out. */
void decision_pack(const struct decision *decision, struct strbuf *out);

/* Gives back what decision_pack() made: the same decision, but for what readings that are not known hold.
 * Returns 0; or -1 when the bytes are none of decision_pack()'s, *ret_decision is undefined then. */
int decision_unpack(const void *bytes, size_t len, struct decision *ret_decision)
    __attribute__((warn_unused_result));

#endif
