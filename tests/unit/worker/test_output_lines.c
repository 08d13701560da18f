/* Program output as log lines: splitting, cutting, what is made safe, what is bounded. */
#include "tests/unit/unit.h"

#include "worker/output_lines.h"

#include <stdio.h>

static struct strbuf g_shown = STRBUF_INIT;
static int g_count;

static void emit(void *arg, const char *line)
{
    (void)arg;
    g_count++;
    strbuf_appendf(&g_shown, "%s|", line);
}

static struct output_stream stream_of(struct output_budget *budget)
{
    strbuf_clear(&g_shown);
    g_count = 0;
    return (struct output_stream){.label = "o", .budget = budget, .emit = emit};
}

static void check_shown(struct output_stream *stream, const char *wanted)
{
    ck_assert_str_eq(strbuf_str(&g_shown), wanted);
    output_stream_clean_up(stream);
    strbuf_clean_up(&g_shown);
}

START_TEST(lines_are_the_same_however_the_bytes_come)
{
    static const char TEXT[] = "one\r\ntwo \xc3\xa9\n\nbad \xff \x1b[1m \xc2\x9b\ttab\nlast";
    for (size_t chunk = 1; chunk < sizeof TEXT; chunk++) {
        struct output_budget budget = {.lines_left = 100, .bytes_left = 1000};
        struct output_stream stream = stream_of(&budget);
        for (size_t at = 0; at < sizeof TEXT - 1; at += chunk)
            output_stream_add(&stream, TEXT + at, at + chunk < sizeof TEXT ? chunk : sizeof TEXT - 1 - at, 0);
        output_stream_end(&stream, 0);
        ck_assert_str_eq(strbuf_str(&stream.last), "last");
        check_shown(
            &stream,
            "o: one|o: two \xc3\xa9|o: |o: bad \xef\xbf\xbd \xef\xbf\xbd[1m \xef\xbf\xbd tab|o: last|");
    }
}
END_TEST

START_TEST(a_long_line_is_cut_between_characters)
{
    for (size_t offset = 0; offset < 4; offset++) {
        struct output_budget budget = {.lines_left = 100, .bytes_left = 100000};
        struct output_stream stream = stream_of(&budget);
        output_stream_add(&stream, "xxxx", offset, 0);
        for (int i = 0; i < 1000; i++)
            output_stream_add(&stream, "\xe2\x82\xac", 3, 0);
        output_stream_add(&stream, "\nnext\n", 6, 0);
        ck_assert_int_eq(g_count, 2);
        ck_assert_ptr_null(strstr(strbuf_str(&g_shown), "\xef\xbf\xbd"));
        ck_assert_uint_eq(stream.last.len, 4);
        size_t whole = (OUTPUT_LINE_BYTES_MAX - offset) / 3 * 3 + offset;
        ck_assert_uint_eq(g_shown.len, strlen("o: ...|o: next|") + whole);
        output_stream_clean_up(&stream);
        strbuf_clean_up(&g_shown);
    }
}
END_TEST

START_TEST(lines_and_bytes_of_a_message_are_bounded_and_the_rest_is_told)
{
    struct output_budget budget = {.lines_left = 2, .bytes_left = 1000};
    struct output_stream stream = stream_of(&budget);
    output_stream_add(&stream, "1\n2\n3\n4\n", 8, 0);
    output_tell_hidden(&stream);
    output_tell_hidden(&stream);
    ck_assert_str_eq(strbuf_str(&stream.last), "4");
    check_shown(&stream, "o: 1|o: 2|output: 2 more lines, not shown|");

    budget = (struct output_budget){.lines_left = 100, .bytes_left = 10};
    stream = stream_of(&budget);
    output_stream_add(&stream, "12345\n123456\n1\n", 15, 0);
    check_shown(&stream, "o: 12345|");
    ck_assert_int_eq(budget.hidden, 2);
}
END_TEST

START_TEST(the_rate_is_bounded_in_each_second)
{
    struct output_rate rate;
    output_rate_init(&rate, 2);
    struct output_budget budget = {.lines_left = INT64_MAX, .bytes_left = INT64_MAX, .rate = &rate};
    struct output_stream stream = stream_of(&budget);
    output_stream_add(&stream, "1\n2\n3\n", 6, 5100);
    output_stream_add(&stream, "4\n", 2, 5999);
    output_stream_add(&stream, "5\n", 2, 6000);
    ck_assert_int_eq(budget.lines_left, INT64_MAX);
    check_shown(&stream, "o: 1|o: 2|output: 2 more lines, not shown|o: 5|");
    output_rate_clean_up(&rate);
}
END_TEST

START_TEST(texts_are_cut_between_characters)
{
    ck_assert_uint_eq(output_cut("abc", 3, 5), 3);
    ck_assert_uint_eq(output_cut("ab\xc3\xa9", 4, 3), 2);
    ck_assert_uint_eq(output_cut("ab\xc3\xa9z", 5, 4), 4);
}
END_TEST

UNIT_MAIN("output_lines", lines_are_the_same_however_the_bytes_come, a_long_line_is_cut_between_characters,
          lines_and_bytes_of_a_message_are_bounded_and_the_rest_is_told, the_rate_is_bounded_in_each_second,
          texts_are_cut_between_characters)
