/* Lines that are not waited for; see nowait_output.h. */
#include "base/nowait_output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

/* Bytes that went out now, 0 when there is no room; -1 when nobody will ever take them. */
static ssize_t write_some(int fd, const char *bytes, size_t len)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0)
        return (room.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0 ? -1 : 0;
    ssize_t written = write(fd, bytes, len < PIPE_BUF ? len : PIPE_BUF);
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    return written;
}

/* What of the bytes could be written. A reader that is gone takes everything, and is counted. */
static size_t write_all(struct nowait_output *output, const char *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t written = write_some(output->fd, bytes + done, len - done);
        if (written < 0) {
            output->dropped++;
            return len;
        }
        if (written == 0)
            break;
        done += (size_t)written;
    }
    return done;
}

bool nowait_output_flush(struct nowait_output *output)
{
    if (output->rest.len > 0)
        strbuf_consume(&output->rest, write_all(output, output->rest.data, output->rest.len));
    return output->rest.len == 0;
}

bool nowait_output_send(struct nowait_output *output, const struct strbuf *line)
{
    int64_t dropped = output->dropped;
    size_t done = nowait_output_flush(output) ? write_all(output, line->data, line->len) : 0;
    if (done == 0 && line->len > 0)
        output->dropped++;
    else if (done < line->len)
        strbuf_append(&output->rest, line->data + done, line->len - done);
    return output->dropped == dropped;
}

void nowait_output_clean_up(struct nowait_output *output)
{
    strbuf_clean_up(&output->rest);
}
