/* Telemetry lines: both directions, split streams, full sockets. */
#include "tests/unit/unit.h"

#include "base/telemetry.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct telemetry_line stats_line(void)
{
    int64_t n = 1;
    struct telemetry_line line = {.type = TELEMETRY_STATS,
                                  .stats = {.t_ms = 1440938160123, .state = TELEMETRY_DRAINING}};
#define X(name) line.stats.name = n++;
    TELEMETRY_GAUGES(X)
    TELEMETRY_COUNTERS(X)
#undef X
    return line;
}

/* Counts as large as they come in so many buckets, from the first. */
static struct telemetry_line hist_line(int buckets)
{
    struct telemetry_line line = {.type = TELEMETRY_HIST, .hist = TELEMETRY_HIST_lease_margin_ms};
    for (int i = 0; i < buckets; i++)
        line.histogram.buckets[i] = TELEMETRY_COUNTER_MAX / HISTOGRAM_BUCKETS;
    line.histogram.count = buckets * (TELEMETRY_COUNTER_MAX / HISTOGRAM_BUCKETS);
    line.histogram.sum = TELEMETRY_COUNTER_MAX;
    line.histogram.max = buckets > 0 ? histogram_high(buckets - 1) : 0;
    return line;
}

static void count_line(void *arg, const struct telemetry_line *line)
{
    ck_assert_int_eq(line->type, TELEMETRY_LIMIT);
    *(int64_t *)arg += line->capacity;
}

static int parse(const char *text, struct telemetry_line *line, struct err *err)
{
    return telemetry_parse(text, strlen(text), line, err);
}

START_TEST(every_type_reads_back_what_it_wrote)
{
    struct telemetry_line lines[] = {
        {.type = TELEMETRY_READY, .worker = "orders-7", .pid = 4711, .threads = 100, .capacity = 5},
        stats_line(),
        {.type = TELEMETRY_BYE, .reason = "drained", .returned = 3},
        {.type = TELEMETRY_LIMIT, .capacity = 20},
        hist_line(3),
        hist_line(HISTOGRAM_BUCKETS),
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct strbuf text = STRBUF_INIT;
        struct telemetry_line back;
        struct err err = {""};
        telemetry_encode(&lines[i], &text);
        ck_assert_int_eq(text.data[text.len - 1], '\n');
        ck_assert_msg(telemetry_parse(text.data, text.len - 1, &back, &err) == 0, "%s", err.text);
        ck_assert_int_eq(back.type, lines[i].type);
        ck_assert_str_eq(back.worker, lines[i].worker);
        ck_assert_str_eq(back.reason, lines[i].reason);
        ck_assert_mem_eq(&back.stats, &lines[i].stats, sizeof back.stats);
        ck_assert_int_eq(back.capacity, lines[i].capacity);
        ck_assert_int_eq(back.hist, lines[i].hist);
        ck_assert_int_eq(back.histogram.count, lines[i].histogram.count);
        ck_assert_int_eq(back.histogram.sum, lines[i].histogram.sum);
        ck_assert_int_eq(back.histogram.max, lines[i].histogram.max);
        strbuf_clean_up(&text);
    }
}
END_TEST

/* Quantiles may only grow by joining buckets, and by no more than the joined bucket is wide. */
START_TEST(a_histogram_fits_its_line_whatever_it_holds)
{
    for (int buckets = 0; buckets <= HISTOGRAM_BUCKETS; buckets++) {
        struct strbuf text = STRBUF_INIT;
        struct telemetry_line back;
        struct telemetry_line line = hist_line(buckets);
        telemetry_encode(&line, &text);
        ck_assert_uint_le(text.len - 1, TELEMETRY_LINE_MAX);
        const char *shift = strstr(text.data, "\"shift\":");
        ck_assert_ptr_nonnull(shift);
        if (buckets < 150 || buckets > 250) /* about 20 bytes a bucket */
            ck_assert((shift[8] == '0') == (buckets < 150));
        ck_assert_int_eq(telemetry_parse(text.data, text.len - 1, &back, NULL), 0);
        for (double q = 0.05; q < 1; q += 0.05) {
            int64_t exact = histogram_quantile(&line.histogram, q);
            int64_t told = histogram_quantile(&back.histogram, q);
            if (shift[8] == '0')
                ck_assert_int_eq(told, exact);
            ck_assert_int_ge(told, exact);
            ck_assert_int_le(told, exact * 3 / 2 + 16);
        }
        strbuf_clean_up(&text);
    }
}
END_TEST

START_TEST(the_contracts_histogram_parses_with_and_without_joined_buckets)
{
    struct telemetry_line line;
    struct err err = {""};
    ck_assert_msg(parse("{\"v\":1,\"type\":\"hist\",\"name\":\"wait_ms\",\"count\":5,\"sum\":70,"
                        "\"max\":31,\"buckets\":[[3,2],[20,3]]}",
                        &line, &err) == 0,
                  "%s", err.text);
    ck_assert_int_eq(line.hist, TELEMETRY_HIST_wait_ms);
    ck_assert_int_eq(line.histogram.buckets[3], 2);
    ck_assert_int_eq(line.histogram.buckets[20], 3);
    ck_assert_msg(parse("{\"v\":1,\"type\":\"hist\",\"name\":\"handle_ms\",\"count\":5,\"sum\":70,"
                        "\"max\":31,\"shift\":2,\"buckets\":[[0,2],[147,3]]}",
                        &line, &err) == 0,
                  "%s", err.text);
    ck_assert_int_eq(line.histogram.buckets[3], 2); /* the highest that it can be */
    ck_assert_int_eq(line.histogram.buckets[HISTOGRAM_BUCKETS - 1], 3);
}
END_TEST

START_TEST(lines_of_later_days_are_no_errors_and_reach_nobody)
{
    static const char STREAM[] = "{\"v\":1,\"type\":\"hello\"}\n"
                                 "{\"v\":1,\"type\":\"hist\",\"name\":\"joy\",\"count\":\"x\"}\n"
                                 "{\"v\":1,\"type\":\"limit\",\"capacity\":10}\n";
    struct telemetry_line line;
    struct telemetry_reader reader = {0};
    int64_t sum = 0;
    ck_assert_int_eq(parse("{\"v\":1,\"type\":\"hello\"}", &line, NULL), 0);
    ck_assert_int_eq(line.type, TELEMETRY_TYPE_MAX);
    telemetry_reader_feed(&reader, STREAM, sizeof STREAM - 1, count_line, &sum);
    ck_assert_int_eq(sum, 10);
    ck_assert_uint_eq(reader.bad_lines, 0);
    telemetry_reader_clean_up(&reader);
}
END_TEST

START_TEST(the_contracts_own_example_parses_and_unknown_keys_are_ignored)
{
    struct telemetry_line line;
    ck_assert_int_eq(parse("{\"v\":1,\"type\":\"ready\",\"worker\":\"orders-7\",\"pid\":4711,\"threads\":100,"
                           "\"capacity\":5,\"colour\":{\"a\":[1]}}",
                           &line, NULL),
                     0);
    ck_assert_str_eq(line.worker, "orders-7");
    ck_assert_int_eq(line.pid, 4711);
}
END_TEST

#define HIST "{\"v\":1,\"type\":\"hist\",\"name\":\"wait_ms\",\"count\":2,\"sum\":1,\"max\":1"

START_TEST(bad_lines_say_what_is_wrong)
{
    static const struct {
        const char *text, *error;
    } BAD[] = {
        {"{", "not JSON"},
        {"[]", "want a JSON object"},
        {"{}", "v: want"},
        {"{\"v\":2,\"type\":\"bye\"}", "v: 2: want 1"},
        {"{\"v\":1}", "type: want"},
        {"{\"v\":1,\"type\":7}", "type: want"},
        {"{\"v\":1,\"type\":\"hist\"}", "name: want"},
        {HIST "}", "buckets: want"},
        {HIST ",\"buckets\":[[0,1],[0,1]]}", "buckets: want"},
        {HIST ",\"buckets\":[[0,3],[1,-1]]}", "buckets: want"},
        {HIST ",\"buckets\":[[592,2]]}", "buckets: want"},
        {HIST ",\"buckets\":[[0,2,3]]}", "buckets: want"},
        {HIST ",\"buckets\":[2]}", "buckets: want"},
        {HIST ",\"buckets\":[[0,3]]}", "buckets: their sum"},
        {HIST ",\"shift\":11,\"buckets\":[[0,2]]}", "shift: want"},
        {HIST ",\"shift\":1,\"buckets\":[[296,2]]}", "buckets: want"},
        {"{\"v\":1,\"type\":\"limit\"}", "capacity: want"},
        {"{\"v\":1,\"type\":\"limit\",\"capacity\":-1}", "capacity: want"},
        {"{\"v\":1,\"type\":\"limit\",\"capacity\":\"9\"}", "capacity: want"},
        {"{\"v\":1,\"type\":\"limit\",\"capacity\":1,\"capacity\":2}", "not JSON"},
        {"{\"v\":1,\"type\":\"stats\",\"state\":\"idle\"}", "state: want"},
        {"{\"v\":1,\"type\":\"stats\",\"state\":\"running\",\"t_ms\":1}", "busy: want"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct telemetry_line line;
        struct err err = {""};
        ck_assert_msg(parse(BAD[i].text, &line, &err) == -1, "%s", BAD[i].text);
        ck_assert_msg(strncmp(err.text, BAD[i].error, strlen(BAD[i].error)) == 0, "%s", err.text);
    }
}
END_TEST

static void stats_text(struct strbuf *out, const char *name, const char *value)
{
    strbuf_clear(out);
    strbuf_append_str(out, "{\"v\":1,\"type\":\"stats\",\"state\":\"running\",\"t_ms\":1");
#define X(key) strbuf_appendf(out, ",\"" #key "\":%s", strcmp(#key, name) == 0 ? value : "7");
    TELEMETRY_GAUGES(X)
    TELEMETRY_COUNTERS(X)
#undef X
    strbuf_append_char(out, '}');
}

START_TEST(numbers_that_no_worker_can_have_are_refused)
{
    static const struct {
        const char *name, *largest, *above;
    } LIMITS[] = {
        {"busy", "1000000000", "1000000001"},
        {"capacity", "1000000000", "1000000001"},
        {"last_receive_age_ms", "9007199254740992", "9007199254740993"},
        {"completed", "9007199254740992", "9007199254740993"},
        {"wait_ms_sum", "9007199254740992", "9223372036854775807"},
    };
    struct strbuf text = STRBUF_INIT;
    struct telemetry_line line;
    for (size_t i = 0; i < sizeof LIMITS / sizeof LIMITS[0]; i++) {
        struct err err = {""};
        stats_text(&text, LIMITS[i].name, LIMITS[i].largest);
        ck_assert_msg(parse(text.data, &line, &err) == 0, "%s", err.text);
        stats_text(&text, LIMITS[i].name, LIMITS[i].above);
        ck_assert_int_eq(parse(text.data, &line, &err), -1);
        ck_assert_msg(strncmp(err.text, LIMITS[i].name, strlen(LIMITS[i].name)) == 0, "%s", err.text);
    }
    strbuf_clean_up(&text);
}
END_TEST

START_TEST(sums_of_counters_stop_at_the_end_of_their_range)
{
    struct telemetry_stats sum = {.completed = INT64_MAX - 1, .received = 5, .busy = 3};
    struct telemetry_stats more = {.completed = 2, .received = 6, .busy = 4};
    telemetry_add_counters(&sum, &more);
    ck_assert_int_eq(sum.completed, INT64_MAX);
    ck_assert_int_eq(sum.received, 11);
    ck_assert_int_eq(sum.busy, 3);
}
END_TEST

START_TEST(a_stream_may_be_cut_anywhere)
{
    static const char STREAM[] = "{\"v\":1,\"type\":\"limit\",\"capacity\":1}\n\nnonsense\n"
                                 "{\"v\":1,\"type\":\"limit\",\"capacity\":10}\n";
    for (size_t cut = 0; cut <= sizeof STREAM - 1; cut++) {
        struct telemetry_reader reader = {0};
        int64_t sum = 0;
        telemetry_reader_feed(&reader, STREAM, cut, count_line, &sum);
        telemetry_reader_feed(&reader, STREAM + cut, sizeof STREAM - 1 - cut, count_line, &sum);
        ck_assert_int_eq(sum, 11);
        ck_assert_uint_eq(reader.bad_lines, 1);
        telemetry_reader_clean_up(&reader);
    }
}
END_TEST

START_TEST(an_overlong_line_is_skipped_and_counted_once)
{
    struct telemetry_reader reader = {0};
    int64_t sum = 0;
    char chunk[1000];
    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; i < 20; i++)
        telemetry_reader_feed(&reader, chunk, sizeof chunk, count_line, &sum);
    static const char REST[] = "tail\n{\"v\":1,\"type\":\"limit\",\"capacity\":5}\n";
    telemetry_reader_feed(&reader, REST, sizeof REST - 1, count_line, &sum);
    ck_assert_int_eq(sum, 5);
    ck_assert_uint_eq(reader.bad_lines, 1);
    ck_assert_uint_le(reader.pending.len, TELEMETRY_LINE_MAX);
    telemetry_reader_clean_up(&reader);
}
END_TEST

START_TEST(a_full_socket_drops_whole_lines_and_recovers)
{
    int ends[2];
    struct telemetry_writer writer = {0};
    struct telemetry_reader reader = {0};
    struct telemetry_line line = {.type = TELEMETRY_LIMIT, .capacity = 1};
    int64_t sum = 0;
    int64_t sent = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    while (writer.dropped < 10) {
        int rc = telemetry_writer_send(&writer, ends[0], &line);
        ck_assert_int_ge(rc, 0);
        sent += rc == 0;
    }
    for (int round = 0; round < 2; round++) {
        char buffer[4096];
        ssize_t got = 0;
        while ((got = read(ends[1], buffer, sizeof buffer)) > 0)
            telemetry_reader_feed(&reader, buffer, (size_t)got, count_line, &sum);
        if (round == 0) {
            ck_assert_int_eq(telemetry_writer_send(&writer, ends[0], &line), 0);
            sent++;
        }
    }
    ck_assert_int_eq(sum, sent);
    ck_assert_uint_eq(reader.bad_lines, 0);
    (void)close(ends[1]);
    ck_assert_int_lt(telemetry_writer_send(&writer, ends[0], &line), 0);
    (void)close(ends[0]);
    telemetry_reader_clean_up(&reader);
    telemetry_writer_clean_up(&writer);
}
END_TEST

START_TEST(ready_may_name_a_task_and_a_start)
{
    struct telemetry_line line = {.type = TELEMETRY_READY, .worker = "w", .pid = 1, .started_ms = 1234};
    struct telemetry_line got;
    struct strbuf text = STRBUF_INIT;
    struct err err;
    memset(line.task, 'a', sizeof line.task - 1);
    telemetry_encode(&line, &text);
    ck_assert_int_eq(telemetry_parse(text.data, text.len - 1, &got, &err), 0);
    ck_assert_str_eq(got.task, line.task);
    ck_assert_int_eq(got.started_ms, 1234);
    strbuf_clear(&text);
    line.task[0] = '\0';
    line.started_ms = 0;
    telemetry_encode(&line, &text);
    ck_assert_ptr_null(strstr(strbuf_str(&text), "task"));
    ck_assert_int_eq(telemetry_parse(text.data, text.len - 1, &got, &err), 0);
    ck_assert_str_eq(got.task, "");
    strbuf_clean_up(&text);
    static const char WRONG[] =
        "{\"v\":1,\"type\":\"ready\",\"worker\":\"w\",\"pid\":1,\"threads\":1,\"capacity\":1,\"task\":5}";
    ck_assert_int_eq(telemetry_parse(WRONG, sizeof WRONG - 1, &got, &err), -1);
}
END_TEST

UNIT_MAIN("telemetry", ready_may_name_a_task_and_a_start, every_type_reads_back_what_it_wrote,
          the_contracts_own_example_parses_and_unknown_keys_are_ignored,
          a_histogram_fits_its_line_whatever_it_holds,
          the_contracts_histogram_parses_with_and_without_joined_buckets,
          lines_of_later_days_are_no_errors_and_reach_nobody, bad_lines_say_what_is_wrong,
          numbers_that_no_worker_can_have_are_refused, sums_of_counters_stop_at_the_end_of_their_range,
          a_stream_may_be_cut_anywhere, an_overlong_line_is_skipped_and_counted_once,
          a_full_socket_drops_whole_lines_and_recovers)
