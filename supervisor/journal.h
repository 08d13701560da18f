/*
 * The journal of a fleet's decisions and operators' orders: state_dir/FLEET.journal.jsonl, one JSON object a
 * line (a config record has "config", a decision "obs", an order neither), O_APPEND and one write a record.
 * Each file opens with a config record, so that it can be replayed alone; when a file is full it becomes .1,
 * .1 becomes .2 and so on, and the oldest goes. Where changes alone are written, each has its own config
 * record before it, since the steps in between are missing. A failed write is counted and shown, and never
 * stops a decision.
 */
#ifndef SLUICE_SUPERVISOR_JOURNAL_H
#define SLUICE_SUPERVISOR_JOURNAL_H

#include "base/err.h"
#include "base/strbuf.h"
#include "policies/controller.h"
#include "supervisor/config.h"

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_MAX_BYTES (INT64_C(64) * 1024 * 1024)
enum { JOURNAL_FILES = 4 };

struct journal {
    char *path; /* owned */
    const char *fleet;
    const struct controller *controller; /* not owned; for the config records */
    enum config_journal mode;
    int64_t max_bytes; /* of one file */
    int files;         /* how many are kept, the present one included; >= 1 */

    int fd; /* -1: not open */
    int64_t size;
    /* The next record must be preceded by a config record: the file is new, or a record was lost. */
    bool wants_config;
    struct strbuf line; /* reused */
    struct strbuf
        config; /* mode changes: the state before this step, for the case that it changes something */

    uint64_t records, failures;
    bool failing;
    struct err last_error; /* text "" when there was none */
};

/* Prepares the journal; nothing is written yet. `fleet` and `controller` outlive it. */
void journal_init(struct journal *journal, const char *state_dir, const char *fleet,
                  const struct controller *controller, enum config_journal mode);
void journal_clean_up(struct journal *journal);

/* Closes the file: the next record goes to whatever is at the path then. */
void journal_reopen(struct journal *journal);

/* Around every controller_step(): before it, so that a config record tells the state from which the step went
 * on (opens or rotates the file when that is due), and after it with what came out. now_ms is product time.
 */
void journal_before_step(struct journal *journal, int64_t now_ms);
void journal_after_step(struct journal *journal, const struct decision *decision);

/* After an operator's order was given to the controller: journal_before_step() comes before that, as before a
 * step. Orders are written in every mode but off. */
void journal_after_override(struct journal *journal, const struct override *override, int64_t now_ms);

#endif
