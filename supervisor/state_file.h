/*
 * What a supervisor leaves for its successor: the controller's complete state as a text, and the file
 * state_dir/FLEET.state.json that holds it, written atomically. The file's functions are blocking I/O; the
 * text also goes into the shared state of two supervisors (ha.h).
 */
#ifndef SLUICE_SUPERVISOR_STATE_FILE_H
#define SLUICE_SUPERVISOR_STATE_FILE_H

#include "base/err.h"
#include "base/strbuf.h"
#include "policies/controller.h"

#include <stdint.h>

enum { STATE_FILE_VERSION = 1, STATE_FILE_MAX_BYTES = 1024 * 1024 };

enum state_file_outcome {
    STATE_FILE_NONE,     /* there is no file: a first start */
    STATE_FILE_RESTORED, /* the controller has it */
    STATE_FILE_BAD,      /* unreadable or of a newer version: kept as .bad; the controller is unchanged */
    STATE_FILE_STUCK,    /* the same, but it could not be renamed: it must not be written over */
};

enum state_file_care {
    STATE_FILE_SYNCED, /* on the disk when it returns, folder included; that may take long on a busy one */
    STATE_FILE_LAZY,   /* left to the kernel, and not written at all when nothing but the time has changed */
};

/* Appends {"v":1,"saved_at_ms":..,"boot_id":..,"fleet":..,"desired":..,"controller":{..}}. All times in it
 * are product time, epoch ms. Returns where in `out` the part begins that tells whether there is news: all
 * but the time of the save. */
size_t state_text_write(const char *fleet, const struct controller *controller, int64_t now_ms,
                        struct strbuf *out);
/* Puts such a text's state into the controller: 0; or -1 with err saying what is wrong, controller unchanged.
 */
int state_text_restore(const char *text, size_t len, struct controller *controller, struct err *err);

/* Writes the text into the file. `written` starts as
 * an empty buffer of the caller's and remembers what the file has, but for the time. Returns 0 or negative
 * errno with err. */
int state_file_save(const char *state_dir, const char *fleet, const struct controller *controller,
                    int64_t now_ms, enum state_file_care care, struct strbuf *written, struct err *err);

/* Puts the file's state into the controller. STATE_FILE_BAD and _STUCK come with err saying what is wrong
 * with it. */
enum state_file_outcome state_file_load(const char *state_dir, const char *fleet,
                                        struct controller *controller, struct err *err);

#endif
