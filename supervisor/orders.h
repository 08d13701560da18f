/*
 * Invented orders of a flash sale: what `sluice load` sends. Everything about order number i follows from the
 * seed and i alone (but for its time of creation), so that a test knows which orders are malformed before one
 * is sent. Pure; thread-safe.
 */
#ifndef SLUICE_SUPERVISOR_ORDERS_H
#define SLUICE_SUPERVISOR_ORDERS_H

#include "base/err.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

enum { ORDERS_ID_BYTES = 65, ORDERS_PREFIX_BYTES = 16, ORDERS_COUNT_MAX = 10 * 1000 * 1000 };

/* How a message differs from a plain order. */
enum orders_kind {
    ORDERS_PLAIN,     /* the order's JSON is the body */
    ORDERS_SNS,       /* the order's JSON is the Message of an SNS notification */
    ORDERS_MALFORMED, /* no valid order, perhaps in a notification too */
    ORDERS_KIND_MAX,
};

/* What is wrong with a malformed order; each occurs equally often, to within one. */
enum orders_defect {
    ORDERS_DEFECT_NONE,
    ORDERS_DEFECT_TRUNCATED,   /* the JSON ends in the middle */
    ORDERS_DEFECT_NO_ID,       /* order_id is missing */
    ORDERS_DEFECT_WRONG_TYPES, /* customer_id and quantity are texts */
    ORDERS_DEFECT_EMPTY_ITEMS, /* items is [] */
    ORDERS_DEFECT_NOT_OBJECT,  /* valid JSON, but an array */
    ORDERS_DEFECT_MAX,
};

struct orders {
    uint64_t seed;
    int64_t count;
    int64_t malformed_count; /* exactly round(share x count) */
    int64_t sns_count;       /* exactly round(share x count) */
    char prefix[ORDERS_PREFIX_BYTES];
    unsigned half_bits; /* of the permutation that picks which orders are what */
};

struct orders_item {
    enum orders_kind kind;
    enum orders_defect defect;
    bool sns; /* wrapped as an SNS notification; a malformed order only when the shares leave no plain one */
    char id[ORDERS_ID_BYTES]; /* "<prefix>-000123", [A-Za-z0-9_-] only; unique within the plan */
};

/* A seed that nobody chose, above 0, and exact also where a JSON reader holds it as a double. */
int64_t orders_random_seed(void);

/* Prepares `count` (1..ORDERS_COUNT_MAX) orders. The shares are 0..1: round(share x count) orders are
 * malformed and as many wrapped as notifications, chosen by the seed, the two sets apart as long as they fit
 * beside each other. Returns 0, or -1 with err. */
int orders_init(struct orders *orders, uint64_t seed, int64_t count, double sns_share, double malformed_share,
                struct err *err);

/* Tells what order `index` (0..count - 1) is. */
void orders_describe(const struct orders *orders, int64_t index, struct orders_item *ret_item);

/* Appends the message body of order `index`; created_ms is product epoch ms and becomes created_at and
 * Timestamp. A valid order has order_id, customer_id >= 1, status "pending", 1 to 4 items {product_id,
 * quantity, price}, and created_at. */
void orders_write_body(const struct orders *orders, int64_t index, int64_t created_ms, struct strbuf *out);

/* "plain", "sns", "malformed" */
const char *orders_kind_name(enum orders_kind kind);

#endif
