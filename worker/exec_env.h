/*
 * The environment of a program that handles one message: the worker's own, without what would be mistaken for
 * a message's, and the message's variables. Every variable that a message sets begins with SQS_, so no
 * message can change PATH, LD_PRELOAD or any other. Pure, but for reading the process's environment at the
 * start.
 *
 * SQS_ATTRIBUTE_<NAME>: the attribute's name with a-z turned into A-Z, and every character that is not A-Z,
 * 0-9 or _ turned into _. Of attributes whose names become the same the first in the message's order is
 * taken.
 */
#ifndef SLUICE_WORKER_EXEC_ENV_H
#define SLUICE_WORKER_EXEC_ENV_H

#include "base/err.h"
#include "base/strbuf.h"
#include "worker/include/sluice/handler.h"

#include <stddef.h>

enum {
    /* Linux takes no single string beyond 128 KiB, the name, "=" and NUL counted (MAX_ARG_STRLEN, execve(2)).
     */
    EXEC_ENV_ENTRY_MAX = 131072,
    /* All of a message's variables: well below the quarter of the stack limit that execve(2) allows. */
    EXEC_ENV_MESSAGE_MAX = 262144,
};

/* What all messages share. */
struct exec_env_base {
    const char **entries; /* of environ, less what is a message's; the array is owned */
    size_t count;
    const char *queue_url; /* not owned */
};

/* One message's; zero it before. */
struct exec_env {
    struct strbuf text; /* entries, each with its NUL */
    size_t *starts;     /* of entries in text; owned */
    size_t count, room;
    const char **envp; /* NULL-terminated; owned; valid until the clean-up */
};

void exec_env_base_init(struct exec_env_base *base, char *const *inherited, const char *queue_url);
void exec_env_base_clean_up(struct exec_env_base *base);

/* Returns 0, or -1 with err when the message does not fit into an environment; clean env up in any case. */
int exec_env_build(struct exec_env *env, const struct exec_env_base *base,
                   const struct sluice_message *message, struct err *err);
void exec_env_clean_up(struct exec_env *env);

#endif
