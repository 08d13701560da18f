/*
 * The two sources of truth of a demo, line by line: what SQS acknowledged (the log of `sluice load`) and what
 * was paid (the payment handler's ledger). Storage, parsing and running counts; the figures are made of it in
 * demo_truth.h. No I/O.
 */
#ifndef SLUICE_SUPERVISOR_DEMO_BOOKS_H
#define SLUICE_SUPERVISOR_DEMO_BOOKS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Texts to small numbers 0, 1, 2 ... in order of appearance. */
struct demo_ids {
    char **names; /* owned texts */
    size_t count, capacity;
    size_t *buckets; /* index + 1 into names, 0 free; open addressing */
    size_t bucket_count;
};

/* Number of a text, -1 when it was never added. */
ssize_t demo_ids_find(const struct demo_ids *ids, const char *name, size_t len);
/* Number of a text, adding it when it is new. */
size_t demo_ids_add(struct demo_ids *ids, const char *name, size_t len);
void demo_ids_clean_up(struct demo_ids *ids);

/* A message that SQS acknowledged. */
struct demo_sent {
    size_t order;            /* number in books->orders */
    size_t message;          /* number in books->messages */
    int64_t sent_ms, due_ms; /* product epoch ms */
    bool malformed;
    bool resent; /* an earlier attempt of this order had an unknown end */
};

/* A line of the ledger. */
struct demo_payment {
    size_t order;
    size_t message;
    pid_t pid;
    int64_t receive_count;
    int64_t start_ms, end_ms; /* product epoch ms */
};

struct demo_books {
    struct demo_ids orders, messages;

    struct demo_sent *sent; /* owned, in the order of the log */
    size_t sent_count, sent_capacity;
    struct demo_payment *payments; /* owned, in the order of the ledger */
    size_t payment_count, payment_capacity;

    int64_t start_ms;     /* smallest due_ms so far: the start of the sale; 0 before the first line */
    int64_t orders_sent;  /* distinct orders acknowledged */
    int64_t orders_paid;  /* distinct orders in the ledger */
    unsigned char *flags; /* owned: per order, which of the two lists it is in */
    size_t flags_capacity;
};

#define DEMO_BOOKS_INIT                                                                                      \
    {                                                                                                        \
        .start_ms = 0                                                                                        \
    }

/* One line of the log, without its newline (load_log.h). Returns 0, or -1 with err when it is none. */
int demo_books_add_sent(struct demo_books *books, const char *line, size_t len, struct err *err);

/* One line of the ledger, without its newline: "order_id message_id worker pid receive_count start_ms
 * end_ms". Returns 0, or -1 with err when it is none. */
int demo_books_add_payment(struct demo_books *books, const char *line, size_t len, struct err *err);

bool demo_books_order_sent(const struct demo_books *books, size_t order);
bool demo_books_order_paid(const struct demo_books *books, size_t order);
/* Whether the ledger has a line of this process. */
bool demo_books_has_paid(const struct demo_books *books, pid_t pid);

void demo_books_clean_up(struct demo_books *books);

#endif
