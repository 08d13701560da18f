/* Settings: environment, command line, the handler's own options, and what is refused. */
#include "tests/unit/unit.h"

#include "base/file.h"
#include "worker/settings.h"

#include <stdio.h>

static struct settings settings;
static struct err err;

static enum settings_result load(const char *const *args)
{
    char *argv[16] = {(char *)"sluice-worker"};
    int argc = 1;
    for (; args[argc - 1] != NULL; argc++)
        argv[argc] = (char *)args[argc - 1];
    err.text[0] = '\0';
    return settings_load(&settings, argc, argv, &err);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void clear_environment(void)
{
    static const char *const NAMES[] = {"SQS_QUEUE_URL",       "NUM_WORKERS",          "PAYMENT_SLOTS",
                                        "PAYMENT_TIME",        "SLUICE_STOP_GRACE",    "SLUICE_WORKER_NAME",
                                        "SLUICE_TELEMETRY_FD", "SLUICE_METRICS_LISTEN"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        (void)unsetenv(NAMES[i]);
}

START_TEST(defaults_are_those_of_the_contract)
{
    clear_environment();
    ck_assert_msg(load(ARGS("--queue-url", "http://h/q")) == SETTINGS_OK, "%s", err.text);
    ck_assert_str_eq(settings.handler->name, "payment");
    ck_assert_int_eq(settings.threads, 100);
    ck_assert_int_eq(settings.stop_grace_ms, 30000);
    ck_assert_int_eq(settings.visibility_ms, 30000);
    ck_assert_int_eq(settings.wait_ms, 20000);
    ck_assert_uint_eq(settings.stack_bytes, 262144);
    ck_assert_int_eq(settings.telemetry_fd, -1);
    ck_assert(settings.worker[0] != '\0');
    settings_clean_up(&settings);
}
END_TEST

START_TEST(the_command_line_wins_over_the_environment)
{
    clear_environment();
    (void)setenv("SQS_QUEUE_URL", "http://h/env", 1);
    (void)setenv("NUM_WORKERS", "7", 1);
    (void)setenv("PAYMENT_TIME", "1s", 1);
    (void)setenv("SLUICE_WORKER_NAME", "orders-7", 1);
    (void)setenv("SLUICE_TELEMETRY_FD", "3", 1);
    ck_assert_msg(load(ARGS("--threads=9")) == SETTINGS_OK, "%s", err.text);
    ck_assert_int_eq(settings.threads, 9);
    ck_assert_str_eq(settings.queue_url, "http://h/env");
    ck_assert_str_eq(settings.worker, "orders-7");
    ck_assert_int_eq(settings.telemetry_fd, 3);
    struct strbuf dump = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&dump);
    jsonw_object(&w);
    options_dump(settings.handler->options, settings.handler_options, &w);
    jsonw_end_object(&w);
    ck_assert_str_eq(strbuf_str(&dump), "{\"payment_slots\":5,\"payment_time\":\"1s\",\"ledger\":null}");
    strbuf_clean_up(&dump);
    settings_clean_up(&settings);
    clear_environment();
}
END_TEST

/* What the worker's image sets for its health check, whatever arguments it is given. */
START_TEST(the_environment_says_where_metrics_are_served)
{
    clear_environment();
    (void)setenv("SLUICE_METRICS_LISTEN", "127.0.0.1:9464", 1);
    ck_assert_msg(load(ARGS("--queue-url", "http://h/q")) == SETTINGS_OK, "%s", err.text);
    ck_assert_str_eq(settings.metrics_listen, "127.0.0.1:9464");
    settings_clean_up(&settings);
    ck_assert_msg(load(ARGS("--queue-url", "http://h/q", "--metrics-listen", "127.0.0.1:0")) == SETTINGS_OK,
                  "%s", err.text);
    ck_assert_str_eq(settings.metrics_listen, "127.0.0.1:0");
    settings_clean_up(&settings);
    (void)setenv("SLUICE_METRICS_LISTEN", "9464", 1);
    ck_assert_int_ne(load(ARGS("--queue-url", "http://h/q")), SETTINGS_OK);
    settings_clean_up(&settings);
    clear_environment();
}
END_TEST

START_TEST(wrong_settings_are_refused_by_name)
{
    static const struct {
        const char *args[4];
        const char *want;
    } ROWS[] = {
        {{NULL}, "SQS_QUEUE_URL"},
        {{"--queue-url", "ftp://x", NULL}, "http://"},
        {{"--queue-url", "ftp://user:secret@x", NULL}, "ftp://***@x"},
        {{"--queue-url", "https://user:secret@h/q?x", NULL}, "https://***@h/q?x"},
        {{"--queue-url=http://h/q", "http://user:secret@h/q", NULL}, "\"http://***@h/q\""},
        {{"--queue-url", "http://h", NULL}, "queue name"},
        {{"--queue-url=http://h/q", "--handler", "bogus", NULL}, "payment, noop"},
        {{"--queue-url=http://h/q", "--threads", "0", NULL}, "threads"},
        {{"--queue-url=http://h/q", "--visibility-timeout", "2500ms", NULL}, "whole seconds"},
        {{"--queue-url=http://h/q", "--visibility-timeout", "1s", NULL}, "visibility"},
        {{"--queue-url=http://h/q", "--wait-time", "21s", NULL}, "wait"},
        {{"--queue-url=http://h/q", "--stack-size", "10KiB", NULL}, "--stack-size 10KiB"},
        {{"--queue-url=http://h/q", "--sns", "maybe", NULL}, "sns"},
        {{"--queue-url=http://h/q", "--payment-slots", "0", NULL}, "slots"},
        {{"--queue-url=http://h/q", "--handler=noop", "--ledger=x", NULL}, "ledger"},
        {{"--queue-url=http://h/q", "operand", NULL}, "operand"},
        {{"--queue-url=http://h/q", "--retry-delays", "1s,500ms", NULL}, "\"500ms\""},
        {{"--queue-url=http://h/q", "--max-receives", "5", NULL}, "--dlq-url"},
        {{"--queue-url=http://h/1/q", "--dlq-url", "http://h/1/q", NULL}, "another queue than q"},
        {{"--queue-url=http://h/q", "--dlq-url", "nonsense", NULL}, "--dlq-url"},
        {{"--queue-url=http://h/q.fifo", "--dlq-url", "http://h/dead", NULL}, "FIFO"},
        {{"--queue-url=http://h/q", "--dlq-url", "http://h/dead.fifo", NULL}, "standard"},
        {{"--queue-url=https://sqs.us-east-1.amazonaws.com/123456789012/q", "--dlq-url",
          "https://sqs.us-west-2.amazonaws.com/123456789012/dead", NULL},
         "region"},
    };
    clear_environment();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        ck_assert_msg(load(ROWS[i].args) == SETTINGS_WRONG, "row %zu was taken", i);
        ck_assert_msg(strstr(err.text, ROWS[i].want) != NULL, "row %zu: \"%s\" does not say \"%s\"", i,
                      err.text, ROWS[i].want);
        settings_clean_up(&settings);
    }
}
END_TEST

START_TEST(a_dead_letter_queue_and_delays_are_taken)
{
    clear_environment();
    ck_assert_msg(load(ARGS("--queue-url=http://h/1/q.fifo", "--dlq-url", "http://h/1/q-dead.fifo",
                            "--max-receives=3", "--retry-delays=4s,1h")) == SETTINGS_OK,
                  "%s", err.text);
    ck_assert(settings.fifo);
    ck_assert_int_eq(settings.max_receives, 3);
    ck_assert_int_eq(settings.retry.count, 2);
    ck_assert_int_eq(settings.retry.seconds[1], 3600);
    settings_clean_up(&settings);
}
END_TEST

START_TEST(a_wrong_environment_variable_is_named)
{
    clear_environment();
    (void)setenv("NUM_WORKERS", "many", 1);
    ck_assert_int_eq(load(ARGS("--queue-url=http://h/q")), SETTINGS_WRONG);
    ck_assert_ptr_nonnull(strstr(err.text, "NUM_WORKERS"));
    settings_clean_up(&settings);
    clear_environment();
}
END_TEST

START_TEST(sizes_by_table)
{
    static const struct {
        const char *text;
        int rc;
        size_t want;
    } ROWS[] = {{"256KiB", 0, 262144},
                {"1MiB", 0, 1048576},
                {"65536", 0, 65536},
                {"64MiB", 0, 67108864},
                {"65MiB", -1, 0},
                {"63KiB", -1, 0},
                {"", -1, 0},
                {"-1", -1, 0},
                {"256kb", -1, 0},
                {"1 MiB", -1, 0},
                {"99999999999999999999", -1, 0}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        size_t bytes = 0;
        ck_assert_int_eq(settings_parse_size(ROWS[i].text, &bytes), ROWS[i].rc);
        ck_assert_uint_eq(bytes, ROWS[i].want);
    }
}
END_TEST

START_TEST(help_lists_every_option_and_handler)
{
    struct strbuf text = STRBUF_INIT;
    ck_assert_int_eq(load(ARGS("--help")), SETTINGS_HELP);
    settings_clean_up(&settings);
    settings_help(&text);
    static const char *const WANT[] = {"--queue-url", "--ledger", "--stack-size", "Handler noop",
                                       "NUM_WORKERS"};
    for (size_t i = 0; i < sizeof WANT / sizeof *WANT; i++)
        ck_assert_ptr_nonnull(strstr(strbuf_str(&text), WANT[i]));
    strbuf_clean_up(&text);
}
END_TEST

/* The manual pages name every option that --help lists. */
START_TEST(the_manual_names_every_option)
{
    struct strbuf help = STRBUF_INIT;
    struct strbuf manual = STRBUF_INIT;
    ck_assert_int_eq(file_read(TEST_SOURCE_DIR "/../../../docs/worker.md", 1 << 20, &manual, &err), 0);
    ck_assert_int_eq(file_read(TEST_SOURCE_DIR "/../../../docs/handlers.md", 1 << 20, &manual, &err), 0);
    settings_help(&help);
    int options = 0;
    for (const char *at = strstr(strbuf_str(&help), "\n  --"); at != NULL; at = strstr(at + 1, "\n  --")) {
        char name[64] = "";
        (void)snprintf(name, sizeof name, "`%.*s`", (int)strcspn(at + 3, " "), at + 3);
        if (strcmp(name, "`--help`") == 0 || strcmp(name, "`--version`") == 0)
            continue;
        ck_assert_msg(strstr(strbuf_str(&manual), name) != NULL,
                      "neither docs/worker.md nor handlers.md names %s", name);
        options++;
    }
    ck_assert_int_ge(options, 13);
    strbuf_clean_up(&help);
    strbuf_clean_up(&manual);
}
END_TEST

UNIT_MAIN("settings", defaults_are_those_of_the_contract, the_command_line_wins_over_the_environment,
          wrong_settings_are_refused_by_name, a_dead_letter_queue_and_delays_are_taken,
          a_wrong_environment_variable_is_named, the_environment_says_where_metrics_are_served,
          sizes_by_table, help_lists_every_option_and_handler, the_manual_names_every_option)
