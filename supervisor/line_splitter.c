/* Lines out of a stream; see line_splitter.h. */
#include "supervisor/line_splitter.h"

#include <string.h>

static void deliver(struct line_splitter *splitter, bool cut, line_splitter_fn *fn, void *arg)
{
    const char *line = strbuf_str(&splitter->pending);
    size_t len = splitter->pending.len;
    if (!cut && len > 0 && line[len - 1] == '\r')
        len--;
    fn(arg, line, len, cut);
    strbuf_clear(&splitter->pending);
}

/* Takes a piece without newline. */
static void take(struct line_splitter *splitter, const char *bytes, size_t len, line_splitter_fn *fn,
                 void *arg)
{
    if (splitter->skipping)
        return;
    size_t room = splitter->limit - splitter->pending.len;
    if (len <= room) {
        strbuf_append(&splitter->pending, bytes, len);
        return;
    }
    strbuf_append(&splitter->pending, bytes, room);
    splitter->skipping = true;
    splitter->cut_lines++;
    deliver(splitter, true, fn, arg);
}

void line_splitter_feed(struct line_splitter *splitter, const char *bytes, size_t len, line_splitter_fn *fn,
                        void *arg)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t piece = end != NULL ? (size_t)(end - bytes) : len;
        take(splitter, bytes, piece, fn, arg);
        if (end == NULL)
            return;
        if (!splitter->skipping)
            deliver(splitter, false, fn, arg);
        splitter->skipping = false;
        bytes = end + 1;
        len -= piece + 1;
    }
}

void line_splitter_finish(struct line_splitter *splitter, line_splitter_fn *fn, void *arg)
{
    if (!splitter->skipping && splitter->pending.len > 0)
        deliver(splitter, false, fn, arg);
    splitter->skipping = false;
}

void line_splitter_clean_up(struct line_splitter *splitter)
{
    strbuf_clean_up(&splitter->pending);
}
