/* The order generator: exact shares, determinism, unique valid ids, and bodies that are what they claim to
 * be. */
#include "supervisor/orders.h"

#include "base/strbuf.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static const int64_t SOME_DAY_MS = 1763889600000;

static struct orders orders_of(uint64_t seed, int64_t count, double sns, double malformed)
{
    struct orders orders;
    struct err err = {.text = ""};

    ck_assert_msg(orders_init(&orders, seed, count, sns, malformed, &err) == 0, "%s", err.text);
    return orders;
}

struct counts {
    int64_t sns, malformed, both, defects[ORDERS_DEFECT_MAX];
};

static struct counts count_kinds(const struct orders *orders)
{
    struct counts counts = {.sns = 0};

    for (int64_t i = 0; i < orders->count; i++) {
        struct orders_item item;
        orders_describe(orders, i, &item);
        counts.sns += item.sns;
        counts.malformed += item.kind == ORDERS_MALFORMED;
        counts.both += item.sns && item.kind == ORDERS_MALFORMED;
        counts.defects[item.defect]++;
        ck_assert_int_eq(item.kind == ORDERS_MALFORMED, item.defect != ORDERS_DEFECT_NONE);
        if (item.kind != ORDERS_MALFORMED)
            ck_assert_int_eq(item.kind == ORDERS_SNS, item.sns);
    }
    return counts;
}

START_TEST(shares_are_exact_for_any_count_and_seed)
{
    static const int64_t counts[] = {1, 2, 3, 7, 64, 65, 300, 3600};
    static const double shares[] = {0, 0.001, 0.01, 0.3333, 0.5, 0.99, 1};

    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (size_t a = 0; a < sizeof shares / sizeof shares[0]; a++) {
            for (size_t b = 0; b < sizeof shares / sizeof shares[0]; b++) {
                struct orders orders = orders_of(c * 100 + a * 10 + b, counts[c], shares[a], shares[b]);
                struct counts found = count_kinds(&orders);
                int64_t sns = llround(shares[a] * (double)counts[c]);
                int64_t malformed = llround(shares[b] * (double)counts[c]);
                int64_t overlap = sns + malformed - counts[c];

                ck_assert_int_eq(found.sns, sns);
                ck_assert_int_eq(found.malformed, malformed);
                ck_assert_int_eq(found.both, overlap > 0 ? overlap : 0);
            }
        }
    }
}
END_TEST

START_TEST(defects_share_the_malformed_orders_evenly)
{
    struct orders orders = orders_of(42, 3600, 0.5, 0.01);
    struct counts found = count_kinds(&orders);

    ck_assert_int_eq(found.malformed, 36);
    for (int defect = ORDERS_DEFECT_NONE + 1; defect < ORDERS_DEFECT_MAX; defect++) {
        ck_assert_int_ge(found.defects[defect], 7);
        ck_assert_int_le(found.defects[defect], 8);
    }
}
END_TEST

START_TEST(the_choice_is_spread_and_changes_with_the_seed)
{
    struct orders one = orders_of(1, 1000, 0.5, 0), two = orders_of(2, 1000, 0.5, 0);
    int64_t front = 0, differing = 0;

    for (int64_t i = 0; i < 1000; i++) {
        struct orders_item a, b;
        orders_describe(&one, i, &a);
        orders_describe(&two, i, &b);
        front += i < 500 && a.sns;
        differing += a.sns != b.sns;
        ck_assert_str_ne(a.id, b.id);
    }
    /* 250 and 500 expected; the bounds are ten standard deviations off. */
    ck_assert_int_gt(front, 170);
    ck_assert_int_lt(front, 330);
    ck_assert_int_gt(differing, 340);
}
END_TEST

START_TEST(the_same_seed_writes_the_same_bytes)
{
    struct orders one = orders_of(7, 50, 0.5, 0.2), two = orders_of(7, 50, 0.5, 0.2);

    for (int64_t i = 0; i < 50; i++) {
        struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
        orders_write_body(&one, i, SOME_DAY_MS, &a);
        orders_write_body(&two, i, SOME_DAY_MS, &b);
        ck_assert_str_eq(strbuf_str(&a), strbuf_str(&b));
        strbuf_clean_up(&a);
        strbuf_clean_up(&b);
    }
}
END_TEST

START_TEST(ids_are_unique_and_of_allowed_letters)
{
    struct orders orders = orders_of(99, 2000, 0, 0);
    struct orders_item last = {.id = ""};

    for (int64_t i = 0; i < orders.count; i++) {
        struct orders_item item;
        orders_describe(&orders, i, &item);
        ck_assert_uint_ge(strlen(item.id), 1);
        ck_assert_uint_le(strlen(item.id), 64);
        ck_assert_uint_eq(strspn(item.id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"),
                          strlen(item.id));
        ck_assert_int_gt(strcmp(item.id, last.id), 0); /* rising, so unique */
        last = item;
    }
}
END_TEST

static void check_valid_order(const json_t *order, const char *id)
{
    const json_t *items = json_object_get(order, "items");
    const json_t *item;
    size_t i;

    ck_assert_str_eq(json_string_value(json_object_get(order, "order_id")), id);
    ck_assert_int_ge(json_integer_value(json_object_get(order, "customer_id")), 1);
    ck_assert_str_eq(json_string_value(json_object_get(order, "status")), "pending");
    ck_assert_str_eq(json_string_value(json_object_get(order, "created_at")), "2025-11-23T09:20:00.000Z");
    ck_assert_uint_ge(json_array_size(items), 1);
    json_array_foreach(items, i, item)
    {
        ck_assert(json_is_string(json_object_get(item, "product_id")));
        ck_assert_int_ge(json_integer_value(json_object_get(item, "quantity")), 1);
        ck_assert(json_number_value(json_object_get(item, "price")) > 0);
    }
}

/* The JSON of a body, out of its notification if it is in one; NULL when the payload is no JSON. */
static json_t *payload_of(const char *body, bool sns)
{
    if (!sns)
        return json_loads(body, JSON_DECODE_ANY, NULL);
    json_t *envelope = json_loads(body, 0, NULL);
    ck_assert_ptr_nonnull(envelope);
    ck_assert_str_eq(json_string_value(json_object_get(envelope, "Type")), "Notification");
    ck_assert(json_is_string(json_object_get(envelope, "TopicArn")));
    ck_assert_uint_eq(json_string_length(json_object_get(envelope, "MessageId")), 36);
    json_t *payload =
        json_loads(json_string_value(json_object_get(envelope, "Message")), JSON_DECODE_ANY, NULL);
    json_decref(envelope);
    return payload;
}

static void check_defect(enum orders_defect defect, const json_t *payload)
{
    switch (defect) {
    case ORDERS_DEFECT_TRUNCATED:
        ck_assert_ptr_null(payload);
        break;
    case ORDERS_DEFECT_NO_ID:
        ck_assert(json_is_object(payload));
        ck_assert_ptr_null(json_object_get(payload, "order_id"));
        break;
    case ORDERS_DEFECT_WRONG_TYPES:
        ck_assert(json_is_string(json_object_get(payload, "customer_id")));
        break;
    case ORDERS_DEFECT_EMPTY_ITEMS:
        ck_assert_uint_eq(json_array_size(json_object_get(payload, "items")), 0);
        break;
    case ORDERS_DEFECT_NOT_OBJECT:
        ck_assert_ptr_nonnull(payload);
        ck_assert(!json_is_object(payload));
        break;
    default:
        ck_abort_msg("no defect");
    }
}

START_TEST(bodies_are_valid_orders_or_have_the_stated_defect)
{
    /* Shares that overlap, so that malformed orders occur in notifications too. */
    struct orders orders = orders_of(5, 500, 0.7, 0.5);

    for (int64_t i = 0; i < orders.count; i++) {
        struct strbuf body = STRBUF_INIT;
        struct orders_item item;

        orders_describe(&orders, i, &item);
        orders_write_body(&orders, i, SOME_DAY_MS, &body);
        json_t *payload = payload_of(strbuf_str(&body), item.sns);
        if (item.kind == ORDERS_MALFORMED)
            check_defect(item.defect, payload);
        else
            check_valid_order(payload, item.id);
        json_decref(payload);
        strbuf_clean_up(&body);
    }
}
END_TEST

START_TEST(bad_counts_and_shares_are_refused)
{
    struct orders orders;
    struct err err = {.text = ""};

    ck_assert_int_eq(orders_init(&orders, 1, 0, 0, 0, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "want 1 to 10000000"));
    ck_assert_int_eq(orders_init(&orders, 1, ORDERS_COUNT_MAX + 1, 0, 0, &err), -1);
    ck_assert_int_eq(orders_init(&orders, 1, 10, 1.01, 0, &err), -1);
    ck_assert_int_eq(orders_init(&orders, 1, 10, 0, -0.01, &err), -1);
    ck_assert_int_eq(orders_init(&orders, 1, 10, NAN, 0, &err), -1);
}
END_TEST

UNIT_MAIN("orders", shares_are_exact_for_any_count_and_seed, defects_share_the_malformed_orders_evenly,
          the_choice_is_spread_and_changes_with_the_seed, the_same_seed_writes_the_same_bytes,
          ids_are_unique_and_of_allowed_letters, bodies_are_valid_orders_or_have_the_stated_defect,
          bad_counts_and_shares_are_refused)
