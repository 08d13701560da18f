/* Message bodies: SNS envelopes, orders. Tables. */
#include "tests/unit/unit.h"

#include "worker/order.h"
#include "worker/sns.h"

/* ---- SNS ---- */

#define NOTE                                                                                                 \
    "{\"Type\":\"Notification\",\"MessageId\":\"m-1\",\"TopicArn\":\"arn:t\",\"Message\":\"{\\\"a\\\":1}\""

START_TEST(envelopes_by_table)
{
    static const struct {
        enum sns_mode mode;
        const char *body;
        enum sns_result want;
        const char *payload;
    } ROWS[] = {
        {SNS_AUTO, NOTE "}", SNS_UNWRAPPED, "{\"a\":1}"},
        {SNS_ONLY, NOTE "}", SNS_UNWRAPPED, "{\"a\":1}"},
        {SNS_RAW, NOTE "}", SNS_PLAIN, NULL},
        {SNS_AUTO, NOTE, SNS_PLAIN, NULL}, /* cut */
        {SNS_AUTO, NOTE ",\"Subject\":null,\"Extra\":[{}]}", SNS_UNWRAPPED, "{\"a\":1}"},
        {SNS_AUTO, "{\"order_id\":\"a\"}", SNS_PLAIN, NULL},
        {SNS_AUTO, "not JSON \"TopicArn\"", SNS_PLAIN, NULL},
        {SNS_AUTO, "{\"Type\":\"SubscriptionConfirmation\",\"TopicArn\":\"a\",\"Message\":\"m\"}", SNS_PLAIN,
         NULL},
        {SNS_AUTO, "{\"Type\":\"Notification\",\"TopicArn\":\"a\",\"Message\":{}}", SNS_PLAIN, NULL},
        {SNS_AUTO, "{\"Type\":\"Notification\",\"TopicArn\":7,\"Message\":\"m\"}", SNS_PLAIN, NULL},
        {SNS_AUTO, "{\"Type\":\"Notification\",\"TopicArn\":\"a\",\"Message\":\"\"}", SNS_UNWRAPPED, ""},
        {SNS_AUTO, NOTE ",\"Message\":\"the last one counts\"}", SNS_UNWRAPPED, "the last one counts"},
        {SNS_AUTO, NOTE ",\"Message\":7}", SNS_PLAIN, NULL},
        {SNS_AUTO, NOTE ",\"M\\u0065ssage\":\"\\ud83d\\ude00\\n\\\"\\ud83d\"}", SNS_UNWRAPPED,
         "\xF0\x9F\x98\x80\n\"\xEF\xBF\xBD"},
        {SNS_AUTO, "{\"Type\":\"Notification\\u0000\",\"TopicArn\":\"a\",\"Message\":\"m\"}", SNS_PLAIN,
         NULL},
        {SNS_ONLY, "{}", SNS_REFUSED, NULL},
        {SNS_ONLY, "[\"TopicArn\"]", SNS_REFUSED, NULL},
        {SNS_ONLY, "", SNS_REFUSED, NULL},
        {SNS_AUTO, "", SNS_PLAIN, NULL},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct sns_envelope envelope = {.body = NULL};
        struct err err = {""};
        ck_assert_msg(sns_unwrap(ROWS[i].mode, ROWS[i].body, strlen(ROWS[i].body), &envelope, &err) ==
                          ROWS[i].want,
                      "row %zu", i);
        if (ROWS[i].payload != NULL) {
            ck_assert_str_eq(envelope.body, ROWS[i].payload);
            ck_assert_uint_eq(envelope.body_len, strlen(ROWS[i].payload));
        }
        if (ROWS[i].want == SNS_REFUSED)
            ck_assert_ptr_nonnull(strstr(err.text, "not an SNS envelope"));
        sns_envelope_clean_up(&envelope);
    }
}
END_TEST

START_TEST(the_facts_of_an_envelope_are_told)
{
    static const char BODY[] = NOTE ",\"Timestamp\":\"2026-11-23T09:00:00.000Z\"}";
    struct sns_envelope envelope = {.body = NULL};
    ck_assert_int_eq(sns_unwrap(SNS_AUTO, BODY, sizeof BODY - 1, &envelope, NULL), SNS_UNWRAPPED);
    ck_assert_str_eq(envelope.sns.topic_arn, "arn:t");
    ck_assert_str_eq(envelope.sns.message_id, "m-1");
    ck_assert_str_eq(envelope.sns.timestamp, "2026-11-23T09:00:00.000Z");
    ck_assert_ptr_null(envelope.sns.subject);
    sns_envelope_clean_up(&envelope);
}
END_TEST

/* ---- orders ---- */

#define ITEM "{\"product_id\":\"p\",\"quantity\":1,\"price\":9.5}"
#define ORDER(id, customer, items) "{\"order_id\":" id ",\"customer_id\":" customer ",\"items\":" items "}"

START_TEST(orders_that_are_valid)
{
    static const char *const GOOD[] = {
        ORDER("\"a\"", "1", "[" ITEM "]"),
        ORDER("\"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-\"", "9223372036854775807",
              "[" ITEM "," ITEM "]"),
        "{\"unknown\":{\"order_id\":2},\"order_id\":\"a\",\"customer_id\":7,\"status\":\"pending\",\"created_"
        "at\":"
        "\"now\",\"items\":[{\"product_id\":\"p\",\"quantity\":1000,\"price\":0,\"color\":\"red\"}]}",
    };
    struct order order;
    struct err err;
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        ck_assert_msg(order_parse(GOOD[i], strlen(GOOD[i]), &order, &err) == 0, "%s: %s", GOOD[i], err.text);
    ck_assert_str_eq(order.order_id, "a");
    ck_assert_int_eq(order.customer_id, 7);
    ck_assert_uint_eq(order.item_count, 1);
}
END_TEST

START_TEST(orders_that_are_not_name_the_member)
{
    static const struct {
        const char *body, *want;
    } BAD[] = {
        {"", "not JSON"},
        {"hello", "not JSON"},
        {"{\"a\":1 \"b\":2}", "not JSON: byte 7: comma or closing bracket expected"},
        {"{\"a\\u0000b\":1}", "byte 11: NUL in a key"},
        {"[]", "JSON object"},
        {"{}", "order_id: missing"},
        {ORDER("\"\"", "1", "[" ITEM "]"), "order_id: want"},
        {ORDER("\"a b\"", "1", "[" ITEM "]"), "order_id: want"},
        {ORDER("\"a\\u0062\"", "1", "[" ITEM "]"), "order_id: want"},
        {ORDER("\"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-x\"", "1", "[" ITEM "]"),
         "order_id: want"},
        {ORDER("7", "1", "[" ITEM "]"), "order_id: want"},
        {ORDER("\"a\"", "0", "[" ITEM "]"), "customer_id: want"},
        {ORDER("\"a\"", "1.0", "[" ITEM "]"), "customer_id: want"},
        {ORDER("\"a\"", "\"1\"", "[" ITEM "]"), "customer_id: want"},
        {ORDER("\"a\"", "9223372036854775808", "[" ITEM "]"), "customer_id: want"},
        {ORDER("\"a\"", "null", "[" ITEM "]"), "customer_id: want"},
        {ORDER("\"a\"", "1", "[]"), "items: want"},
        {ORDER("\"a\"", "1", "{}"), "items: want"},
        {ORDER("\"a\"", "1", "[7]"), "items[0]: want"},
        {ORDER("\"a\"", "1", "[" ITEM ",{}]"), "items[1].product_id: missing"},
        {ORDER("\"a\"", "1", "[{\"product_id\":3,\"quantity\":1,\"price\":1}]"), "items[0].product_id: want"},
        {ORDER("\"a\"", "1", "[{\"product_id\":\"\",\"quantity\":1,\"price\":1}]"),
         "items[0].product_id: want"},
        {ORDER("\"a\"", "1", "[{\"product_id\":\"p\",\"quantity\":0,\"price\":1}]"),
         "items[0].quantity: want"},
        {ORDER("\"a\"", "1", "[{\"product_id\":\"p\",\"quantity\":1001,\"price\":1}]"),
         "items[0].quantity: want"},
        {ORDER("\"a\"", "1", "[{\"product_id\":\"p\",\"quantity\":1.5,\"price\":1}]"),
         "items[0].quantity: want"},
        {ORDER("\"a\"", "1", "[{\"product_id\":\"p\",\"quantity\":1}]"), "items[0].price: missing"},
        {ORDER("\"a\"", "1", "[{\"product_id\":\"p\",\"quantity\":1,\"price\":-0.01}]"),
         "items[0].price: want"},
        {ORDER("\"a\"", "1", "[{\"product_id\":\"p\",\"quantity\":1,\"price\":1e999}]"),
         "items[0].price: want"},
        {ORDER("\"a\"", "1", "[{\"product_id\":\"p\",\"quantity\":1,\"price\":\"1\"}]"),
         "items[0].price: want"},
        {"{\"order_id\":\"a\",\"customer_id\":1,\"items\":[" ITEM "],\"status\":1}", "status: want"},
        {"{\"order_id\":\"a\",\"customer_id\":1,\"items\":[" ITEM "],\"created_at\":1}", "created_at: want"},
        {"{\"order_id\":\"a\",\"order_id\":\"b\",\"customer_id\":1,\"items\":[" ITEM "]}",
         "order_id: given twice"},
        {"{\"order_id\":\"a\",\"items\":[" ITEM "]}", "customer_id: missing"},
        {"{\"order_id\":\"a\",\"customer_id\":1}", "items: missing"},
        {ORDER("\"a\"", "1", "[" ITEM "]") "x", "not JSON"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct order order;
        struct err err = {""};
        ck_assert_msg(order_parse(BAD[i].body, strlen(BAD[i].body), &order, &err) != 0, "%s was taken",
                      BAD[i].body);
        ck_assert_msg(strstr(err.text, BAD[i].want) != NULL, "%s: got \"%s\", want \"%s\"", BAD[i].body,
                      err.text, BAD[i].want);
    }
}
END_TEST

START_TEST(orders_with_escaped_names_and_lone_surrogates_are_taken)
{
    static const char BODY[] =
        "{\"\\u006frder_id\":\"a\",\"customer_id\":7,\"status\":\"\\ud83d\",\"items\":[" ITEM "]}";
    struct order order;
    struct err err = {""};
    ck_assert_msg(order_parse(BODY, sizeof BODY - 1, &order, &err) == 0, "%s", err.text);
    ck_assert_str_eq(order.order_id, "a");
}
END_TEST

START_TEST(bodies_nested_too_deep_are_refused)
{
    enum { DEPTH = 100000 };
    static char body[2 * DEPTH + 64];
    struct order order;
    struct err err = {""};
    size_t len = strlen(strcpy(body, "{\"TopicArn\":"));
    memset(body + len, '[', DEPTH);
    memset(body + len + DEPTH, ']', DEPTH);
    memcpy(body + len + 2 * (size_t)DEPTH, "}", 2);
    struct sns_envelope envelope = {.body = NULL};
    ck_assert_int_ne(order_parse(body, strlen(body), &order, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "not JSON"));
    ck_assert_ptr_nonnull(strstr(err.text, "deep"));
    ck_assert_int_eq(sns_unwrap(SNS_ONLY, body, strlen(body), &envelope, &err), SNS_REFUSED);
}
END_TEST

/* Every prefix and every single changed byte: no crash, and the given text stays as it is. */
static void parse_damaged(const char *text, size_t size)
{
    static const char BYTES[] = "{}[]\",:\\u0123 eE-+.tfn\x01\x80";
    for (size_t at = 0; at < size - 1; at++) {
        for (size_t b = 0; b < sizeof BYTES; b++) {
            char *copy = malloc(size); /* of the exact size, so that the sanitizer sees an overrun */
            char *before = malloc(size);
            struct order order;
            struct sns_envelope envelope = {.body = NULL};
            ck_assert(copy != NULL && before != NULL);
            memcpy(copy, text, size);
            copy[at] = BYTES[b]; /* the last one is NUL: a prefix */
            memcpy(before, copy, size);
            size_t len = strlen(copy);
            (void)order_parse(copy, len, &order, NULL);
            if (sns_unwrap(SNS_AUTO, copy, len, &envelope, NULL) == SNS_UNWRAPPED)
                ck_assert_uint_le(envelope.body_len, len);
            ck_assert_mem_eq(copy, before, size);
            sns_envelope_clean_up(&envelope);
            free(before);
            free(copy);
        }
    }
}

START_TEST(damaged_bodies_are_refused_or_taken_but_never_changed)
{
    static const char ORDER_BODY[] = ORDER("\"a\"", "1", "[" ITEM ",{\"b\":\"\\u0041\\\\\"}]");
    static const char NOTE_BODY[] = NOTE ",\"Subject\":\"\\u00e9\\\\\"}";
    parse_damaged(ORDER_BODY, sizeof ORDER_BODY);
    parse_damaged(NOTE_BODY, sizeof NOTE_BODY);
}
END_TEST

UNIT_MAIN("body", envelopes_by_table, the_facts_of_an_envelope_are_told, orders_that_are_valid,
          orders_that_are_not_name_the_member, orders_with_escaped_names_and_lone_surrogates_are_taken,
          bodies_nested_too_deep_are_refused, damaged_bodies_are_refused_or_taken_but_never_changed)
