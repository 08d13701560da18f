/* Follows a growing file line by line; see demo_tail.h. */
#include "supervisor/demo_tail.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 65536, LOG_FILE_MAX_BYTES = 64 * 1024 * 1024 };

void demo_tail_init(struct demo_tail *tail, const char *path)
{
    *tail = (struct demo_tail){.path = xstrdup(path), .fd = -1};
}

void demo_tail_clean_up(struct demo_tail *tail)
{
    if (tail->path == NULL)
        return;
    if (tail->fd >= 0)
        (void)close(tail->fd);
    free(tail->path);
    strbuf_clean_up(&tail->pending);
    *tail = (struct demo_tail){.fd = -1};
}

static int take_lines(struct demo_tail *tail,
                      int (*fn)(void *arg, const char *line, size_t len, struct err *err), void *arg,
                      struct err *err)
{
    size_t at = 0;
    int rc = 0;

    while (rc == 0 && at < tail->pending.len) {
        const char *line = tail->pending.data + at;
        const char *end = memchr(line, '\n', tail->pending.len - at);
        if (end == NULL)
            break;
        rc = fn(arg, line, (size_t)(end - line), err);
        if (rc != 0)
            (void)err_prefix(err, "%s: \"%.*s\"", tail->path, (int)(end - line > 100 ? 100 : end - line),
                             line);
        at = (size_t)(end + 1 - tail->pending.data);
    }
    if (at > 0)
        strbuf_consume(&tail->pending, at);
    return rc != 0 ? -1 : 0;
}

int demo_tail_read(struct demo_tail *tail,
                   int (*fn)(void *arg, const char *line, size_t len, struct err *err), void *arg,
                   struct err *err)
{
    if (tail->fd < 0)
        tail->fd = open(tail->path, O_RDONLY | O_CLOEXEC);
    if (tail->fd < 0)
        return errno == ENOENT ? 0 : err_set(err, "%s: %s", tail->path, strerror(errno));
    for (;;) {
        char *room = strbuf_reserve(&tail->pending, READ_BYTES);
        ssize_t n = read(tail->fd, room, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, "%s: %s", tail->path, strerror(errno));
        if (n == 0)
            return 0;
        tail->pending.len += (size_t)n;
        if (take_lines(tail, fn, arg, err) != 0)
            return -1;
    }
}

void demo_tail_last_lines(const char *path, int max_lines, struct strbuf *out)
{
    struct strbuf text = STRBUF_INIT;

    if (file_read(path, LOG_FILE_MAX_BYTES, &text, NULL) == 0 && text.len > 0) {
        size_t at = text.len;
        int lines = 0;
        /* Back to the start of the last max_lines lines; the newline at the very end closes the last one. */
        while (at > 0 && !(text.data[at - 1] == '\n' && at < text.len && ++lines == max_lines))
            at--;
        while (at < text.len) {
            const char *line = text.data + at;
            size_t len = strcspn(line, "\n");
            strbuf_appendf(out, "    %.*s\n", (int)(len > 300 ? 300 : len), line);
            at += len + 1;
        }
    }
    strbuf_clean_up(&text);
}
