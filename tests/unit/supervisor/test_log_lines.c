/* Worker output: lines out of a stream, the bound on a flood. */
#include "tests/unit/unit.h"

#include "supervisor/line_splitter.h"
#include "supervisor/log_capture.h"

#include <stdio.h>
#include <string.h>

static void collect(void *arg, const char *line, size_t len, bool cut)
{
    struct strbuf *out = arg;
    strbuf_appendf(out, "[%.*s%s]", (int)len, line, cut ? "..." : "");
}

/* What comes out for a stream, fed in pieces of `piece` bytes. */
static char *split(const char *bytes, size_t piece, bool finish, uint64_t *ret_cut)
{
    struct line_splitter splitter = {.limit = 8};
    struct strbuf out = STRBUF_INIT;
    size_t len = strlen(bytes);
    for (size_t at = 0; at < len; at += piece)
        line_splitter_feed(&splitter, bytes + at, len - at < piece ? len - at : piece, collect, &out);
    if (finish)
        line_splitter_finish(&splitter, collect, &out);
    if (ret_cut != NULL)
        *ret_cut = splitter.cut_lines;
    line_splitter_clean_up(&splitter);
    return strbuf_take(&out);
}

START_TEST(lines_come_whole_however_the_stream_is_cut)
{
    for (size_t piece = 1; piece < 24; piece++) {
        char *text = split("one\ntwo\r\n\nthree\nrest", piece, true, NULL);
        ck_assert_str_eq(text, "[one][two][][three][rest]");
        free(text);
    }
}
END_TEST

START_TEST(an_unfinished_line_waits_for_its_end)
{
    char *text = split("one\ntwo", 100, false, NULL);
    ck_assert_str_eq(text, "[one]");
    free(text);
}
END_TEST

START_TEST(an_overlong_line_is_cut_once_and_its_rest_skipped)
{
    for (size_t piece = 1; piece < 40; piece++) {
        uint64_t cut = 0;
        char *text = split("12345678\n123456789\n1234567890123456789012\nok\n123456789", piece, true, &cut);
        ck_assert_str_eq(text, "[12345678][12345678...][12345678...][ok][12345678...]");
        ck_assert_uint_eq(cut, 3);
        free(text);
    }
}
END_TEST

START_TEST(a_flood_is_bounded_to_the_rate_and_counted)
{
    struct log_budget budget = {.lines_per_s = 10};
    int passed = 0;
    /* 1,000 lines within two seconds of invented time: a bucket of 10, and 10 more a second. */
    for (int i = 0; i < 1000; i++)
        passed += log_budget_take(&budget, 5000 + i * 2);
    ck_assert_int_ge(passed, 28);
    ck_assert_int_le(passed, 30);
    ck_assert_uint_eq(budget.dropped, (uint64_t)(1000 - passed));
    /* A quiet hour saves up no more than one second's lines. */
    passed = 0;
    for (int i = 0; i < 100; i++)
        passed += log_budget_take(&budget, 3600000);
    ck_assert_int_eq(passed, 10);
}
END_TEST

UNIT_MAIN("log_lines", lines_come_whole_however_the_stream_is_cut, an_unfinished_line_waits_for_its_end,
          an_overlong_line_is_cut_once_and_its_rest_skipped, a_flood_is_bounded_to_the_rate_and_counted)
