/*
 * What a program of ours settles before anything else: it must not depend on what its parent left it with.
 * Call from main(), before threads, files and log lines.
 */
#ifndef SLUICE_BASE_PROCESS_H
#define SLUICE_BASE_PROCESS_H

#include <stddef.h>

/*
 * - fds 0 to 2 that are closed become /dev/null: else the next file that is opened would be our stderr, and
 * log lines would go into it;
 * - the signal mask is emptied and every signal has its default again (HUP stays ignored if it was: nohup),
 * but PIPE and XFSZ are ignored: both come back as the error of a write, which every caller handles;
 * - no core dumps, since memory holds credentials, unless SLUICE_CORE_DUMPS=1 in the environment leaves the
 * limit alone;
 * - libevent's own warnings become log lines.
 *
 * Ends the program (exit code 70) when /dev/null cannot be opened for a closed fd.
 */
void process_init(void);

/* Raises the soft limit of open files to the hard one; children inherit it, unless they are started with
 * another (base/child.h). Never fails: it stays as it is then. Returns what it was before the first call, 0
 * when unknown. */
size_t process_raise_file_limit(void);

#endif
