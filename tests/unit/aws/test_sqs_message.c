/* Digests of messages as SQS computes them, and checks before sending. */
#include "aws/sqs_internal.h"

#include "tests/unit/unit.h"

#include <stdio.h>

#define TEXT(n, type, v)                                                                                     \
    {                                                                                                        \
        .name = (n), .data_type = (type), .value = (v), .value_len = sizeof(v) - 1                           \
    }

static void check_md5(const struct sqs_message_attribute *attributes, size_t count, const char *hex)
{
    uint8_t md5[AWS_DIGEST_MD5_BYTES];
    char ours[AWS_DIGEST_MD5_HEX_BYTES];
    ck_assert(sqs_attributes_md5(attributes, count, md5));
    aws_digest_hex(md5, sizeof md5, ours);
    ck_assert_str_eq(ours, hex);
    ck_assert(sqs_md5_matches(md5, hex));
}

START_TEST(attribute_digests_are_those_of_sqs)
{
    const struct sqs_message_attribute stamp[] = {TEXT("timestamp", "Number", "1493147359900")};
    check_md5(stamp, 1, "235c5c510d26fb653d073faed50ae77c");
    const struct sqs_message_attribute next[] = {TEXT("timestamp", "Number", "1493147359901")};
    check_md5(next, 1, "994258b45346a2cc3f9cbb611aa7af30");
    const struct sqs_message_attribute named[] = {
        TEXT("SOME_Valid.attribute-Name", "Number", "1493147359900")};
    check_md5(named, 1, "36655e7e9d7c0e8479fa3f3f42247ae7");
    const struct sqs_message_attribute three[] = {TEXT("Population", "Number", "1250800"),
                                                  TEXT("City", "String", "Any City"),
                                                  TEXT("Greeting", "Binary", "Hello, World!")};
    check_md5(three, 3, "28eb0e573cf8e8a77e349a2f968eac4a"); /* in any order */
    const struct sqs_message_attribute binary[] = {TEXT("bin", "Binary", "hi")};
    check_md5(binary, 1, "696c92fc099b0808338e3642cffb3db2");
}
END_TEST

START_TEST(custom_types_are_part_of_the_digest)
{
    const struct sqs_message_attribute plain[] = {TEXT("bin", "Binary", "hi")};
    const struct sqs_message_attribute custom[] = {TEXT("bin", "Binary.gif", "hi")};
    uint8_t a[AWS_DIGEST_MD5_BYTES];
    uint8_t b[AWS_DIGEST_MD5_BYTES];
    ck_assert(sqs_attributes_md5(plain, 1, a) && sqs_attributes_md5(custom, 1, b));
    ck_assert_mem_ne(a, b, sizeof a);
}
END_TEST

START_TEST(the_digest_of_a_body_is_compared)
{
    struct sqs_send_entry entry = {.body = "derp", .body_len = 4, .delay_s = -1};
    struct sqs_digests digests;
    sqs_digests_of_entry(&entry, &digests);
    ck_assert(digests.known && !digests.has_attributes);
    ck_assert(sqs_md5_matches(digests.body, "58fd9edd83341c29f1aebba81c31e257"));
    ck_assert(sqs_md5_matches(digests.body, "58FD9EDD83341C29F1AEBBA81C31E257"));
    ck_assert(sqs_md5_matches(digests.body, NULL));
    ck_assert(!sqs_md5_matches(digests.body, "58fd9edd83341c29f1aebba81c31e258"));
    ck_assert(!sqs_md5_matches(digests.body, ""));
}
END_TEST

START_TEST(entries_that_cannot_travel_unchanged_are_found)
{
    struct sqs_message_attribute attribute = TEXT("good.Name_1-x", "String", "v\xc3\xa9");
    struct sqs_send_entry entry = {
        .body = "b\xc3\xa9", .body_len = 3, .delay_s = -1, .attributes = &attribute, .attribute_count = 1};
    ck_assert_ptr_null(sqs_entry_problem(&entry));
    entry.body_len = 2;
    ck_assert_str_eq(sqs_entry_problem(&entry), "the body is not UTF-8");
    entry.body_len = 3;
    attribute.value = "\xff";
    attribute.value_len = 1;
    ck_assert_str_eq(sqs_entry_problem(&entry), "an attribute's value is not UTF-8");
    attribute.data_type = "Binary.raw";
    ck_assert_ptr_null(sqs_entry_problem(&entry));
    attribute.name = "a\"b";
    ck_assert_ptr_nonnull(sqs_entry_problem(&entry));
    attribute.name = "";
    ck_assert_ptr_nonnull(sqs_entry_problem(&entry));
    entry.attribute_count = 0;
    entry.deduplication_id = "~!";
    ck_assert_ptr_null(sqs_entry_problem(&entry));
    entry.deduplication_id = "\x7f";
    ck_assert_str_eq(sqs_entry_problem(&entry),
                     "the deduplication id is not 1 to 128 letters, digits and punctuation");
}
END_TEST

UNIT_MAIN("sqs_message", attribute_digests_are_those_of_sqs, custom_types_are_part_of_the_digest,
          the_digest_of_a_body_is_compared, entries_that_cannot_travel_unchanged_are_found)
