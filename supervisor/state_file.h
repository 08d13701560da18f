/*
 * What a supervisor leaves for its successor: state_dir/FLEET.state.json with the controller's complete
 * state, written atomically. Blocking I/O with fsync.
 */
#ifndef SLUICE_SUPERVISOR_STATE_FILE_H
#define SLUICE_SUPERVISOR_STATE_FILE_H

#include "base/err.h"
#include "policies/controller.h"

#include <stdint.h>

enum { STATE_FILE_VERSION = 1, STATE_FILE_MAX_BYTES = 1024 * 1024 };

enum state_file_outcome {
    STATE_FILE_NONE,     /* there is no file: a first start */
    STATE_FILE_RESTORED, /* the controller has it */
    STATE_FILE_BAD,      /* unreadable or of a newer version: kept as .bad; the controller is unchanged */
};

/* Writes {"v":1,"saved_at_ms":..,"boot_id":..,"fleet":..,"desired":..,"controller":{..}}. Returns 0 or
 * negative errno with err. */
int state_file_save(const char *state_dir, const char *fleet, const struct controller *controller,
                    int64_t now_ms, struct err *err);

/* Puts the file's state into the controller. STATE_FILE_BAD comes with err saying what is wrong with it. */
enum state_file_outcome state_file_load(const char *state_dir, const char *fleet,
                                        struct controller *controller, struct err *err);

#endif
