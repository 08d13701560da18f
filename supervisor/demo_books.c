/* Acknowledged messages and payments, parsed and numbered; see demo_books.h. Pure. */
#include "supervisor/demo_books.h"

#include "base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { ID_MAX_BYTES = 128, LEDGER_FIELDS = 7, FLAG_SENT = 1, FLAG_PAID = 2 };

/* ---- ids ---- */

static size_t hash_of(const char *name, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ (hash >> 29));
}

/* The bucket that holds the name, or the free one where it belongs. */
static size_t bucket_of(const struct demo_ids *ids, const char *name, size_t len)
{
    size_t at = hash_of(name, len) & (ids->bucket_count - 1);

    while (ids->buckets[at] != 0) {
        const char *there = ids->names[ids->buckets[at] - 1];
        if (strncmp(there, name, len) == 0 && there[len] == '\0')
            break;
        at = (at + 1) & (ids->bucket_count - 1);
    }
    return at;
}

static void rehash(struct demo_ids *ids)
{
    free(ids->buckets);
    ids->bucket_count = ids->bucket_count == 0 ? 1024 : ids->bucket_count * 2;
    ids->buckets = xcalloc(ids->bucket_count, sizeof *ids->buckets);
    for (size_t i = 0; i < ids->count; i++)
        ids->buckets[bucket_of(ids, ids->names[i], strlen(ids->names[i]))] = i + 1;
}

ssize_t demo_ids_find(const struct demo_ids *ids, const char *name, size_t len)
{
    if (ids->bucket_count == 0)
        return -1;
    return (ssize_t)ids->buckets[bucket_of(ids, name, len)] - 1;
}

size_t demo_ids_add(struct demo_ids *ids, const char *name, size_t len)
{
    if (2 * (ids->count + 1) > ids->bucket_count)
        rehash(ids);
    size_t at = bucket_of(ids, name, len);
    if (ids->buckets[at] != 0)
        return ids->buckets[at] - 1;
    if (ids->count == ids->capacity) {
        ids->capacity = ids->capacity == 0 ? 256 : ids->capacity * 2;
        ids->names = xrealloc(ids->names, ids->capacity * sizeof *ids->names);
    }
    ids->names[ids->count] = xstrndup(name, len);
    ids->buckets[at] = ids->count + 1;
    return ids->count++;
}

void demo_ids_clean_up(struct demo_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        free(ids->names[i]);
    free(ids->names);
    free(ids->buckets);
    *ids = (struct demo_ids){.names = NULL};
}

/* ---- orders ---- */

static bool has_flag(const struct demo_books *books, size_t order, unsigned char flag)
{
    return order < books->flags_capacity && (books->flags[order] & flag) != 0;
}

/* Marks an order; returns whether it was new there. */
static bool set_flag(struct demo_books *books, size_t order, unsigned char flag)
{
    if (order >= books->flags_capacity) {
        size_t capacity = order < 1024 ? 2048 : order * 2;
        books->flags = xrealloc(books->flags, capacity);
        memset(books->flags + books->flags_capacity, 0, capacity - books->flags_capacity);
        books->flags_capacity = capacity;
    }
    bool is_new = (books->flags[order] & flag) == 0;
    books->flags[order] |= flag;
    return is_new;
}

bool demo_books_order_sent(const struct demo_books *books, size_t order)
{
    return has_flag(books, order, FLAG_SENT);
}

bool demo_books_order_paid(const struct demo_books *books, size_t order)
{
    return has_flag(books, order, FLAG_PAID);
}

bool demo_books_has_paid(const struct demo_books *books, pid_t pid)
{
    for (size_t i = books->payment_count; i > 0; i--) /* who works is among the last lines */
        if (books->payments[i - 1].pid == pid)
            return true;
    return false;
}

/* ---- the log of load ---- */

static int read_sent(const json_t *json, struct demo_books *books, struct demo_sent *ret_sent,
                     struct err *err)
{
    const char *order_id, *message_id, *kind;
    json_int_t sent_ms, due_ms;
    int resent;
    json_error_t error;

    if (json_unpack_ex((json_t *)json, &error, 0, "{s:s, s:s, s:s, s:I, s:I, s:b}", "order_id", &order_id,
                       "message_id", &message_id, "kind", &kind, "t_ms", &sent_ms, "due_ms", &due_ms,
                       "resent", &resent) != 0)
        return err_set(err, "no line of acknowledged messages: %s", error.text);
    if (*order_id == '\0' || strlen(order_id) > ID_MAX_BYTES || *message_id == '\0' ||
        strlen(message_id) > ID_MAX_BYTES)
        return err_set(err, "order_id or message_id is empty or too long");
    *ret_sent = (struct demo_sent){
        .order = demo_ids_add(&books->orders, order_id, strlen(order_id)),
        .message = demo_ids_add(&books->messages, message_id, strlen(message_id)),
        .sent_ms = sent_ms,
        .due_ms = due_ms,
        .malformed = strcmp(kind, "malformed") == 0,
        .resent = resent != 0,
    };
    return 0;
}

int demo_books_add_sent(struct demo_books *books, const char *line, size_t len, struct err *err)
{
    struct demo_sent sent;
    json_error_t error;
    json_t *json = json_loadb(line, len, 0, &error);

    if (json == NULL)
        return err_set(err, "no JSON: %s", error.text);
    int rc = read_sent(json, books, &sent, err);
    json_decref(json);
    if (rc != 0)
        return rc;
    if (books->sent_count == books->sent_capacity) {
        books->sent_capacity = books->sent_capacity == 0 ? 1024 : books->sent_capacity * 2;
        books->sent = xrealloc(books->sent, books->sent_capacity * sizeof *books->sent);
    }
    books->sent[books->sent_count++] = sent;
    if (books->start_ms == 0 || sent.due_ms < books->start_ms)
        books->start_ms = sent.due_ms;
    books->orders_sent += set_flag(books, sent.order, FLAG_SENT);
    return 0;
}

/* ---- the ledger ---- */

struct field {
    const char *text;
    size_t len;
};

/* Splits at single spaces; returns how many fields there are, at most `max` + 1. */
static size_t split(const char *line, size_t len, struct field *fields, size_t max)
{
    size_t count = 0;
    const char *end = line + len;

    for (const char *at = line; count <= max; count++) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        if (count < max)
            fields[count] = (struct field){at, (size_t)((space == NULL ? end : space) - at)};
        if (space == NULL)
            return count + 1;
        at = space + 1;
    }
    return count;
}

static int read_number(const struct field *field, int64_t *ret_value)
{
    char text[24], *end;

    if (field->len == 0 || field->len >= sizeof text || field->text[0] < '0' || field->text[0] > '9')
        return -1;
    memcpy(text, field->text, field->len);
    text[field->len] = '\0';
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return -1;
    *ret_value = value;
    return 0;
}

int demo_books_add_payment(struct demo_books *books, const char *line, size_t len, struct err *err)
{
    struct field fields[LEDGER_FIELDS];
    int64_t numbers[4]; /* pid, receive count, start, end */

    while (len > 0 && line[len - 1] == ' ')
        len--; /* the worker fills its lines up */
    if (split(line, len, fields, LEDGER_FIELDS) != LEDGER_FIELDS)
        return err_set(err, "a ledger line has %d fields with one space between", LEDGER_FIELDS);
    if (fields[0].len == 0 || fields[0].len > ID_MAX_BYTES || fields[1].len == 0 ||
        fields[1].len > ID_MAX_BYTES)
        return err_set(err, "order_id or message_id is empty or too long");
    for (size_t i = 0; i < 4; i++)
        if (read_number(&fields[3 + i], &numbers[i]) != 0)
            return err_set(err, "field %zu is no whole number", 4 + i);
    if (numbers[3] < numbers[2])
        return err_set(err, "end_ms %" PRId64 " before start_ms %" PRId64, numbers[3], numbers[2]);

    if (books->payment_count == books->payment_capacity) {
        books->payment_capacity = books->payment_capacity == 0 ? 1024 : books->payment_capacity * 2;
        books->payments = xrealloc(books->payments, books->payment_capacity * sizeof *books->payments);
    }
    struct demo_payment *payment = &books->payments[books->payment_count++];
    *payment = (struct demo_payment){
        .order = demo_ids_add(&books->orders, fields[0].text, fields[0].len),
        .message = demo_ids_add(&books->messages, fields[1].text, fields[1].len),
        .pid = (pid_t)numbers[0],
        .receive_count = numbers[1],
        .start_ms = numbers[2],
        .end_ms = numbers[3],
    };
    books->orders_paid += set_flag(books, payment->order, FLAG_PAID);
    return 0;
}

void demo_books_clean_up(struct demo_books *books)
{
    demo_ids_clean_up(&books->orders);
    demo_ids_clean_up(&books->messages);
    free(books->sent);
    free(books->payments);
    free(books->flags);
    *books = (struct demo_books)DEMO_BOOKS_INIT;
}
