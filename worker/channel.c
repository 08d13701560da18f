/* Telemetry socket; see channel.h. */
#include "worker/channel.h"

#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_channel(struct channel *channel)
{
    if (channel->fd < 0)
        return;
    loop_timer_cancel(&channel->timer);
    (void)event_del(channel->readable);
    (void)close(channel->fd);
    channel->fd = -1;
    channel->ops.on_closed(channel->ops.arg);
}

/* Whether it went out. */
static bool send_line(struct channel *channel, const struct telemetry_line *line)
{
    if (channel->fd < 0)
        return false;
    int rc = telemetry_writer_send(&channel->writer, channel->fd, line);
    if (rc < 0)
        close_channel(channel);
    return rc == 0;
}

static void send_stats(struct channel *channel)
{
    struct telemetry_line line = {.type = TELEMETRY_STATS};
    channel->ops.get_stats(channel->ops.arg, &line.stats);
    (void)send_line(channel, &line);
}

/* Those that changed since they were sent. */
static void send_hists(struct channel *channel)
{
    channel->stats_sent = 0;
    for (int i = 0; i < TELEMETRY_HIST_MAX; i++) {
        const struct histogram *histogram = channel->ops.get_hist(channel->ops.arg, (enum telemetry_hist)i);
        if (histogram->count == channel->hist_counts[i])
            continue;
        struct telemetry_line line = {
            .type = TELEMETRY_HIST, .hist = (enum telemetry_hist)i, .histogram = *histogram};
        if (send_line(channel, &line))
            channel->hist_counts[i] = histogram->count;
    }
}

static void arm(struct channel *channel)
{
    if (channel->fd >= 0)
        loop_timer_arm_product_floor_ms(&channel->timer, CHANNEL_STATS_MS, CHANNEL_STATS_FLOOR_MS);
}

static void on_timer(void *arg)
{
    struct channel *channel = arg;
    send_stats(channel);
    if (++channel->stats_sent >= CHANNEL_HIST_EVERY)
        send_hists(channel);
    arm(channel);
}

static void on_line(void *arg, const struct telemetry_line *line)
{
    struct channel *channel = arg;
    if (line->type == TELEMETRY_LIMIT)
        channel->ops.on_limit(channel->ops.arg, line->capacity);
    else
        channel->reader.bad_lines++; /* well formed, but not for a worker */
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct channel *channel = arg;
    char bytes[TELEMETRY_LINE_MAX];
    (void)what;
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_channel(channel);
        return;
    }
    telemetry_reader_feed(&channel->reader, bytes, (size_t)n, on_line, channel);
    if (channel->reader.bad_lines != channel->bad_lines_logged)
        LOG(LOG_WARNING, "control lines not understood", LOG_INT("count", channel->reader.bad_lines));
    channel->bad_lines_logged = channel->reader.bad_lines;
}

int channel_check_fd(int fd, struct err *err)
{
    int type = 0;
    socklen_t len = sizeof type;
    if (fd < 0)
        return 0;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
        return err_set(err, "SLUICE_TELEMETRY_FD=%d: %s", fd, strerror(errno));
    if (type != SOCK_STREAM)
        return err_set(err, "SLUICE_TELEMETRY_FD=%d: want a stream socket", fd);
    return 0;
}

void channel_init(struct channel *channel, struct event_base *base, int fd, const struct channel_ops *ops)
{
    *channel = (struct channel){.fd = fd, .ops = *ops};
    if (fd < 0)
        return;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)evutil_make_socket_nonblocking(fd);
    loop_timer_init(&channel->timer, base, on_timer, channel);
    channel->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, channel);
    if (channel->readable == NULL)
        abort();
    (void)event_add(channel->readable, NULL);
}

void channel_send_ready(struct channel *channel, const char *worker, int threads, int capacity)
{
    struct telemetry_line line = {
        .type = TELEMETRY_READY, .pid = getpid(), .threads = threads, .capacity = capacity};
    (void)snprintf(line.worker, sizeof line.worker, "%s", worker);
    (void)send_line(channel, &line);
    arm(channel);
}

void channel_send_bye(struct channel *channel, const char *reason, int64_t returned)
{
    struct telemetry_line line = {.type = TELEMETRY_BYE, .returned = returned};
    (void)snprintf(line.reason, sizeof line.reason, "%s", reason);
    if (channel->fd < 0)
        return;
    loop_timer_cancel(&channel->timer);
    (void)event_del(channel->readable); /* what is said to it now comes too late */
    send_stats(channel);
    send_hists(channel);
    (void)send_line(channel, &line);
}

void channel_clean_up(struct channel *channel)
{
    if (channel->readable != NULL) {
        event_free(channel->readable);
        loop_timer_clean_up(&channel->timer);
    }
    if (channel->fd >= 0)
        (void)close(channel->fd);
    channel->fd = -1;
    channel->readable = NULL;
    telemetry_reader_clean_up(&channel->reader);
    telemetry_writer_clean_up(&channel->writer);
}
