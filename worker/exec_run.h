/*
 * One run of a program for one message, from fork to the end of its whole process group: feeds it, reads what
 * it writes, ends it when its time is over or the message's lease is lost. Blocks the calling thread, which
 * must live longer than the program (base/child.h).
 */
#ifndef SLUICE_WORKER_EXEC_RUN_H
#define SLUICE_WORKER_EXEC_RUN_H

#include "base/err.h"
#include "worker/child_groups.h"
#include "worker/include/sluice/handler.h"
#include "worker/output_lines.h"

#include <stddef.h>
#include <stdint.h>

enum {
    /* Real time that what a program started may keep its output open after the program ended and its group
     * was killed: long enough to empty the pipes, which is all that is left to do unless somebody left the
     * group. */
    EXEC_RUN_LINGER_MS = 250,
    /* Real time between two looks at the lease and at the program beyond those that descriptors ask for. */
    EXEC_RUN_LOOK_MS = 500,
};

struct exec_run_spec {
    const char *program; /* as child_find_program() gave it */
    const char *const *argv;
    const char *const *envp;
    const char *input; /* standard input */
    size_t input_len;
    int64_t timeout_ms;    /* product time, from the start to TERM; 0: none */
    int64_t kill_after_ms; /* product time, from TERM to KILL */
    size_t file_limit;     /* soft limit of open files; 0: ours */
    struct child_groups *groups;
    const struct sluice_context *context; /* lease */
    struct output_stream *out, *err;      /* where its output goes */
};

enum exec_run_end {
    EXEC_RUN_EXITED,   /* by itself */
    EXEC_RUN_TIMEOUT,  /* its time was over */
    EXEC_RUN_CANCELED, /* the lease was lost or the worker leaves */
    EXEC_RUN_FAILED,   /* it could not be started */
};

struct exec_run_result {
    enum exec_run_end end;
    int status; /* wait status, unless EXEC_RUN_FAILED */
    int error;  /* errno, when EXEC_RUN_FAILED; err says more */
};

struct exec_run_result exec_run(const struct exec_run_spec *spec, struct err *err);

#endif
