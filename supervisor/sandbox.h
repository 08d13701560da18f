/*
 * A place of their own for commands that run the whole thing on this machine (demo, measure): the programs
 * beside this one, a private work folder, and an environment with random credentials in which nothing of the
 * user's AWS or Sluice settings is left. Main thread only.
 */
#ifndef SLUICE_SUPERVISOR_SANDBOX_H
#define SLUICE_SUPERVISOR_SANDBOX_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_REGION "us-west-2"

struct sandbox {
    char *program_dir; /* owned: where sluice, sluice-worker and sluice-localaws are */
    char *folder;      /* owned: private, made anew; NULL until then */
};

/* Finds the programs and makes "$TMPDIR/sluice-<name>-XXXXXX". Returns 0 or -1 with err; either way
 * sandbox_close() is due. */
int sandbox_open(struct sandbox *sandbox, const char *name, struct err *err);
/* Removes the folder with all that is in it unless it is to be kept. Safe on a zeroed struct. */
void sandbox_close(struct sandbox *sandbox, bool keep);

/* Takes the user's settings out of our environment (children inherit it), puts random credentials and the
 * region there, sets product time to run `speed` (1..20) times as fast from now, and reads the clock anew.
 * Returns 0 or -1 with err. */
int sandbox_set_environment(int64_t speed, struct err *err);

/* "<folder>/<name>"; the caller frees it. */
char *sandbox_path(const char *folder, const char *name);

/* `len` (at most 64) random letters and digits, and a NUL. Returns 0 or -1 with err. */
int sandbox_random_letters(char *out, size_t len, struct err *err);

#endif
