/* Pure parts of `sluice load`: the schedule, log lines, report and exit codes. */
#include "supervisor/load_log.h"
#include "supervisor/load_report.h"
#include "supervisor/load_sender.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(message_i_is_due_at_i_over_rate)
{
    ck_assert_int_eq(load_schedule_due(-1, 60, 3600), 0);
    ck_assert_int_eq(load_schedule_due(0, 60, 3600), 1);
    ck_assert_int_eq(load_schedule_due(16, 60, 3600), 1);
    ck_assert_int_eq(load_schedule_due(17, 60, 3600), 2);
    ck_assert_int_eq(load_schedule_due(100, 60, 3600), 7);
    ck_assert_int_eq(load_schedule_due(1000, 60, 3600), 61);
    ck_assert_int_eq(load_schedule_due(59983, 60, 3600), 3599);
    ck_assert_int_eq(load_schedule_due(59984, 60, 3600), 3600);
    ck_assert_int_eq(load_schedule_due(999999, 60, 3600), 3600);
}
END_TEST

START_TEST(due_time_and_due_count_agree_at_any_rate)
{
    static const double rates[] = {0.001, 0.3, 1, 3, 7.7, 60, 99.99, 1000, 1333.3, 100000};

    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        for (int64_t i = 0; i < 5000; i++) {
            int64_t at_ms = load_schedule_due_at_ms(i, rates[r]);
            ck_assert_int_gt(load_schedule_due(at_ms, rates[r], INT64_MAX), i);
            if (at_ms > 0)
                ck_assert_int_le(load_schedule_due(at_ms - 1, rates[r], INT64_MAX), i);
        }
    }
}
END_TEST

START_TEST(a_log_line_is_one_json_object_with_all_facts)
{
    struct orders_item item = {.id = "abc-000001", .kind = ORDERS_SNS, .sns = true};
    struct load_log_line line = {
        .item = &item, .message_id = "m-1", .due_ms = 1000, .sent_ms = 1042, .attempt = 2, .resent = true};
    struct strbuf out = STRBUF_INIT;

    load_log_encode(&line, &out);
    ck_assert_str_eq(strbuf_str(&out),
                     "{\"order_id\":\"abc-000001\",\"message_id\":\"m-1\",\"t_ms\":1042,\"due_ms\":1000,"
                     "\"kind\":\"sns\",\"sns\":true,\"attempt\":2,\"resent\":true}\n");
    strbuf_clean_up(&out);
}
END_TEST

START_TEST(the_log_is_appended_to_and_a_bad_path_is_named)
{
    char path[] = "/tmp/sluice-test-load-XXXXXX";
    struct strbuf lines = STRBUF_INIT;
    struct err err = {.text = ""};
    char read_back[16] = "";

    (void)close(mkstemp(path));
    for (int round = 0; round < 2; round++) {
        int fd = load_log_open(path, &err);
        ck_assert_int_ge(fd, 0);
        strbuf_clear(&lines);
        strbuf_append_str(&lines, round == 0 ? "one\n" : "two\n");
        ck_assert_int_eq(load_log_write(fd, &lines, &err), 0);
        (void)close(fd);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(read(fd, read_back, sizeof read_back - 1), 8);
    ck_assert_str_eq(read_back, "one\ntwo\n");
    (void)close(fd);
    (void)unlink(path);
    ck_assert_int_lt(load_log_open("/nonexistent/log", &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/log: No such file"));
    strbuf_clean_up(&lines);
}
END_TEST

START_TEST(a_full_disk_is_an_error_not_a_lost_line)
{
    struct strbuf lines = STRBUF_INIT;
    struct err err = {.text = ""};
    int fd = load_log_open("/dev/full", &err);

    ck_assert_int_ge(fd, 0);
    strbuf_append_str(&lines, "one\n");
    ck_assert_int_lt(load_log_write(fd, &lines, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "No space left"));
    (void)close(fd);
    strbuf_clean_up(&lines);
}
END_TEST

static struct load_report sale(struct orders *orders)
{
    ck_assert_int_eq(orders_init(orders, 1, 3600, 0.5, 0, NULL), 0);
    return (struct load_report){
        .queue_url = "http://127.0.0.1:1/1/q",
        .orders = orders,
        .rate_wanted = 60,
        .totals = {.acknowledged = 3600, .acknowledged_sns = 1800, .started_ms = 5000, .last_sent_ms = 64984},
    };
}

START_TEST(the_report_counts_and_rates)
{
    struct orders orders;
    struct load_report report = sale(&orders);
    struct strbuf out = STRBUF_INIT;

    ck_assert_double_eq_tol(load_report_rate(&report), 60, 0.01);
    load_report_write_json(&report, &out);
    json_t *json = json_loads(strbuf_str(&out), 0, NULL);
    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "acknowledged")), 3600);
    ck_assert_int_eq(json_integer_value(json_object_get(json, "acknowledged_sns")), 1800);
    ck_assert(json_is_null(json_object_get(json, "last_error")));
    json_decref(json);
    strbuf_clear(&out);
    load_report_write_text(&report, &out);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&out), "3600 of 3600 orders acknowledged"));
    ck_assert_ptr_null(strstr(strbuf_str(&out), "twice"));
    report.totals.resent = 4;
    strbuf_clear(&out);
    load_report_write_text(&report, &out);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&out), "4 orders were sent again"));
    strbuf_clean_up(&out);
}
END_TEST

START_TEST(exit_codes_follow_what_happened)
{
    struct orders orders;
    struct load_report report = sale(&orders);

    ck_assert_int_eq(load_report_exit_code(&report), 0);
    report.totals.resent = 1;
    report.totals.interrupted = true;
    report.totals.unsent = 100;
    ck_assert_int_eq(load_report_exit_code(&report), 0);
    report.totals.failed = 1;
    ck_assert_int_eq(load_report_exit_code(&report), 1);
    report.totals.fatal.kind = AWS_KIND_CREDENTIALS;
    ck_assert_int_eq(load_report_exit_code(&report), 77);
    report.totals.fatal.kind = AWS_KIND_DENIED;
    ck_assert_int_eq(load_report_exit_code(&report), 77);
    report.totals.fatal.kind = AWS_KIND_NOT_FOUND;
    ck_assert_int_eq(load_report_exit_code(&report), 69);
    report.totals.fatal.kind = AWS_KIND_TRANSIENT;
    ck_assert_int_eq(load_report_exit_code(&report), 69);
    (void)err_set(&report.totals.log_error, "disk full");
    ck_assert_int_eq(load_report_exit_code(&report), 74);
}
END_TEST

START_TEST(a_sender_that_never_sent_reports_a_rate_of_zero)
{
    struct orders orders;
    struct load_report report = sale(&orders);

    report.totals = (struct load_totals){.unsent = 3600};
    ck_assert_double_eq(load_report_rate(&report), 0);
}
END_TEST

UNIT_MAIN("load", message_i_is_due_at_i_over_rate, due_time_and_due_count_agree_at_any_rate,
          a_log_line_is_one_json_object_with_all_facts, the_log_is_appended_to_and_a_bad_path_is_named,
          a_full_disk_is_an_error_not_a_lost_line, the_report_counts_and_rates,
          exit_codes_follow_what_happened, a_sender_that_never_sent_reports_a_rate_of_zero)
