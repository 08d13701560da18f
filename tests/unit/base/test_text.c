/* Durations, string buffers, the JSON writer and error texts. */
#include "tests/unit/unit.h"

#include "base/duration.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "base/strbuf.h"

#include <float.h>
#include <jansson.h>
#include <math.h>

START_TEST(durations_parse)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } ROWS[] = {
        {"0", 0},
        {"500ms", 500},
        {"60s", 60000},
        {"5m", 300000},
        {"1h30m", 5400000},
        {"2d", 172800000},
        {"1d2h3m4s5ms", 93784005},
        {"", -1},
        {"60", -1},
        {"s", -1},
        {"1m1h", -1},
        {"1s1s", -1},
        {"-1s", -1},
        {"1.5s", -1},
        {"1 s", -1},
        {"4000d", -1},
        {"99999999999999999999s", -1},
        {"1w", -1},
        {"3650d", 315360000000},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        int64_t ms = -7;
        int rc = duration_parse(ROWS[i].text, &ms);
        ck_assert_msg(rc == (ROWS[i].ms < 0 ? -1 : 0), "%s", ROWS[i].text);
        ck_assert_msg(ms == (ROWS[i].ms < 0 ? -7 : ROWS[i].ms), "%s gave %lld", ROWS[i].text, (long long)ms);
    }
}
END_TEST

START_TEST(durations_print_what_they_parse)
{
    static const int64_t ROWS[] = {0, 1, 999, 1000, 60000, 90000, 3600000, 86400000, 93784005, 315360000000};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char text[48];
        int64_t back = -1;
        ck_assert_int_eq(duration_parse(duration_format(ROWS[i], text), &back), 0);
        ck_assert_int_eq(back, ROWS[i]);
    }
}
END_TEST

START_TEST(strbuf_grows_consumes_and_hands_over)
{
    struct strbuf b = STRBUF_INIT;
    ck_assert_str_eq(strbuf_str(&b), "");
    for (int i = 0; i < 1000; i++)
        strbuf_appendf(&b, "%d,", i % 10);
    ck_assert_uint_eq(b.len, 2000);
    strbuf_consume(&b, 1996);
    ck_assert_str_eq(strbuf_str(&b), "8,9,");
    strbuf_consume(&b, 0);
    char *text = strbuf_take(&b);
    ck_assert_str_eq(text, "8,9,");
    ck_assert_ptr_null(b.data);
    free(text);
    text = strbuf_take(&b);
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

static void write_everything(struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "least", INT64_MIN);
    jsonw_key_double(w, "third", 1.0 / 3.0);
    jsonw_key_double(w, "nan", NAN);
    jsonw_key_str(w, "none", NULL);
    jsonw_key_bool(w, "yes", true);
    jsonw_key(w, "list");
    jsonw_array(w);
    jsonw_int(w, 1);
    jsonw_object(w);
    jsonw_end_object(w);
    jsonw_array(w);
    jsonw_end_array(w);
    jsonw_raw(w, "{\"a\":[]}", 8);
    jsonw_end_array(w);
    jsonw_key(w, "last");
    jsonw_null(w);
    jsonw_end_object(w);
}

START_TEST(json_writer_places_commas_and_keeps_doubles)
{
    struct strbuf b = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&b);
    write_everything(&w);
    ck_assert_str_eq(b.data, "{\"least\":-9223372036854775808,\"third\":0.33333333333333331,\"nan\":null,"
                             "\"none\":null,\"yes\":true,\"list\":[1,{},[],{\"a\":[]}],\"last\":null}");
    json_t *back = json_loads(b.data, 0, NULL);
    ck_assert_ptr_nonnull(back);
    ck_assert(json_real_value(json_object_get(back, "third")) == 1.0 / 3.0);
    json_decref(back);
    strbuf_clean_up(&b);
}
END_TEST

START_TEST(json_writer_escapes_and_replaces_bad_bytes)
{
    static const struct {
        const char *text, *json;
    } ROWS[] = {
        {"plain", "\"plain\""},
        {"\"\\\b\f\n\r\t\x01", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"a\xc3", "\"a\xef\xbf\xbd\""},                               /* cut short */
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
        {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct strbuf b = STRBUF_INIT;
        struct jsonw w = JSONW_INIT(&b);
        jsonw_str(&w, ROWS[i].text);
        ck_assert_str_eq(b.data, ROWS[i].json);
        json_t *back = json_loads(b.data, JSON_DECODE_ANY, NULL);
        ck_assert_ptr_nonnull(back);
        json_decref(back);
        strbuf_clean_up(&b);
    }
}
END_TEST

START_TEST(errors_take_prefixes_and_null)
{
    struct err err;
    ck_assert_int_eq(err_set(&err, "poll: \"%s\": want a duration", "5"), -1);
    ck_assert_int_eq(err_prefix(&err, "fleets[%d]", 0), -1);
    ck_assert_str_eq(err.text, "fleets[0]: poll: \"5\": want a duration");
    ck_assert_int_eq(err_set(NULL, "x"), -1);
}
END_TEST

UNIT_MAIN("text", durations_parse, durations_print_what_they_parse, strbuf_grows_consumes_and_hands_over,
          json_writer_places_commas_and_keeps_doubles, json_writer_escapes_and_replaces_bad_bytes,
          errors_take_prefixes_and_null)
