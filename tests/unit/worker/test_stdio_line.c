/* The lines between worker and co-process. */
#include "tests/unit/unit.h"

#include "worker/stdio_line.h"

#include <stdio.h>

START_TEST(a_message_is_one_line)
{
    struct sluice_attribute attributes[] = {{"a\"b", "String", "x\ny", 3}, {"key", "Binary", "\0\xff", 2}};
    struct sluice_sns sns = {.topic_arn = "arn", .subject = "hi"};
    struct sluice_message message = {.id = "id-1",
                                     .body = "{\"n\":1}\n\0\xff",
                                     .body_len = 10,
                                     .receive_count = 2,
                                     .sent_ms = 1700000000123,
                                     .receipt_handle = "h",
                                     .group_id = "g",
                                     .attributes = attributes,
                                     .attribute_count = 2,
                                     .sns = &sns};
    struct strbuf out = STRBUF_INIT;
    stdio_line_write_message(&out, &message);
    ck_assert_str_eq(
        strbuf_str(&out),
        "{\"id\":\"id-1\",\"body\":\"{\\\"n\\\":1}\\n\\u0000\xef\xbf\xbd\",\"receive_count\":2,"
        "\"sent_ms\":1700000000123,\"receipt_handle\":\"h\",\"group_id\":\"g\",\"deduplication_id\":null,"
        "\"sequence_number\":null,\"attributes\":{\"a\\\"b\":{\"type\":\"String\",\"value\":\"x\\ny\"},"
        "\"key\":{\"type\":\"Binary\",\"value\":\"AP8=\"}},\"sns\":{\"topic_arn\":\"arn\",\"message_id\":"
        "null,"
        "\"subject\":\"hi\",\"timestamp\":null}}\n");
    strbuf_clear(&out);
    stdio_line_write_cancel(&out, "id-1");
    ck_assert_str_eq(strbuf_str(&out), "{\"cancel\":\"id-1\"}\n");
    strbuf_clean_up(&out);
}
END_TEST

/* Without attributes and envelope the members are there all the same. */
START_TEST(a_bare_message_has_all_members)
{
    struct sluice_message message = {.id = "i", .body = "", .receipt_handle = "h"};
    struct strbuf out = STRBUF_INIT;
    stdio_line_write_message(&out, &message);
    ck_assert_str_eq(strbuf_str(&out),
                     "{\"id\":\"i\",\"body\":\"\",\"receive_count\":0,\"sent_ms\":0,\"receipt_handle\":\"h\","
                     "\"group_id\":null,\"deduplication_id\":null,\"sequence_number\":null,"
                     "\"attributes\":{},\"sns\":null}\n");
    strbuf_clean_up(&out);
}
END_TEST

static struct stdio_result parse(const char *text)
{
    static char line[512];
    struct stdio_result result;
    struct err err = {""};
    (void)snprintf(line, sizeof line, "%s", text);
    ck_assert_msg(stdio_line_parse(line, strlen(line), &result, &err) == 0, "%s: %s", text, err.text);
    return result;
}

START_TEST(results_are_understood)
{
    static const struct {
        const char *line;
        enum sluice_verdict verdict;
    } CASES[] = {
        {"{\"id\":\"a\",\"ok\":true}", SLUICE_DONE},
        {"{\"id\":\"a\",\"ok\":false}", SLUICE_FAILED},
        {"{\"id\":\"a\",\"result\":\"done\"}", SLUICE_DONE},
        {"{\"result\":\"failed\",\"id\":\"a\"}", SLUICE_FAILED},
        {" { \"id\" : \"a\" , \"result\" : \"retry\" } \r", SLUICE_RETRY},
        {"{\"id\":\"a\",\"result\":\"reject\",\"other\":[{}]}", SLUICE_REJECT},
        {"{\"id\":\"a\",\"ok\":true,\"result\":\"failed\"}", SLUICE_FAILED}, /* the word counts */
        {"{\"id\":\"a\",\"result\":\"done\",\"ok\":false}", SLUICE_DONE},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct stdio_result result = parse(CASES[i].line);
        ck_assert_int_eq(result.verdict, CASES[i].verdict);
        ck_assert_str_eq(result.id, "a");
        ck_assert_ptr_null(result.reason);
        ck_assert_int_eq(result.delay_s, -1);
        ck_assert(result.status == INT64_MIN);
    }
    struct stdio_result full = parse(
        "{\"id\":\"a\",\"result\":\"retry\",\"reason\":\"caf\\u00e9\",\"delay_s\":43200,\"status\":-7}");
    ck_assert_str_eq(full.reason, "caf\xc3\xa9");
    ck_assert_int_eq(full.delay_s, 43200);
    ck_assert_int_eq(full.status, -7);
    full = parse("{\"id\":\"a\",\"ok\":false,\"reason\":null,\"delay_s\":null,\"status\":null}");
    ck_assert_ptr_null(full.reason);
    ck_assert_int_eq(full.delay_s, -1);
    ck_assert(full.status == INT64_MIN);
}
END_TEST

START_TEST(what_is_no_result_is_refused_with_a_reason)
{
    static const struct {
        const char *line, *words;
    } CASES[] = {
        {"", ""},
        {"hello", ""},
        {"[]", ""},
        {"{\"id\":\"a\"", ""},
        {"{\"id\":\"a\",\"ok\":true} x", ""},
        {"{\"id\":\"a\",\"ok\":1}", ""},
        {"{\"id\":7,\"ok\":true}", ""},
        {"{\"id\":\"a\\u0000b\",\"ok\":true}", "NUL"},
        {"{\"ok\":true}", "no \"id\""},
        {"{\"id\":null,\"ok\":true}", "no \"id\""},
        {"{\"id\":\"a\"}", "neither"},
        {"{\"id\":\"a\",\"result\":\"Done\"}", "none of done, failed, retry, reject"},
        {"{\"id\":\"a\",\"ok\":true,\"delay_s\":-1}", "not from 0 to 43200"},
        {"{\"id\":\"a\",\"ok\":true,\"delay_s\":43201}", "not from 0 to 43200"},
        {"{\"id\":\"a\",\"ok\":true,\"delay_s\":1.5}", ""},
        {"{\"id\":\"a\",\"ok\":true,\"reason\":5}", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char line[128];
        struct stdio_result result;
        struct err err = {""};
        (void)snprintf(line, sizeof line, "%s", CASES[i].line);
        ck_assert_msg(stdio_line_parse(line, strlen(line), &result, &err) == -1, "%s was taken",
                      CASES[i].line);
        ck_assert_msg(err.text[0] != '\0' && strstr(err.text, CASES[i].words) != NULL, "%s: %s",
                      CASES[i].line, err.text);
    }
}
END_TEST

UNIT_MAIN("stdio_line", a_message_is_one_line, a_bare_message_has_all_members, results_are_understood,
          what_is_no_result_is_refused_with_a_reason)
