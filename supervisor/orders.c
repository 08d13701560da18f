/*
 * The order generator. Which orders are malformed or wrapped is decided by a permutation of 0..count-1 that
 * is computed per index (a small Feistel network with cycle walking), so that the shares are exact and
 * nothing is stored.
 */
#include "supervisor/orders.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/random.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FEISTEL_ROUNDS = 6, PRODUCT_COUNT = 24, ITEMS_MAX = 4 };

#define TOPIC_ARN "arn:aws:sns:us-west-2:123456789012:order-processing-events"

static const char *const KIND_NAMES[ORDERS_KIND_MAX] = {"plain", "sns", "malformed"};

/* Every bit of the input moves every bit of the output. */
static uint64_t mix(uint64_t x)
{
    return random_next(&x);
}

static uint64_t hash_of(const struct orders *orders, int64_t index, uint64_t salt)
{
    return mix(mix(orders->seed ^ mix(salt)) ^ (uint64_t)index);
}

static void set_prefix(struct orders *orders)
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
    uint64_t bits = mix(orders->seed);

    for (size_t i = 0; i < 8; i++) {
        orders->prefix[i] = letters[bits % (sizeof letters - 1)];
        bits /= sizeof letters - 1;
    }
    orders->prefix[8] = '\0';
}

int64_t orders_random_seed(void)
{
    return (int64_t)(random_seed() % UINT64_C(9000000000000000)) + 1;
}

int orders_init(struct orders *orders, uint64_t seed, int64_t count, double sns_share, double malformed_share,
                struct err *err)
{
    if (count < 1 || count > ORDERS_COUNT_MAX)
        return err_set(err, "order count %" PRId64 ": want 1 to %d", count, ORDERS_COUNT_MAX);
    if (!(sns_share >= 0 && sns_share <= 1))
        return err_set(err, "share of SNS notifications %g: want 0 to 1", sns_share);
    if (!(malformed_share >= 0 && malformed_share <= 1))
        return err_set(err, "share of malformed orders %g: want 0 to 1", malformed_share);

    *orders = (struct orders){.seed = seed, .count = count, .half_bits = 1};
    orders->malformed_count = llround(malformed_share * (double)count);
    orders->sns_count = llround(sns_share * (double)count);
    while ((INT64_C(1) << (2 * orders->half_bits)) < count)
        orders->half_bits++;
    set_prefix(orders);
    return 0;
}

/* One pass of the network over numbers of 2 x half_bits bits; a bijection whatever the round function is. */
static uint64_t feistel(const struct orders *orders, uint64_t value)
{
    uint64_t mask = (UINT64_C(1) << orders->half_bits) - 1;
    uint64_t left = value >> orders->half_bits, right = value & mask;

    for (int round = 0; round < FEISTEL_ROUNDS; round++) {
        uint64_t next = left ^ (hash_of(orders, (int64_t)right, 100 + (uint64_t)round) & mask);
        left = right;
        right = next;
    }
    return left << orders->half_bits | right;
}

/* Place of an order in the shuffled row. Walking the cycle until a value below count appears ends, because
 * the value we started from is below count itself; the network's range is less than four times count, so it
 * ends soon. */
static int64_t rank_of(const struct orders *orders, int64_t index)
{
    uint64_t value = (uint64_t)index;

    do
        value = feistel(orders, value);
    while (value >= (uint64_t)orders->count);
    return (int64_t)value;
}

void orders_describe(const struct orders *orders, int64_t index, struct orders_item *ret_item)
{
    int64_t rank = rank_of(orders, index);

    *ret_item = (struct orders_item){.kind = ORDERS_PLAIN};
    (void)snprintf(ret_item->id, sizeof ret_item->id, "%s-%06" PRId64, orders->prefix, index);
    /* The malformed ones stand at the front of the row, the notifications at its end. */
    if (rank >= orders->count - orders->sns_count) {
        ret_item->sns = true;
        ret_item->kind = ORDERS_SNS;
    }
    if (rank < orders->malformed_count) {
        ret_item->kind = ORDERS_MALFORMED;
        ret_item->defect = (enum orders_defect)(1 + rank % (ORDERS_DEFECT_MAX - 1));
    }
}

static void write_items(struct jsonw *w, const struct orders *orders, int64_t index,
                        const struct orders_item *item)
{
    uint64_t items = 1 + hash_of(orders, index, 1) % ITEMS_MAX;

    jsonw_key(w, "items");
    jsonw_array(w);
    for (uint64_t i = 0; i < items && item->defect != ORDERS_DEFECT_EMPTY_ITEMS; i++) {
        uint64_t bits = hash_of(orders, index, 10 + i);
        uint64_t product = bits % PRODUCT_COUNT;
        char product_id[32];

        (void)snprintf(product_id, sizeof product_id, "sku-%04" PRIu64, 1000 + product);
        jsonw_object(w);
        jsonw_key_str(w, "product_id", product_id);
        if (item->defect == ORDERS_DEFECT_WRONG_TYPES)
            jsonw_key_str(w, "quantity", "two");
        else
            jsonw_key_int(w, "quantity", (int64_t)(1 + (bits >> 16) % 3));
        /* Halves are exact in binary, so that prices stay short in the JSON. */
        jsonw_key_double(w, "price", 4.5 + (double)(mix(product) % 400) / 2);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void write_order(const struct orders *orders, int64_t index, const struct orders_item *item,
                        int64_t created_ms, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    int64_t customer = (int64_t)(1 + hash_of(orders, index, 2) % 1000000);
    char created[25];

    jsonw_object(&w);
    if (item->defect != ORDERS_DEFECT_NO_ID)
        jsonw_key_str(&w, "order_id", item->id);
    if (item->defect == ORDERS_DEFECT_WRONG_TYPES)
        jsonw_key_str(&w, "customer_id", "somebody");
    else
        jsonw_key_int(&w, "customer_id", customer);
    jsonw_key_str(&w, "status", "pending");
    write_items(&w, orders, index, item);
    jsonw_key_str(&w, "created_at", clock_format_iso8601(created_ms, created));
    jsonw_end_object(&w);
}

static void write_payload(const struct orders *orders, int64_t index, const struct orders_item *item,
                          int64_t created_ms, struct strbuf *out)
{
    size_t start = out->len;

    if (item->defect == ORDERS_DEFECT_NOT_OBJECT) {
        struct jsonw w = JSONW_INIT(out);
        jsonw_array(&w);
        jsonw_str(&w, item->id);
        jsonw_end_array(&w);
        return;
    }
    write_order(orders, index, item, created_ms, out);
    if (item->defect == ORDERS_DEFECT_TRUNCATED) {
        out->len = start + (out->len - start) / 2;
        out->data[out->len] = '\0';
    }
}

/* An SNS notification as it arrives in a queue without raw delivery: the payload is a text in Message. */
static void write_notification(const struct orders *orders, int64_t index, const char *payload,
                               int64_t created_ms, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    uint64_t a = hash_of(orders, index, 3), b = hash_of(orders, index, 4);
    char message_id[40], created[25];

    (void)snprintf(message_id, sizeof message_id,
                   "%08" PRIx64 "-%04" PRIx64 "-5%03" PRIx64 "-8%03" PRIx64 "-%012" PRIx64, a >> 32,
                   a >> 16 & 0xffff, a & 0xfff, b >> 52, b & UINT64_C(0xffffffffffff));
    jsonw_object(&w);
    jsonw_key_str(&w, "Type", "Notification");
    jsonw_key_str(&w, "MessageId", message_id);
    jsonw_key_str(&w, "TopicArn", TOPIC_ARN);
    jsonw_key_str(&w, "Message", payload);
    jsonw_key_str(&w, "Timestamp", clock_format_iso8601(created_ms, created));
    jsonw_key_str(&w, "SignatureVersion", "1");
    jsonw_key_str(&w, "Signature", "none");
    jsonw_key_str(&w, "SigningCertURL", "https://sns.us-west-2.amazonaws.com/none.pem");
    jsonw_key_str(&w, "UnsubscribeURL", "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe");
    jsonw_end_object(&w);
}

void orders_write_body(const struct orders *orders, int64_t index, int64_t created_ms, struct strbuf *out)
{
    struct strbuf payload = STRBUF_INIT;
    struct orders_item item;

    orders_describe(orders, index, &item);
    if (!item.sns) {
        write_payload(orders, index, &item, created_ms, out);
        return;
    }
    write_payload(orders, index, &item, created_ms, &payload);
    write_notification(orders, index, strbuf_str(&payload), created_ms, out);
    strbuf_clean_up(&payload);
}

const char *orders_kind_name(enum orders_kind kind)
{
    return KIND_NAMES[kind];
}
