/*
 * credential_process: a program that prints credentials. It is run directly, never by a shell, with our
 * environment, /dev/null as standard input and error (both may carry secrets), in a process group of its own,
 * which is killed when it takes too long or prints too much.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Process credential provider"; botocore's ProcessProvider
 * splits the command as a POSIX shell would split plain words.
 */
#ifndef SLUICE_AWS_CREDENTIALS_PROCESS_H
#define SLUICE_AWS_CREDENTIALS_PROCESS_H

#include "aws/credentials_source.h"
#include "base/err.h"

#include <stdint.h>

enum { CREDENTIALS_PROCESS_TIMEOUT_MS = 60 * 1000 };

/* Splits a command line into words: white space separates; '...' is literal; in "..." a backslash escapes `"`
 * and `\`, outside any character. No variables, no globbing, no operators. Returns a NULL-terminated list
 * (one allocation, to free()), or NULL with err: no word at all, an open quote, a lone backslash at the end.
 */
char **credentials_process_split(const char *command, struct err *err);

/* Starts the program and reads its output; `source` names it in results and errors. timeout_ms is real, 0:
 * CREDENTIALS_PROCESS_TIMEOUT_MS. Returns NULL with err when it cannot be started. */
struct credentials_fetch *credentials_process_start(const struct credentials_io *io, const char *command,
                                                    const char *source, int64_t timeout_ms,
                                                    aws_credentials_fn *fn, void *arg, struct err *err);

#endif
