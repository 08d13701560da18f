/* The order of the flash sale: what a valid one looks like. Pure. */
#ifndef SLUICE_WORKER_ORDER_H
#define SLUICE_WORKER_ORDER_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { ORDER_ID_MAX = 64, ORDER_QUANTITY_MAX = 1000 };

struct order {
    char order_id[ORDER_ID_MAX + 1]; /* letters, digits, '_' and '-': safe as a word in the ledger */
    int64_t customer_id;             /* >= 1 */
    size_t item_count;               /* >= 1 */
};

/* Parses and checks {"order_id", "customer_id", "status"?, "items": [{"product_id", "quantity", "price"}],
 * "created_at"?}. Members that are not known are ignored; known ones may stand there once. Returns 0, or -1
 * with err that names the member: "items[2].quantity: want an integer from 1 to 1000". */
int order_parse(const char *body, size_t len, struct order *ret_order, struct err *err);

#endif
