/* Tables and items; see dynamodb_engine.h. */
#include "localaws/dynamodb_engine.h"

#include "base/alloc.h"
#include "localaws/dynamodb_number.h"

#include <stdio.h>
#include <stdlib.h>

enum { HASH_BYTES_MAX = 2048, RANGE_BYTES_MAX = 1024 };

void dynamodb_init(struct dynamodb *dynamodb, const char *region, const char *account)
{
    *dynamodb = (struct dynamodb){.region = region, .account = account};
}

static void free_item(struct dynamodb_item *item)
{
    json_decref(item->now);
    json_decref(item->before);
    free(item);
}

static void free_table(struct dynamodb_table *table)
{
    size_t position = 0;
    for (struct dynamodb_item *item = NULL; (item = strmap_next(&table->items, &position)) != NULL;)
        free_item(item);
    strmap_clean_up(&table->items);
    json_decref(table->description);
    free(table->hash.name);
    free(table->range.name);
    free(table->name);
    free(table);
}

void dynamodb_clean_up(struct dynamodb *dynamodb)
{
    size_t position = 0;
    for (struct dynamodb_table *table = NULL; (table = strmap_next(&dynamodb->tables, &position)) != NULL;)
        free_table(table);
    strmap_clean_up(&dynamodb->tables);
}

struct dynamodb_table *dynamodb_find_table(const struct dynamodb *dynamodb, const char *name)
{
    return strmap_get(&dynamodb->tables, slice_of(name));
}

struct dynamodb_table *dynamodb_add_table(struct dynamodb *dynamodb, const char *name,
                                          struct dynamodb_key hash, struct dynamodb_key range,
                                          json_t *description, int64_t now_ms)
{
    struct dynamodb_table *table = xcalloc(1, sizeof *table);
    *table = (struct dynamodb_table){.name = xstrdup(name),
                                     .hash = hash,
                                     .range = range,
                                     .description = description,
                                     .created_ms = now_ms,
                                     .number = ++dynamodb->last_number};
    strmap_put(&dynamodb->tables, slice_of(name), table);
    return table;
}

void dynamodb_drop_table(struct dynamodb *dynamodb, struct dynamodb_table *table)
{
    (void)strmap_remove(&dynamodb->tables, slice_of(table->name));
    free_table(table);
}

/* ---- keys ---- */

/* Appends one attribute of the key; the length so far, or 0 with an objection. */
static size_t add_key(const struct dynamodb_key *key, const json_t *attributes, size_t bytes_max, char *out,
                      size_t len, bool exact, char *text, size_t text_size)
{
    struct dynamodb_number number;
    char digits[DYNAMODB_NUMBER_BYTES];
    const json_t *value = json_object_get(attributes, key->name);
    if (value == NULL) {
        (void)snprintf(text, text_size,
                       exact ? "The provided key element does not match the schema"
                             : "One or more parameter values were invalid: Missing the key %s in the item",
                       key->name);
        return 0;
    }
    if (!dynamodb_value_is(value, key->type)) {
        (void)snprintf(
            text, text_size,
            exact ? "The provided key element does not match the schema"
                  : "One or more parameter values were invalid: Type mismatch for key %s expected: %s actual:"
                    " %s",
            key->name, key->type, dynamodb_value_type(value));
        return 0;
    }
    const char *content = json_string_value(dynamodb_value_content(value));
    if (key->type[0] == 'N' && dynamodb_number_parse(content, &number)) {
        dynamodb_number_format(&number, digits); /* 1 and 1.0 are one key */
        content = digits;
    }
    if (content[0] == '\0' || dynamodb_value_length(value) > (long)bytes_max) {
        (void)snprintf(text, text_size,
                       content[0] == '\0'
                           ? "One or more parameter values are not valid. The AttributeValue for a key"
                             " attribute cannot contain an empty string value. Key: %s"
                           : "One or more parameter values were invalid: Size of the key %s exceeds %zu"
                             " bytes",
                       key->name, bytes_max);
        return 0;
    }
    return len + (size_t)snprintf(out + len, DYNAMODB_KEY_TEXT_MAX - len, "%s\x1f", content);
}

bool dynamodb_key_text(const struct dynamodb_table *table, const json_t *attributes, bool exact,
                       char out[static DYNAMODB_KEY_TEXT_MAX], char *text, size_t text_size)
{
    size_t wanted = table->range.name == NULL ? 1 : 2;
    if (exact && json_object_size(attributes) != wanted) {
        (void)snprintf(text, text_size, "The provided key element does not match the schema");
        return false;
    }
    size_t len = add_key(&table->hash, attributes, HASH_BYTES_MAX, out, 0, exact, text, text_size);
    if (len > 0 && table->range.name != NULL)
        len = add_key(&table->range, attributes, RANGE_BYTES_MAX, out, len, exact, text, text_size);
    return len > 0;
}

/* ---- items ---- */

struct dynamodb_item *dynamodb_find(const struct dynamodb_table *table, const char *key)
{
    return strmap_get(&table->items, slice_of(key));
}

bool dynamodb_write(struct dynamodb_table *table, const char *key, json_t *item)
{
    struct dynamodb_item *old = dynamodb_find(table, key);
    if (old != NULL)
        table->bytes -= dynamodb_item_bytes(old->now);
    if (item == NULL) {
        if (old != NULL)
            free_item(strmap_remove(&table->items, slice_of(key)));
        return true;
    }
    if (old == NULL) {
        if (table->items.count >= DYNAMODB_TABLE_ITEMS_MAX) {
            json_decref(item);
            return false;
        }
        old = xcalloc(1, sizeof *old);
        strmap_put(&table->items, slice_of(key), old);
    }
    table->bytes += dynamodb_item_bytes(item);
    json_decref(old->before);
    old->before = old->now;
    old->now = item;
    return true;
}
