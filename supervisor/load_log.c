/* The log of acknowledged messages; see load_log.h. */
#include "supervisor/load_log.h"

#include "base/jsonw.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void load_log_encode(const struct load_log_line *line, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);

    jsonw_object(&w);
    jsonw_key_str(&w, "order_id", line->item->id);
    jsonw_key_str(&w, "message_id", line->message_id);
    jsonw_key_int(&w, "t_ms", line->sent_ms);
    jsonw_key_int(&w, "due_ms", line->due_ms);
    jsonw_key_str(&w, "kind", orders_kind_name(line->item->kind));
    jsonw_key_bool(&w, "sns", line->item->sns);
    jsonw_key_int(&w, "attempt", line->attempt);
    jsonw_key_bool(&w, "resent", line->resent);
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}

int load_log_open(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0) {
        int saved = errno;
        (void)err_set(err, "%s: %s", path, strerror(saved));
        return -saved;
    }
    return fd;
}

int load_log_write(int fd, const struct strbuf *lines, struct err *err)
{
    size_t done = 0;

    while (done < lines->len) {
        ssize_t n = write(fd, lines->data + done, lines->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int saved = errno;
            (void)err_set(err, "log of acknowledged messages: %s", strerror(saved));
            return -saved;
        }
        done += (size_t)n;
    }
    return 0;
}
