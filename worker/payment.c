/*
 * The payment handler: checks an order, takes PAYMENT_TIME of product time for it (at most PAYMENT_SLOTS at
 * once) and writes one line to the ledger. The ledger line is the payment; it is written before the message
 * is deleted, so a crash between the two pays again rather than never.
 */
#include "worker/handlers.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "worker/order.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct payment_options {
    int64_t slots;
    int64_t time_ms;
    char *ledger;
};

static const struct option_row OPTIONS[] = {
    {"payment_slots", OPTION_INT, offsetof(struct payment_options, slots), "5", 1, 100000, NULL, "N",
     "payments at once"},
    {"payment_time", OPTION_DURATION, offsetof(struct payment_options, time_ms), "3s", 0, 43200000, NULL,
     "TIME", "product time that a payment takes"},
    {"ledger", OPTION_STRING, offsetof(struct payment_options, ledger), NULL, 0, 0, NULL, "FILE",
     "append a line for every payment made"},
    OPTION_END,
};

static const struct option_row ENVIRONMENT[] = {
    {"payment_slots", OPTION_INT, offsetof(struct payment_options, slots), "5", 1, 100000, NULL, "N",
     "see --payment-slots"},
    {"payment_time", OPTION_DURATION, offsetof(struct payment_options, time_ms), "3s", 0, 43200000, NULL,
     "TIME", "see --payment-time"},
    OPTION_END,
};

struct payment {
    const struct payment_options *options; /* not owned */
    const struct sluice_host *host;        /* not owned */
    int ledger_fd;                         /* -1: no ledger */
    /* A line was cut by a full disk: the next one starts on a line of its own. */
    atomic_bool torn;
};

static void *payment_open(const void *options, const struct sluice_host *host, struct err *err)
{
    struct payment *payment = xcalloc(1, sizeof *payment);
    payment->options = options;
    payment->host = host;
    payment->ledger_fd = -1;
    const char *path = payment->options->ledger;
    if (path != NULL) {
        payment->ledger_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (payment->ledger_fd < 0) {
            (void)err_set(err, "ledger %s: %s", path, strerror(errno));
            free(payment);
            return NULL;
        }
    }
    return payment;
}

static int64_t payment_limit(const void *instance)
{
    const struct payment *payment = instance;
    return payment->options->slots;
}

/*
 * A line of the ledger is filled up with spaces to this size, so that none lies across the border of two
 * pages: Linux lets a KILL end a write(2) there, which would leave the first half of a line.
 */
enum { RECORD_BYTES = 256 };

/* One write(2) on a file opened for appending: lines of many threads and processes don't mix. */
static int write_ledger(struct payment *payment, const char *line, size_t len, struct err *err)
{
    ssize_t written = -1;
    do
        written = write(payment->ledger_fd, line, len);
    while (written < 0 && errno == EINTR);
    if (written == (ssize_t)len)
        return 0;
    if (written < 0)
        return err_set(err, "ledger: %s", strerror(errno));
    atomic_store(&payment->torn, true);
    return err_set(err, "ledger: %zd of %zu bytes written", written, len);
}

static int record(struct payment *payment, const struct order *order, const struct sluice_message *message,
                  int64_t start_ms, int64_t end_ms, struct err *err)
{
    char line[2 * RECORD_BYTES];
    if (payment->ledger_fd < 0)
        return 0;
    int len = snprintf(line, sizeof line, "%s%s %s %s %d %" PRId64 " %" PRId64 " %" PRId64,
                       atomic_exchange(&payment->torn, false) ? "\n" : "", order->order_id, message->id,
                       payment->host->worker, payment->host->pid, message->receive_count, start_ms, end_ms);
    if (len < 0 || (size_t)len >= sizeof line)
        return err_set(err, "ledger: line of %d bytes is too long", len);
    size_t size = (size_t)len < RECORD_BYTES ? RECORD_BYTES : sizeof line;
    memset(line + len, ' ', size - (size_t)len);
    line[size - 1] = '\n';
    return write_ledger(payment, line, size, err);
}

static enum sluice_verdict payment_handle(void *instance, const struct sluice_message *message,
                                          const struct sluice_context *context)
{
    struct payment *payment = instance;
    struct order order;
    struct err err;
    if (order_parse(message->body, message->body_len, &order, &err) != 0)
        goto failed;
    int64_t start_ms = clock_product_ms();
    /* The millisecond that is under way does not count, so that no payment is shorter than it should be. */
    clock_sleep_until_product_ms(start_ms + payment->options->time_ms +
                                 (payment->options->time_ms > 0 ? 1 : 0));
    if (context->lease_lost(context)) {
        (void)err_set(&err, "order %s: lease lost before the payment was made", order.order_id);
        goto failed;
    }
    if (record(payment, &order, message, start_ms, clock_product_ms(), &err) != 0)
        goto failed;
    return SLUICE_DONE;
failed:
    context->set_reason(context, err.text);
    return SLUICE_FAILED;
}

static void payment_close(void *instance)
{
    struct payment *payment = instance;
    if (payment->ledger_fd >= 0)
        (void)close(payment->ledger_fd);
    free(payment);
}

const struct handler HANDLER_PAYMENT = {
    .flags = 0,
    .name = "payment",
    .help = "pays the orders of the flash sale",
    .options = OPTIONS,
    .environment = ENVIRONMENT,
    .options_size = sizeof(struct payment_options),
    .open = payment_open,
    .limit = payment_limit,
    .handle = payment_handle,
    .close = payment_close,
    .open_exit_code = EXIT_CODE_IO,
};
