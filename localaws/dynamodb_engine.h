/*
 * Tables and items of DynamoDB, in memory. Pure; one thread.
 */
#ifndef SLUICE_LOCALAWS_DYNAMODB_ENGINE_H
#define SLUICE_LOCALAWS_DYNAMODB_ENGINE_H

#include "localaws/dynamodb_value.h"
#include "localaws/strmap.h"

#include <stdint.h>

enum {
    DYNAMODB_TABLES_MAX = 256,
    DYNAMODB_TABLE_ITEMS_MAX = 100000,
    DYNAMODB_KEY_TEXT_MAX = 3400, /* 2,048 bytes and 1,024 bytes, as text */
};

struct dynamodb_key {
    char *name; /* owned; NULL: the table has no range key */
    char type[2];
};

struct dynamodb_item {
    json_t *now;    /* owned */
    json_t *before; /* owned: before the last write; NULL: there was none */
};

struct dynamodb_table {
    char *name; /* owned */
    struct dynamodb_key hash, range;
    json_t *description; /* owned: what CreateTable was given and is shown */
    struct strmap items; /* struct dynamodb_item by text of the key */
    size_t bytes;        /* of all items */
    int64_t created_ms;
    uint64_t number; /* of its making */
};

struct dynamodb {
    const char *region, *account; /* not owned */
    struct strmap tables;
    uint64_t last_number;
    bool reads_are_stale; /* fault of the call in hand: reads that are not consistent show what was before */
};

void dynamodb_init(struct dynamodb *dynamodb, const char *region, const char *account);
void dynamodb_clean_up(struct dynamodb *dynamodb);

struct dynamodb_table *dynamodb_find_table(const struct dynamodb *dynamodb, const char *name);
/* The name is free. hash and range are taken over, as is description. */
struct dynamodb_table *dynamodb_add_table(struct dynamodb *dynamodb, const char *name,
                                          struct dynamodb_key hash, struct dynamodb_key range,
                                          json_t *description, int64_t now_ms);
void dynamodb_drop_table(struct dynamodb *dynamodb, struct dynamodb_table *table);

/* The text under which an item with these attributes is kept; on an objection false with a text. exact: the
 * object holds the key and nothing else. */
bool dynamodb_key_text(const struct dynamodb_table *table, const json_t *attributes, bool exact,
                       char out[static DYNAMODB_KEY_TEXT_MAX], char *text, size_t text_size);
/* NULL: there is none. */
struct dynamodb_item *dynamodb_find(const struct dynamodb_table *table, const char *key);
/* Writes an item, or removes it (NULL). Takes `item` over. False when the table is full. */
bool dynamodb_write(struct dynamodb_table *table, const char *key, json_t *item);

#endif
