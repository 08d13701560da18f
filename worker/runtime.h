/* The running worker: event loop, AWS clients, handler threads, signals and telemetry around the core. */
#ifndef SLUICE_WORKER_RUNTIME_H
#define SLUICE_WORKER_RUNTIME_H

#include "worker/settings.h"

/* Runs until drained; returns the exit code. Call from the main thread, after clock_init() and log_init(),
 * with no other thread. When a handler does not come back within the grace it does not return but leaves by
 * _exit(). */
int runtime_run(const struct settings *settings);

/* Blocks the signals that runtime_run() handles in this thread, and all others that a thread should not see;
 * ignores SIGPIPE. Before anything starts a thread. */
void runtime_block_signals(void);

#endif
