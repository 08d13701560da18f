/* Whole files: read with a limit, write so that a crash leaves the old or the new content, and lock. Blocking
 * I/O. */
#ifndef SLUICE_BASE_FILE_H
#define SLUICE_BASE_FILE_H

#include "base/err.h"
#include "base/strbuf.h"

#include <stddef.h>
#include <sys/types.h>

/* Appends the file's bytes to out. Returns 0; -ENOENT and other negative errno with err; -EFBIG above
 * max_bytes. */
int file_read(const char *path, size_t max_bytes, struct strbuf *out, struct err *err);

/* Writes path.tmp, fsyncs it, renames it over path and fsyncs the folder. Mode 0600 masked by umask... as
 * given. Returns 0 or negative errno with err; the old file is untouched on failure. */
int file_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err);

/* The same without waiting for the disk: a crash of the program leaves the old or the new content, a power
 * cut may leave less. For what can be lost, written from where nobody may wait. */
int file_write_unsynced(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err);

/* Writes over a file of just this length, at most FILE_OVERWRITE_MAX bytes, with one write: a crash of the
 * program leaves the old or the new content, since the kernel copies a page whole, and a power cut as much as
 * the disk writes of one block. No new file comes into being, which is ten times as cheap on ext4 when
 * hundreds of files are renewed a second. Returns 0; -ESTALE when there is no such file of this length (write
 * it anew); or another negative errno. */
enum { FILE_OVERWRITE_MAX = 4096 };
int file_overwrite(const char *path, const void *bytes, size_t len);

/* Opens (creating, 0600) and flocks path without waiting; writes our pid into it. Returns the fd
 * (close-on-exec, keeps the lock until closed), -EWOULDBLOCK when held (*ret_holder gets the pid read from
 * it, 0 unknown), or another negative errno with err. */
int file_lock(const char *path, pid_t *ret_holder, struct err *err);

/* mkdir -p with the given mode for what is missing. Returns 0 or negative errno with err. */
int file_make_dirs(const char *path, mode_t mode, struct err *err);

#endif
