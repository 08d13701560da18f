/* Message bodies: the JSON scanner, SNS envelopes, orders. Tables. */
#include "tests/unit/unit.h"

#include "worker/jsonscan.h"
#include "worker/order.h"
#include "worker/sns.h"

static int validate(const char *text, struct err *err)
{
    struct jsonscan_slice root;
    return jsonscan_validate(text, strlen(text), &root, err);
}

START_TEST(json_that_is_valid)
{
    static const char *const GOOD[] = {"{}",
                                       "[]",
                                       " 1 ",
                                       "-0.5e+10",
                                       "\"\\u00e9\\n\"",
                                       "null",
                                       "[1,[2],{}]",
                                       "{\"a\":[{}]}",
                                       "[true , false]",
                                       "\t{\"\":\"\"}\n",
                                       "0",
                                       "[\"\xC3\xA9\"]"};
    struct err err;
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        ck_assert_msg(validate(GOOD[i], &err) == 0, "%s: %s", GOOD[i], err.text);
}
END_TEST

START_TEST(json_that_is_not)
{
    static const char *const BAD[] = {"",
                                      "{",
                                      "}",
                                      "[1,]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{a:1}",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "\"a",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "tru",
                                      "nul",
                                      "[1 2]",
                                      "{} {}",
                                      "[}",
                                      "{]",
                                      "{\"a\":1,}",
                                      "\"\n\"",
                                      "-",
                                      "[1,,2]",
                                      "{\"a\":1 \"b\":2}",
                                      "\"\\",
                                      "{\"a\":1,[",
                                      "'a'"};
    struct err err;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        ck_assert_msg(validate(BAD[i], &err) != 0, "%s was taken", BAD[i]);
    ck_assert_int_ne(validate("{\"a\":1 \"b\":2}", &err), 0);
    ck_assert_str_eq(err.text, "byte 7: want ',' or '}'");
}
END_TEST

START_TEST(json_nested_too_deep_is_refused_without_recursion)
{
    char text[200001];
    struct err err;
    memset(text, '[', 100000);
    memset(text + 100000, ']', 100000);
    text[200000] = '\0';
    ck_assert_int_ne(validate(text, &err), 0);
    memset(text + JSONSCAN_DEPTH_MAX, ']', JSONSCAN_DEPTH_MAX);
    text[2 * JSONSCAN_DEPTH_MAX] = '\0';
    ck_assert_int_eq(validate(text, &err), 0);
}
END_TEST

START_TEST(json_is_walked_and_decoded)
{
    static const char TEXT[] =
        "{\"a\\u0062\" : [1, {\"x\":\"}]\"}, \"\\ud83d\\ude00\\n\\\"\\ud83d\"], \"n\": -12, \"f\": 1.5}";
    struct jsonscan_slice root, key, value, element;
    struct strbuf out = STRBUF_INIT;
    const char *cursor = NULL, *inner = NULL;
    int64_t integer = 0;
    double real = 0;
    ck_assert_int_eq(jsonscan_validate(TEXT, sizeof TEXT - 1, &root, NULL), 0);
    ck_assert(jsonscan_next(&root, &cursor, &key, &value));
    ck_assert(jsonscan_equals(&key, "ab"));
    ck_assert(jsonscan_next(&value, &inner, NULL, &element) && element.type == JSONSCAN_NUMBER);
    ck_assert(jsonscan_next(&value, &inner, NULL, &element) && element.type == JSONSCAN_OBJECT);
    ck_assert(jsonscan_next(&value, &inner, NULL, &element) && element.type == JSONSCAN_STRING);
    jsonscan_decode(&element, &out);
    ck_assert_str_eq(strbuf_str(&out), "\xF0\x9F\x98\x80\n\"\xEF\xBF\xBD");
    ck_assert(!jsonscan_next(&value, &inner, NULL, &element));
    ck_assert(jsonscan_next(&root, &cursor, &key, &value));
    ck_assert(jsonscan_int64(&value, &integer) && integer == -12);
    ck_assert(jsonscan_next(&root, &cursor, &key, &value));
    ck_assert(!jsonscan_int64(&value, &integer));
    ck_assert(jsonscan_double(&value, &real) && real > 1.4 && real < 1.6);
    ck_assert(!jsonscan_next(&root, &cursor, &key, &value));
    strbuf_clean_up(&out);
}
END_TEST

/* Every prefix of valid texts and every single changed byte: no crash, and what is accepted can be walked. */
static void walk(const struct jsonscan_slice *value, int depth)
{
    const char *cursor = NULL;
    struct jsonscan_slice key, inner;
    struct strbuf out = STRBUF_INIT;
    if (value->type == JSONSCAN_STRING)
        jsonscan_decode(value, &out);
    strbuf_clean_up(&out);
    if (value->type != JSONSCAN_OBJECT && value->type != JSONSCAN_ARRAY)
        return;
    ck_assert_int_le(depth, JSONSCAN_DEPTH_MAX);
    while (jsonscan_next(value, &cursor, &key, &inner))
        walk(&inner, depth + 1);
}

START_TEST(damaged_json_is_refused_or_walked)
{
    static const char TEXT[] = "{\"a\":[1,-2.5e3,{\"b\":\"\\u0041\\\\\"}],\"c\":[true,false,null,[],{}]}";
    static const char BYTES[] = "{}[]\",:\\u0123 eE-+.tfn\x01\x80";
    struct jsonscan_slice root;
    for (size_t at = 0; at < sizeof TEXT - 1; at++) {
        for (size_t b = 0; b < sizeof BYTES; b++) {
            char *copy = malloc(sizeof TEXT); /* of the exact size, so that the sanitizer sees an overrun */
            memcpy(copy, TEXT, sizeof TEXT);
            copy[at] = BYTES[b]; /* the last one is NUL: a prefix */
            size_t len = strlen(copy);
            if (jsonscan_validate(copy, len, &root, NULL) == 0)
                walk(&root, 0);
            free(copy);
        }
    }
}
END_TEST

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

UNIT_MAIN("body", json_that_is_valid, json_that_is_not, json_nested_too_deep_is_refused_without_recursion,
          json_is_walked_and_decoded, damaged_json_is_refused_or_walked, envelopes_by_table,
          the_facts_of_an_envelope_are_told, orders_that_are_valid, orders_that_are_not_name_the_member)
