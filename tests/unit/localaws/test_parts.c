/* The small parts: heap, map, digests, message checks. */
#include "tests/unit/unit.h"

#include "localaws/heap.h"
#include "localaws/siphash.h"
#include "localaws/sqs_message.h"
#include "localaws/strmap.h"

#include <stdio.h>

struct item {
    struct heap_node node;
    int64_t key;
    int order;
};

START_TEST(a_heap_gives_keys_in_order_and_equal_ones_first_in_first_out)
{
    enum { COUNT = 500 };
    static struct item items[COUNT];
    struct heap heap = {.entries = NULL};
    for (int i = 0; i < COUNT; i++) {
        items[i] = (struct item){.key = (i * 7919) % 50, .order = i};
        heap_push(&heap, &items[i].node, items[i].key);
    }
    for (int i = 0; i < COUNT; i += 3)
        heap_remove(&heap, &items[i].node);
    heap_remove(&heap, &items[0].node); /* already out */
    const struct item *last = NULL;
    size_t left = heap.count;
    for (; heap_top(&heap) != NULL; left--) {
        struct item *top = HEAP_OWNER(heap_top(&heap), struct item, node);
        ck_assert_int_eq(heap_top_key(&heap), top->key);
        ck_assert_int_ne(top->order % 3, 0);
        ck_assert(last == NULL || last->key < top->key ||
                  (last->key == top->key && last->order < top->order));
        last = top;
        heap_remove(&heap, &top->node);
        ck_assert(!heap_holds(&top->node));
    }
    ck_assert_uint_eq(left, 0);
    ck_assert_int_eq(heap_top_key(&heap), INT64_MAX);
    heap_clean_up(&heap);
}
END_TEST

START_TEST(a_map_keeps_what_was_put_through_removals)
{
    enum { COUNT = 2000 };
    static int values[COUNT];
    struct strmap map = {.entries = NULL};
    char name[16];
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof name, "queue-%d", i);
        strmap_put(&map, slice_of(name), &values[i]);
    }
    for (int i = 0; i < COUNT; i += 2) {
        (void)snprintf(name, sizeof name, "queue-%d", i);
        ck_assert_ptr_eq(strmap_remove(&map, slice_of(name)), &values[i]);
        ck_assert_ptr_null(strmap_remove(&map, slice_of(name)));
    }
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof name, "queue-%d", i);
        ck_assert_ptr_eq(strmap_get(&map, slice_of(name)), i % 2 == 0 ? NULL : &values[i]);
    }
    size_t seen = 0;
    for (size_t position = 0; strmap_next(&map, &position) != NULL;)
        seen++;
    ck_assert_uint_eq(seen, COUNT / 2);
    strmap_clean_up(&map);
}
END_TEST

START_TEST(siphash_gives_the_published_values)
{
    /* SipHash paper, appendix A: key 00..0f, input 00..0e. The second: the reference vectors' entry for no
     * input. */
    static const uint64_t KEY[2] = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    uint8_t input[15];
    for (uint8_t i = 0; i < sizeof input; i++)
        input[i] = i;
    ck_assert_uint_eq(siphash(KEY, input, sizeof input), 0xa129ca6149be45e5U);
    ck_assert_uint_eq(siphash(KEY, input, 0), 0x726fdb47dd0e0e31U);
}
END_TEST

static void expect_attributes_md5(const struct sqs_attribute *attributes, size_t count, const char *wanted)
{
    const struct sqs_attribute *list[SQS_ATTRIBUTES_MAX];
    uint8_t md5[AWS_DIGEST_MD5_BYTES];
    char hex[AWS_DIGEST_MD5_HEX_BYTES];
    for (size_t i = 0; i < count; i++)
        list[i] = &attributes[i];
    sqs_message_attributes_md5(list, count, md5);
    aws_digest_hex(md5, sizeof md5, hex);
    ck_assert_str_eq(hex, wanted);
}

#define TEXT_ATTRIBUTE(n, t, v)                                                                              \
    {                                                                                                        \
        .name = slice_of(n), .type = slice_of(t), .value = slice_of(v)                                       \
    }
#define BINARY_ATTRIBUTE(n, v)                                                                               \
    {                                                                                                        \
        .name = slice_of(n), .type = slice_of("Binary"), .value = slice_of(v), .is_binary = true             \
    }

START_TEST(digests_of_bodies_and_attributes_are_those_of_aws)
{
    uint8_t md5[AWS_DIGEST_MD5_BYTES];
    char hex[AWS_DIGEST_MD5_HEX_BYTES];
    ck_assert(aws_digest_md5("derp", 4, md5));
    aws_digest_hex(md5, sizeof md5, hex);
    ck_assert_str_eq(hex, "58fd9edd83341c29f1aebba81c31e257");
    struct sqs_attribute one[] = {TEXT_ATTRIBUTE("timestamp", "Number", "1493147359900")};
    expect_attributes_md5(one, 1, "235c5c510d26fb653d073faed50ae77c");
    struct sqs_attribute two[] = {TEXT_ATTRIBUTE("timestamp", "Number", "1493147359901")};
    expect_attributes_md5(two, 1, "994258b45346a2cc3f9cbb611aa7af30");
    struct sqs_attribute three[] = {TEXT_ATTRIBUTE("SOME_Valid.attribute-Name", "Number", "1493147359900")};
    expect_attributes_md5(three, 1, "36655e7e9d7c0e8479fa3f3f42247ae7");
    struct sqs_attribute mixed[] = {TEXT_ATTRIBUTE("Population", "Number", "1250800"),
                                    BINARY_ATTRIBUTE("Greeting", "Hello, World!"),
                                    TEXT_ATTRIBUTE("City", "String", "Any City")};
    expect_attributes_md5(mixed, 3, "28eb0e573cf8e8a77e349a2f968eac4a");
    struct sqs_attribute binary[] = {BINARY_ATTRIBUTE("bin", "hi")};
    expect_attributes_md5(binary, 1, "696c92fc099b0808338e3642cffb3db2");
}
END_TEST

static enum sqs_error check_body(const char *bytes, size_t len)
{
    struct sqs_failure failure;
    struct sqs_message_spec spec = {.body = {bytes, len}};
    return sqs_message_spec_check(&spec, &failure);
}

START_TEST(bodies_hold_the_characters_that_sqs_takes)
{
    static const char *const GOOD[] = {"a",
                                       "\t\n\r ",
                                       "\xC3\xA9",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBD",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const BAD[] = {"\x01",
                                      "a\x1F",
                                      "\xC3",
                                      "\xC0\x80",
                                      "\xED\xA0\x80",
                                      "\xEF\xBF\xBE",
                                      "\xEF\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xFF",
                                      "\xE0\x80\x80",
                                      "\xF0\x80\x80\x80"};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        ck_assert_msg(check_body(GOOD[i], strlen(GOOD[i])) == SQS_OK, "good %zu", i);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        ck_assert_msg(check_body(BAD[i], strlen(BAD[i])) == SQS_INVALID_MESSAGE_CONTENTS, "bad %zu", i);
    ck_assert_int_eq(check_body("a\0b", 3), SQS_INVALID_MESSAGE_CONTENTS);
    ck_assert_int_eq(check_body("", 0), SQS_MISSING_PARAMETER);
}
END_TEST

START_TEST(message_attributes_are_checked)
{
    struct sqs_failure failure;
    struct sqs_attribute bad[] = {
        TEXT_ATTRIBUTE("", "String", "v"),
        TEXT_ATTRIBUTE("AWS.x", "String", "v"),
        TEXT_ATTRIBUTE("amazon.x", "String", "v"),
        TEXT_ATTRIBUTE(".x", "String", "v"),
        TEXT_ATTRIBUTE("x.", "String", "v"),
        TEXT_ATTRIBUTE("a..b", "String", "v"),
        TEXT_ATTRIBUTE("a b", "String", "v"),
        TEXT_ATTRIBUTE("a", "", "v"),
        TEXT_ATTRIBUTE("a", "Text", "v"),
        TEXT_ATTRIBUTE("a", "Stringx", "v"),
        TEXT_ATTRIBUTE("a", "String", ""),
        TEXT_ATTRIBUTE("a", "Number", "1x"),
        TEXT_ATTRIBUTE("a", "Number", "nan"),
        TEXT_ATTRIBUTE("a", "Binary", "v"),
        BINARY_ATTRIBUTE("a", ""),
    };
    struct sqs_attribute good[] = {TEXT_ATTRIBUTE("a.b-c_9", "String.custom", "v"),
                                   TEXT_ATTRIBUTE("n", "Number.int", "-1.5e3"), BINARY_ATTRIBUTE("b", "v")};
    struct sqs_message_spec spec = {.body = slice_of("x"), .attributes = good, .attribute_count = 3};
    ck_assert_int_eq(sqs_message_spec_check(&spec, &failure), SQS_OK);
    ck_assert_uint_eq(sqs_message_spec_bytes(&spec), 1 + 7 + 13 + 1 + 1 + 10 + 6 + 1 + 6 + 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spec = (struct sqs_message_spec){.body = slice_of("x"), .attributes = &bad[i], .attribute_count = 1};
        ck_assert_msg(sqs_message_spec_check(&spec, &failure) == SQS_INVALID_PARAMETER_VALUE, "%zu", i);
    }
    struct sqs_attribute twice[] = {TEXT_ATTRIBUTE("a", "String", "v"), TEXT_ATTRIBUTE("a", "String", "w")};
    spec = (struct sqs_message_spec){.body = slice_of("x"), .attributes = twice, .attribute_count = 2};
    ck_assert_int_eq(sqs_message_spec_check(&spec, &failure), SQS_INVALID_PARAMETER_VALUE);
}
END_TEST

UNIT_MAIN("localaws_parts", a_heap_gives_keys_in_order_and_equal_ones_first_in_first_out,
          a_map_keeps_what_was_put_through_removals, siphash_gives_the_published_values,
          digests_of_bodies_and_attributes_are_those_of_aws, bodies_hold_the_characters_that_sqs_takes,
          message_attributes_are_checked)
