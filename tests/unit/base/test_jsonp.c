/* The pull parser: what it takes, what it refuses, and that it never reads or writes outside its buffer. */
#include "base/jsonp.h"

#include "tests/unit/unit.h"

#include <stdio.h>

/* A copy of the text in memory of exactly its size, so that sanitizers and valgrind see every step outside.
 */
static char *exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, len);
    return copy;
}

/* Whether the text as a whole is one JSON value. */
static bool is_json(const char *text, size_t len)
{
    char *copy = exact_copy(text, len);
    struct jsonp p = jsonp_start(copy, len);
    (void)jsonp_skip(&p);
    bool good = jsonp_finish(&p);
    free(copy);
    return good;
}

START_TEST(valid_texts_are_taken)
{
    static const char *const TEXTS[] = {"{}",
                                        "[]",
                                        " [ ] ",
                                        "\t{\r\n}",
                                        "\"\"",
                                        "0",
                                        "-0",
                                        "12",
                                        "-1.5e+10",
                                        "1E5",
                                        "0.1",
                                        "true",
                                        "false",
                                        "null",
                                        "[1,2,3]",
                                        "[[],[[]],{}]",
                                        "{\"a\":1,\"b\":[true,null],\"c\":{\"d\":\"e\"}}",
                                        "{\"\":\"\"}",
                                        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                                        "\"\\u0041\\u00e9\\u20AC\"",
                                        "\"\\ud83d\\ude00\"",
                                        "\"\\u0000\"",
                                        "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x7f\"",
                                        "123456789012345678901234567890123456789012345678901234567890",
                                        "[1e999]",
                                        "{\"a\":1,\"a\":2}",
                                        " 1 ",
                                        "[1,[2],{}]",
                                        "{\"a\":[{}]}",
                                        "[true , false]",
                                        "\t{\"\":\"\"}\n",
                                        "[\"\xC3\xA9\"]"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        ck_assert_msg(is_json(TEXTS[i], strlen(TEXTS[i])), "%s", TEXTS[i]);
}
END_TEST

START_TEST(invalid_texts_are_refused)
{
    static const char *const TEXTS[] = {"",
                                        " ",
                                        "{",
                                        "}",
                                        "[",
                                        "]",
                                        "[1",
                                        "[1,",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "{\"a\" 1}",
                                        "{\"a\":1 \"b\":2}",
                                        "{1:2}",
                                        "[1]]",
                                        "{}{}",
                                        "1 2",
                                        "nul",
                                        "nulll",
                                        "True",
                                        "tru",
                                        "falsey",
                                        "+1",
                                        "01",
                                        "-",
                                        "-a",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "1e+",
                                        "0x1",
                                        "NaN",
                                        "Infinity",
                                        "\"",
                                        "\"a",
                                        "\"\\\"",
                                        "\"\\x41\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "\"\\ud800\"",
                                        "\"\\udc00\"",
                                        "\"\\ud800\\u0041\"",
                                        "\"\\ud800x\"",
                                        "\"\\ud83d\\ud83d\"",
                                        "\"\n\"",
                                        "\"\t\"",
                                        "\"\x01\"",
                                        "\"\x80\"",
                                        "\"\xc3\"",
                                        "\"\xc0\x80\"",
                                        "\"\xe0\x80\x80\"",
                                        "\"\xed\xa0\x80\"",
                                        "\"\xf4\x90\x80\x80\"",
                                        "\"\xf8\x88\x80\x80\x80\"",
                                        "\"\xe2\x82\"",
                                        "[1}",
                                        "{\"a\":1]",
                                        "//",
                                        "[/**/]",
                                        "\xef\xbb\xbf{}",
                                        ",",
                                        "--1",
                                        "{} x",
                                        "{\"a\":1,[",
                                        "{]",
                                        "[1,,2]",
                                        "'a'",
                                        "\"\\"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++)
        ck_assert_msg(!is_json(TEXTS[i], strlen(TEXTS[i])), "%s", TEXTS[i]);
    ck_assert(!is_json("\"a\0b\"", 5)); /* a raw NUL in a string */
    ck_assert(!is_json("{}\0", 3));
}
END_TEST

START_TEST(depth_is_limited)
{
    char text[3 * JSONP_DEPTH_MAX] = "";
    for (int depth = JSONP_DEPTH_MAX - 1; depth <= JSONP_DEPTH_MAX + 1; depth++) {
        size_t len = 0;
        for (int i = 0; i < depth; i++)
            text[len++] = '[';
        for (int i = 0; i < depth; i++)
            text[len++] = ']';
        ck_assert_int_eq(is_json(text, len), depth <= JSONP_DEPTH_MAX);
    }
    static const char OPENING[] = {'{', '"', 'a', '"', ':'};
    char deep[20000];
    memset(deep, '[', sizeof deep);
    ck_assert(!is_json(deep, sizeof deep));
    for (size_t i = 0; i + 4 < sizeof deep; i += 5)
        memcpy(deep + i, OPENING, sizeof OPENING);
    ck_assert(!is_json(deep, sizeof deep));
}
END_TEST

static const char REPLY[] =
    "{\"Messages\":[{\"MessageId\":\"m\\u00e91\",\"Body\":\"a\\\"b\\\\c\\n\\ud83d\\ude00 "
    "\xe2\x82\xac\",\"n\":-12.5e3,"
    "\"Attributes\":{\"k\":\"1\",\"t\":true,\"f\":false,\"z\":null}},{}],\"x\":[1,2,[3]]}";

START_TEST(a_text_cut_at_any_byte_is_refused)
{
    ck_assert(is_json(REPLY, sizeof REPLY - 1));
    for (size_t len = 0; len < sizeof REPLY - 1; len++)
        ck_assert_msg(!is_json(REPLY, len), "cut at %zu", len);
}
END_TEST

START_TEST(a_text_with_any_byte_changed_is_read_within_bounds)
{
    char text[sizeof REPLY];
    for (size_t i = 0; i < sizeof REPLY - 1; i++) {
        for (int c = 0; c < 256; c++) {
            memcpy(text, REPLY, sizeof REPLY);
            text[i] = (char)c;
            (void)is_json(text, sizeof REPLY - 1);
        }
    }
}
END_TEST

/* Takes every value there is, down to the last number. */
static void pull(struct jsonp *p)
{
    const char *text = NULL;
    size_t len = 0;
    double number = 0;
    bool flag = false;
    switch (jsonp_peek(p)) {
    case JSONP_OBJECT:
        (void)jsonp_object(p);
        while (jsonp_next_key(p, &text))
            pull(p);
        break;
    case JSONP_ARRAY:
        (void)jsonp_array(p);
        while (jsonp_next_element(p))
            pull(p);
        break;
    case JSONP_STRING:
        (void)jsonp_string(p, &text, &len);
        break;
    case JSONP_NUMBER:
        (void)jsonp_double(p, &number);
        break;
    case JSONP_BOOL:
        (void)jsonp_bool(p, &flag);
        break;
    default:
        (void)jsonp_skip(p);
        break;
    }
}

START_TEST(what_can_be_skipped_can_be_pulled_and_the_reverse)
{
    static const char TEXT[] = "{\"a\":[1,-2.5e3,{\"b\":\"\\u0041\\\\\"}],\"c\":[true,false,null,[],{}]}";
    static const char BYTES[] = "{}[]\",:\\u123 eE-+.tfn\x01\x80";
    for (size_t at = 0; at < sizeof TEXT - 1; at++) {
        for (size_t b = 0; b < sizeof BYTES; b++) {
            char *copy = exact_copy(TEXT, sizeof TEXT - 1);
            copy[at] = BYTES[b];
            size_t len = BYTES[b] == '\0' ? at : sizeof TEXT - 1; /* a prefix */
            bool good = is_json(copy, len);
            struct jsonp p = jsonp_start(copy, len);
            pull(&p);
            ck_assert_int_eq(jsonp_finish(&p), good);
            free(copy);
        }
    }
}
END_TEST

START_TEST(strings_are_unescaped_in_place)
{
    char text[] =
        "[\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\\"\\/\\\\\\b\\f\\n\\r\\t.\",\"nul\\u0000in\",\"plain\"]";
    struct jsonp p = jsonp_start(text, strlen(text));
    const char *got = NULL;
    size_t len = 0;
    ck_assert(jsonp_array(&p));
    ck_assert(jsonp_next_element(&p) && jsonp_string(&p, &got, &len));
    ck_assert_str_eq(got, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"/\\\b\f\n\r\t.");
    ck_assert_uint_eq(len, strlen(got));
    ck_assert(jsonp_next_element(&p) && jsonp_string(&p, &got, &len));
    ck_assert_uint_eq(len, 6);
    ck_assert_mem_eq(got, "nul\0in", 7);
    ck_assert(jsonp_next_element(&p) && jsonp_string(&p, &got, &len));
    ck_assert_str_eq(got, "plain");
    ck_assert(!jsonp_next_element(&p));
    ck_assert(jsonp_finish(&p));
}
END_TEST

START_TEST(special_bytes_are_found_at_every_place_of_a_word)
{
    for (size_t at = 0; at < 40; at++) {
        for (int kind = 0; kind < 4; kind++) {
            static const char *const SPECIAL[] = {"\\n", "\xc3\xa9", "\\\"", "\\u00e9"};
            static const char *const PLAIN[] = {"\n", "\xc3\xa9", "\"", "\xc3\xa9"};
            char text[128];
            char want[128];
            (void)snprintf(text, sizeof text, "\"%.*s%s%s\"", (int)at,
                           "0123456789abcdefghijklmnopqrstuvwxyz,.-_!", SPECIAL[kind], "tail of the text");
            (void)snprintf(want, sizeof want, "%.*s%s%s", (int)at,
                           "0123456789abcdefghijklmnopqrstuvwxyz,.-_!", PLAIN[kind], "tail of the text");
            struct jsonp p = jsonp_start(text, strlen(text));
            const char *got = NULL;
            size_t len = 0;
            ck_assert(jsonp_string(&p, &got, &len) && jsonp_finish(&p));
            ck_assert_str_eq(got, want);
        }
    }
}
END_TEST

START_TEST(members_come_one_by_one_with_repeats)
{
    char text[] = " { \"a\" : 1 , \"b\" : [ ] , \"a\" : { \"c\" : null } } ";
    struct jsonp p = jsonp_start(text, strlen(text));
    const char *key = NULL;
    int64_t value = 0;
    ck_assert(jsonp_object(&p));
    ck_assert(jsonp_next_key(&p, &key));
    ck_assert_str_eq(key, "a");
    ck_assert(jsonp_int(&p, &value));
    ck_assert_int_eq(value, 1);
    ck_assert(jsonp_next_key(&p, &key));
    ck_assert_str_eq(key, "b");
    ck_assert(jsonp_array(&p));
    ck_assert(!jsonp_next_element(&p));
    ck_assert(jsonp_next_key(&p, &key));
    ck_assert_str_eq(key, "a");
    ck_assert_int_eq(jsonp_peek(&p), JSONP_OBJECT);
    ck_assert(jsonp_skip(&p));
    ck_assert(!jsonp_next_key(&p, &key));
    ck_assert(jsonp_finish(&p));
}
END_TEST

/* jsonp_int() of one text. */
static bool take_int(const char *text, int64_t *ret)
{
    char *copy = exact_copy(text, strlen(text));
    struct jsonp p = jsonp_start(copy, strlen(text));
    bool good = jsonp_int(&p, ret) && jsonp_finish(&p);
    free(copy);
    return good;
}

START_TEST(whole_numbers_fit_or_are_refused)
{
    int64_t value = 0;
    ck_assert(take_int("0", &value) && value == 0);
    ck_assert(take_int("-0", &value) && value == 0);
    ck_assert(take_int("-17", &value) && value == -17);
    ck_assert(take_int("9223372036854775807", &value) && value == INT64_MAX);
    ck_assert(take_int("-9223372036854775808", &value) && value == INT64_MIN);
    value = 5;
    static const char *const BAD[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999999999999999999",
                                      "18446744073709551616",
                                      "1.0",
                                      "1e3",
                                      "\"1\"",
                                      "true",
                                      "null",
                                      "",
                                      "-"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        ck_assert_msg(!take_int(BAD[i], &value), "%s", BAD[i]);
    ck_assert_int_eq(value, 5);
}
END_TEST

START_TEST(a_value_of_another_type_is_refused_and_the_first_problem_sticks)
{
    char text[] = "{\"a\":\"x\",\"b\":true}";
    struct jsonp p = jsonp_start(text, strlen(text));
    const char *key = NULL;
    bool flag = false;
    size_t offset = 0;
    ck_assert_str_eq(jsonp_problem(&p, &offset), "");
    ck_assert(!jsonp_array(&p));
    ck_assert_str_eq(jsonp_problem(&p, &offset), "array expected");
    ck_assert(!jsonp_object(&p));
    ck_assert(!jsonp_next_key(&p, &key));
    ck_assert(!jsonp_finish(&p));
    ck_assert_str_eq(jsonp_problem(&p, &offset), "array expected");
    ck_assert_uint_eq(offset, 0);

    struct jsonp q = jsonp_start(text, strlen(text));
    ck_assert(jsonp_object(&q) && jsonp_next_key(&q, &key));
    ck_assert(!jsonp_bool(&q, &flag));
    ck_assert_str_eq(jsonp_problem(&q, &offset), "true or false expected");
    ck_assert_uint_eq(offset, 5);
}
END_TEST

START_TEST(an_object_left_open_is_noticed)
{
    char text[] = "{\"a\":1}";
    struct jsonp p = jsonp_start(text, strlen(text));
    const char *key = NULL;
    int64_t value = 0;
    ck_assert(jsonp_object(&p) && jsonp_next_key(&p, &key) && jsonp_int(&p, &value));
    ck_assert(!jsonp_finish(&p));
    struct jsonp nothing = jsonp_start(NULL, 0);
    ck_assert(!jsonp_object(&nothing));
}
END_TEST

START_TEST(a_key_with_a_nul_is_refused)
{
    char text[] = "{\"a\\u0000b\":1}";
    struct jsonp p = jsonp_start(text, strlen(text));
    const char *key = NULL;
    ck_assert(jsonp_object(&p));
    ck_assert(!jsonp_next_key(&p, &key));
}
END_TEST

START_TEST(keys_and_values_of_every_type_are_taken)
{
    char text[] =
        " { \"a\\n\\u00e9\\ud83d\\ude00\\\\\" : \"\\\"x\\/\" , \"b\":[1,-20, true,null,{},1.5,-2e3] } ";
    struct jsonp p = jsonp_start(text, strlen(text));
    const char *key = NULL, *value = NULL;
    size_t len = 0;
    int64_t number = 0;
    double real = 0;
    bool flag = false;
    ck_assert(jsonp_object(&p) && jsonp_next_key(&p, &key) && !jsonp_null(&p) &&
              jsonp_string(&p, &value, &len));
    ck_assert_str_eq(key, "a\n\xC3\xA9\xF0\x9F\x98\x80\\");
    ck_assert_str_eq(value, "\"x/");
    ck_assert(jsonp_next_key(&p, &key) && jsonp_array(&p));
    ck_assert(jsonp_next_element(&p) && jsonp_int(&p, &number));
    ck_assert_int_eq(number, 1);
    ck_assert(jsonp_next_element(&p) && jsonp_int(&p, &number));
    ck_assert_int_eq(number, -20);
    ck_assert(jsonp_next_element(&p) && jsonp_bool(&p, &flag) && flag);
    ck_assert(jsonp_next_element(&p) && jsonp_null(&p));
    ck_assert(jsonp_next_element(&p) && jsonp_skip(&p));
    ck_assert(jsonp_next_element(&p) && jsonp_double(&p, &real) && real == 1.5);
    ck_assert(jsonp_next_element(&p) && jsonp_double(&p, &real) && real == -2000);
    ck_assert(!jsonp_next_element(&p));
    ck_assert(!jsonp_next_key(&p, &key));
    ck_assert(jsonp_finish(&p));
}
END_TEST

START_TEST(doubles_are_finite_and_not_endless)
{
    static const char *const BAD[] = {"1e999", "-1e999", "\"1\"", "null", "1.", "nan"};
    char endless[JSONP_DOUBLE_CHARS_MAX + 1];
    double real = 7;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        char *copy = exact_copy(BAD[i], strlen(BAD[i]));
        struct jsonp p = jsonp_start(copy, strlen(BAD[i]));
        ck_assert_msg(!jsonp_double(&p, &real), "%s", BAD[i]);
        free(copy);
    }
    memset(endless, '0', sizeof endless);
    endless[1] = '.';
    struct jsonp longer = jsonp_start(endless, sizeof endless);
    ck_assert(!jsonp_double(&longer, &real));
    ck_assert(real == 7);
    struct jsonp longest = jsonp_start(endless, sizeof endless - 1);
    ck_assert(jsonp_double(&longest, &real) && real == 0);
}
END_TEST

START_TEST(what_is_skipped_stays_as_it_is_and_can_be_parsed_again)
{
    static const char TEXT[] = "{\"a\\u0062\": {\"x\":[\"\\\"}]\",[[]],{}]} ,\"n\" : -12}";
    char text[sizeof TEXT];
    memcpy(text, TEXT, sizeof TEXT);
    struct jsonp check = jsonp_start(text, sizeof TEXT - 1);
    ck_assert(jsonp_skip(&check) && jsonp_finish(&check));
    ck_assert_str_eq(text, TEXT);
    struct jsonp p = jsonp_start(text, sizeof TEXT - 1);
    const char *key = NULL;
    char *raw = NULL;
    size_t len = 0;
    ck_assert(jsonp_object(&p) && jsonp_next_key(&p, &key) && jsonp_raw(&p, &raw, &len));
    ck_assert_str_eq(key, "ab");
    ck_assert_uint_eq(len, strlen("{\"x\":[\"\\\"}]\",[[]],{}]}"));
    struct jsonp inner = jsonp_start(raw, len);
    ck_assert(jsonp_object(&inner) && jsonp_next_key(&inner, &key) && jsonp_array(&inner));
    ck_assert(jsonp_next_element(&inner) && jsonp_string(&inner, &key, &len));
    ck_assert_str_eq(key, "\"}]");
    ck_assert(jsonp_next_key(&p, &key) && jsonp_raw(&p, &raw, &len));
    ck_assert_uint_eq(len, 3);
    ck_assert_mem_eq(raw, "-12", 3);
    ck_assert(!jsonp_next_key(&p, &key) && jsonp_finish(&p));
    ck_assert(!jsonp_raw(&p, &raw, &len));
}
END_TEST

START_TEST(lone_surrogates_are_mended_if_that_is_wanted)
{
    static const struct {
        const char *json, *want;
    } ROWS[] = {{"\"\\ud83d\\ude00\\n\\\"\\ud83d\"", "\xF0\x9F\x98\x80\n\"\xEF\xBF\xBD"},
                {"\"\\udc00x\"", "\xEF\xBF\xBDx"},
                {"\"\\ud800\\u0041\"", "\xEF\xBF\xBD"
                                       "A"},
                {"\"\\ud83d\\ud83d\\ude00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
                {"\"\\ud800\\n\"", "\xEF\xBF\xBD\n"}};
    const char *got = NULL;
    size_t len = 0;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char *copy = exact_copy(ROWS[i].json, strlen(ROWS[i].json));
        struct jsonp p = jsonp_start(copy, strlen(ROWS[i].json));
        p.mends = true;
        ck_assert(jsonp_string(&p, &got, &len) && jsonp_finish(&p));
        ck_assert_str_eq(got, ROWS[i].want);
        ck_assert_uint_eq(len, strlen(ROWS[i].want));
        free(copy);
    }
    char broken[] = "\"\\ud83d\\u12g4\"";
    struct jsonp p = jsonp_start(broken, strlen(broken));
    p.mends = true;
    ck_assert(!jsonp_string(&p, &got, &len));
}
END_TEST

START_TEST(an_objection_of_the_caller_sticks)
{
    char text[] = "[1,2]";
    struct jsonp p = jsonp_start(text, strlen(text));
    size_t offset = 0;
    ck_assert(jsonp_array(&p) && jsonp_next_element(&p));
    ck_assert(!jsonp_refuse(&p, "no ones"));
    ck_assert(!jsonp_refuse(&p, "later"));
    ck_assert(!jsonp_skip(&p) && !jsonp_null(&p) && !jsonp_finish(&p));
    ck_assert_str_eq(jsonp_problem(&p, &offset), "no ones");
    ck_assert_uint_eq(offset, 1);
}
END_TEST

UNIT_MAIN("jsonp", valid_texts_are_taken, invalid_texts_are_refused, depth_is_limited,
          a_text_cut_at_any_byte_is_refused, a_text_with_any_byte_changed_is_read_within_bounds,
          what_can_be_skipped_can_be_pulled_and_the_reverse, strings_are_unescaped_in_place,
          special_bytes_are_found_at_every_place_of_a_word, members_come_one_by_one_with_repeats,
          whole_numbers_fit_or_are_refused, a_value_of_another_type_is_refused_and_the_first_problem_sticks,
          an_object_left_open_is_noticed, a_key_with_a_nul_is_refused,
          keys_and_values_of_every_type_are_taken, doubles_are_finite_and_not_endless,
          what_is_skipped_stays_as_it_is_and_can_be_parsed_again,
          lone_surrogates_are_mended_if_that_is_wanted, an_objection_of_the_caller_sticks)
