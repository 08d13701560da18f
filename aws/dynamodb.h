/*
 * The few calls of DynamoDB that a lease and shared state need: GetItem (consistent) and UpdateItem with a
 * condition; AWS JSON 1.0. Items have one key attribute, and attributes of type string or number. Every
 * function starts one call on the client's loop and returns a handle for aws_call_cancel(); the arguments are
 * copied. Callbacks come later in the loop, never from within the starting function, exactly once unless
 * cancelled. Texts and arrays handed to a callback are valid during it.
 *
 * A condition that does not hold is an answer (`refused`), no failure: the result is AWS_KIND_OK then.
 * Throttling (ProvisionedThroughputExceededException, ThrottlingException, RequestLimitExceeded) is retried
 * by the client, like every other call's.
 *
 * Protocol facts: DynamoDB API reference, GetItem and UpdateItem; "Expressions: condition" of the developer
 * guide. UpdateItem makes an item that is not there. An item is at most 400 KB.
 */
#ifndef SLUICE_AWS_DYNAMODB_H
#define SLUICE_AWS_DYNAMODB_H

#include "aws/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DYNAMODB_ATTRIBUTES_MAX = 16,         /* of a call or an item; what an item has beyond them is skipped */
    DYNAMODB_ITEM_BYTES_MAX = 400 * 1024, /* names and values of an item together */
};

/* A string (text) or a whole number. */
struct dynamodb_attribute {
    const char *name;
    const char *text; /* NULL: a number */
    int64_t number;
};

/* attributes: GetItem, the item, none when there is no such item; UpdateItem, the item as it is now. */
typedef void dynamodb_item_fn(void *arg, const struct aws_result *result, bool refused,
                              const struct dynamodb_attribute *attributes, size_t count);

/* GetItem with ConsistentRead. */
struct aws_call *dynamodb_get(struct aws_client *client, const char *table,
                              const struct dynamodb_attribute *key, dynamodb_item_fn *fn, void *arg);

enum dynamodb_test {
    DYNAMODB_ABSENT,            /* attribute_not_exists */
    DYNAMODB_EQUAL,             /* = */
    DYNAMODB_ABSENT_OR_AT_MOST, /* attribute_not_exists or <= */
};

struct dynamodb_condition {
    enum dynamodb_test test;
    struct dynamodb_attribute attribute; /* DYNAMODB_ABSENT: the name alone */
};

struct dynamodb_update {
    const char *table;
    struct dynamodb_attribute key;
    const struct dynamodb_attribute *set; /* 1 to DYNAMODB_ATTRIBUTES_MAX */
    size_t set_count;
    const struct dynamodb_condition *conditions; /* all must hold; 0 to DYNAMODB_ATTRIBUTES_MAX */
    size_t condition_count;
    bool want_item; /* the callback gets the item, else nothing */
};
struct aws_call *dynamodb_update(struct aws_client *client, const struct dynamodb_update *update,
                                 dynamodb_item_fn *fn, void *arg);

/* The attribute of that name, NULL when there is none. */
const struct dynamodb_attribute *dynamodb_find(const struct dynamodb_attribute *attributes, size_t count,
                                               const char *name);
/* Its text, or fallback when it is missing or a number; and the other way round. */
const char *dynamodb_text(const struct dynamodb_attribute *attributes, size_t count, const char *name,
                          const char *fallback);
int64_t dynamodb_number(const struct dynamodb_attribute *attributes, size_t count, const char *name,
                        int64_t fallback);

#endif
