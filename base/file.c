/* Whole files: bounded reads, atomic writes, locks. */
#include "base/file.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes errno, so that callers can write `return fail(err, "open", path);`. */
static int fail(struct err *err, const char *what, const char *path)
{
    int code = errno != 0 ? errno : EIO;
    (void)err_set(err, "%s %s: %s", what, path, strerror(code));
    return -code;
}

static int read_all(int fd, size_t max_bytes, struct strbuf *out)
{
    size_t total = 0;
    for (;;) {
        char *to = strbuf_reserve(out, 16384);
        ssize_t got = read(fd, to, 16384);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return 0;
        out->len += (size_t)got;
        out->data[out->len] = '\0';
        total += (size_t)got;
        if (total > max_bytes)
            return -EFBIG;
    }
}

int file_read(const char *path, size_t max_bytes, struct strbuf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail(err, "open", path);
    int rc = read_all(fd, max_bytes, out);
    (void)close(fd);
    if (rc != 0) {
        errno = -rc;
        return fail(err, "read", path);
    }
    return 0;
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, bytes, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        bytes += put;
        len -= (size_t)put;
    }
    return 0;
}

/* Makes the rename itself survive a power cut. A folder that cannot be synced is not an error of the file. */
static void sync_folder_of(const char *path)
{
    char *copy = xstrdup(path);
    char *slash = strrchr(copy, '/');
    const char *folder = slash == NULL ? "." : slash == copy ? "/" : copy;
    if (slash != NULL && slash != copy)
        *slash = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    free(copy);
}

static int replace_file(const char *path, const void *bytes, size_t len, mode_t mode, bool sync,
                        struct err *err)
{
    char temporary[PATH_MAX];
    int rc = 0;
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary) {
        errno = ENAMETOOLONG;
        return fail(err, "write", path);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return fail(err, "create", temporary);
    if (write_all(fd, bytes, len) != 0 || (sync && fsync(fd) != 0))
        rc = fail(err, "write", temporary);
    if (close(fd) != 0 && rc == 0)
        rc = fail(err, "close", temporary);
    if (rc == 0 && rename(temporary, path) != 0)
        rc = fail(err, "rename to", path);
    if (rc != 0) {
        (void)unlink(temporary);
        return rc;
    }
    if (sync)
        sync_folder_of(path);
    return 0;
}

int file_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err)
{
    return replace_file(path, bytes, len, mode, true, err);
}

int file_write_unsynced(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err)
{
    return replace_file(path, bytes, len, mode, false, err);
}

int file_overwrite(const char *path, const void *bytes, size_t len)
{
    struct stat info;
    int rc = -ESTALE;
    int fd = len <= FILE_OVERWRITE_MAX ? open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    if (fd < 0)
        return rc;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1 && info.st_size == (off_t)len) {
        ssize_t put = pwrite(fd, bytes, len, 0);
        rc = put == (ssize_t)len ? 0 : put < 0 ? -errno : -EIO;
    }
    (void)close(fd);
    return rc;
}

static pid_t read_holder(int fd)
{
    char text[32] = "";
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    return got > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

int file_lock(const char *path, pid_t *ret_holder, struct err *err)
{
    char text[32];
    int rc = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(err, "open lock", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        rc = fail(err, "lock", path);
        if (rc == -EWOULDBLOCK) {
            pid_t holder = read_holder(fd);
            *ret_holder = holder;
            (void)err_set(err, "lock %s: held by process %ld", path, (long)holder);
        }
        goto failed;
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        rc = fail(err, "write lock", path);
        goto failed;
    }
    return fd;
failed:
    (void)close(fd);
    return rc;
}

int file_make_dirs(const char *path, mode_t mode, struct err *err)
{
    char *copy = xstrdup(path);
    int rc = 0;
    for (char *at = copy + 1; rc == 0; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char kept = *at;
        *at = '\0';
        struct stat info;
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            rc = fail(err, "create folder", copy);
        else if (stat(copy, &info) != 0)
            rc = fail(err, "look at", copy);
        else if (!S_ISDIR(info.st_mode)) {
            errno = ENOTDIR;
            rc = fail(err, "create folder", copy);
        }
        *at = kept;
        if (kept == '\0')
            break;
    }
    free(copy);
    return rc;
}
