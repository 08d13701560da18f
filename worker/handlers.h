/* The handlers that are compiled in; see handler.h. */
#ifndef SLUICE_WORKER_HANDLERS_H
#define SLUICE_WORKER_HANDLERS_H

#include "worker/handler.h"

extern const struct handler HANDLER_EXEC;
extern const struct handler HANDLER_NOOP;
extern const struct handler HANDLER_PAYMENT;
extern const struct handler HANDLER_HTTP;
extern const struct handler HANDLER_STDIO;
extern const struct handler HANDLER_PLUGIN;

#endif
