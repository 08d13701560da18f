/*
 * A complete handler for `sluice-worker --handler plugin`: appends messages to a file and acknowledges them
 * once they are on the disk. See README.md.
 *
 * Group commit: a thread adds its line to the pending ones. When nobody is at the disk it takes all that are
 * pending and writes and syncs them, for the others as well; those wait for the round that holds their line.
 */
#define _POSIX_C_SOURCE 200809L
#include <sluice/handler.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lines {
    char *bytes;
    size_t len, size;
};

struct archive {
    const struct sluice_host *host;
    int fd;

    pthread_mutex_t lock;
    pthread_cond_t round_over;
    struct lines pending, writing;
    unsigned long round;     /* that pending lines will be written in */
    unsigned long last_over; /* round that ended last */
    unsigned long broken;    /* the first round that failed; 0: none did */
    int at_disk;             /* a thread is */
    unsigned long rounds, messages;
};

static void *archive_open(const struct sluice_host *host, char *error, size_t error_size)
{
    if (host->argument_count != 1) {
        (void)snprintf(error, error_size, "want one argument behind \"--\": the file to append to");
        return NULL;
    }
    struct archive *a = calloc(1, sizeof *a);
    if (a == NULL) {
        (void)snprintf(error, error_size, "no memory");
        return NULL;
    }
    a->host = host;
    a->round = 1;
    a->fd = open(host->arguments[0], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (a->fd < 0) {
        (void)snprintf(error, error_size, "%s: %s", host->arguments[0], strerror(errno));
        free(a);
        return NULL;
    }
    (void)pthread_mutex_init(&a->lock, NULL);
    (void)pthread_cond_init(&a->round_over, NULL);
    return a;
}

static int add_line(struct lines *lines, const struct sluice_message *message)
{
    size_t id_len = strlen(message->id);
    size_t wanted = lines->len + id_len + message->body_len + 2;
    if (wanted > lines->size) {
        char *bytes = realloc(lines->bytes, 2 * wanted);
        if (bytes == NULL)
            return -1;
        lines->bytes = bytes;
        lines->size = 2 * wanted;
    }
    char *to = lines->bytes + lines->len;
    memcpy(to, message->id, id_len);
    to[id_len] = '\t';
    memcpy(to + id_len + 1, message->body, message->body_len);
    to[id_len + 1 + message->body_len] = '\n';
    lines->len = wanted;
    return 0;
}

/* Writes and syncs; 0, or -1 with errno. */
static int put(int fd, const struct lines *lines)
{
    for (size_t done = 0; done < lines->len;) {
        ssize_t n = write(fd, lines->bytes + done, lines->len - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return fdatasync(fd);
}

/* Takes what is pending to the disk. Caller holds the lock, which is given up meanwhile. */
static void write_round(struct archive *a)
{
    struct lines empty = a->writing;
    unsigned long round = a->round++;
    a->writing = a->pending;
    a->pending = empty;
    a->at_disk = 1;
    (void)pthread_mutex_unlock(&a->lock);
    int failed = put(a->fd, &a->writing) != 0;
    if (failed)
        a->host->log(SLUICE_LOG_ERROR, strerror(errno));
    (void)pthread_mutex_lock(&a->lock);
    a->writing.len = 0;
    a->at_disk = 0;
    a->last_over = round;
    a->rounds++;
    /* After a failed sync nobody knows what the file holds: nothing more is acknowledged by this process. */
    if (failed && a->broken == 0)
        a->broken = round;
    (void)pthread_cond_broadcast(&a->round_over);
}

/* Returns when the line is on the disk (0), or cannot get there (-1). */
static int append(struct archive *a, const struct sluice_message *message)
{
    (void)pthread_mutex_lock(&a->lock);
    unsigned long round = a->round;
    int rc = a->broken != 0 ? -1 : add_line(&a->pending, message);
    while (rc == 0 && a->last_over < round) {
        if (a->at_disk)
            (void)pthread_cond_wait(&a->round_over, &a->lock);
        else
            write_round(a);
    }
    if (a->broken != 0 && round >= a->broken)
        rc = -1;
    a->messages += rc == 0;
    (void)pthread_mutex_unlock(&a->lock);
    return rc;
}

static enum sluice_verdict archive_handle(void *instance, const struct sluice_message *message,
                                          const struct sluice_context *context)
{
    struct archive *a = instance;
    if (memchr(message->body, '\n', message->body_len) != NULL) {
        context->set_reason(context, "the body has a line end: it would become two lines");
        return SLUICE_REJECT;
    }
    if (context->lease_lost(context))
        return SLUICE_FAILED;
    if (append(a, message) == 0)
        return SLUICE_DONE;
    /* The disk is to blame, not the message. */
    context->set_reason(context, "the archive cannot be written");
    context->set_retry_delay(context, 30);
    return SLUICE_RETRY;
}

static void archive_close(void *instance)
{
    struct archive *a = instance;
    char text[100];
    (void)snprintf(text, sizeof text, "archived %lu messages with %lu syncs", a->messages, a->rounds);
    a->host->log(SLUICE_LOG_INFO, text);
    (void)close(a->fd);
    (void)pthread_cond_destroy(&a->round_over);
    (void)pthread_mutex_destroy(&a->lock);
    free(a->pending.bytes);
    free(a->writing.bytes);
    free(a);
}

const struct sluice_handler *sluice_plugin(void)
{
    static const struct sluice_handler HANDLER = {
        .abi_version = SLUICE_HANDLER_ABI,
        .size = sizeof(struct sluice_handler),
        .name = "archive",
        .open = archive_open,
        .handle = archive_handle,
        .close = archive_close,
    };
    return &HANDLER;
}
