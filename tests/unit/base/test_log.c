/* Log lines in both forms, read back from a pipe in place of stderr. */
#include "tests/unit/unit.h"

#include "base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static char captured[8192];

/* Runs fn with stderr in a pipe; the text is in captured afterwards. */
static void capture(void (*fn)(void))
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    (void)dup2(ends[1], STDERR_FILENO);
    fn();
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(ends[1]);
    ssize_t got = read(ends[0], captured, sizeof captured - 1);
    captured[got > 0 ? got : 0] = '\0';
    (void)close(ends[0]);
}

static void one_of_each(void)
{
    LOG(LOG_DEBUG, "not shown");
    LOG(LOG_INFO, "worker ready", LOG_STR("worker", "orders-7"), LOG_INT("threads", 100),
        LOG_DBL("share", 0.5), LOG_BOOL("sns", true), LOG_STR("none", NULL), LOG_STR("text", "a \"b\"\nc"));
}

START_TEST(plain_lines_are_key_value)
{
    log_init("sluice", LOG_INFO, LOG_PLAIN);
    capture(one_of_each);
    char *rest = strstr(captured, " info ");
    ck_assert_ptr_nonnull(rest);
    ck_assert_str_eq(rest, " info sluice: worker ready worker=orders-7 threads=100 share=0.5 sns=true none=- "
                           "text=\"a \\\"b\\\"\\nc\"\n");
}
END_TEST

START_TEST(json_lines_are_one_object)
{
    log_init("sluice-worker", LOG_INFO, LOG_JSON);
    capture(one_of_each);
    json_t *line = json_loads(captured, 0, NULL);
    ck_assert_ptr_nonnull(line);
    ck_assert_str_eq(json_string_value(json_object_get(line, "message")), "worker ready");
    ck_assert_str_eq(json_string_value(json_object_get(line, "level")), "info");
    ck_assert_str_eq(json_string_value(json_object_get(line, "text")), "a \"b\"\nc");
    ck_assert_int_eq(json_integer_value(json_object_get(line, "threads")), 100);
    ck_assert(json_is_null(json_object_get(line, "none")));
    json_decref(line);
}
END_TEST

START_TEST(settings_come_from_the_environment_or_are_refused)
{
    struct err err;
    (void)setenv("SLUICE_LOG_LEVEL", "loud", 1);
    ck_assert_int_eq(log_init_from_env("x", &err), -1);
    ck_assert_str_eq(err.text, "SLUICE_LOG_LEVEL=loud: want debug, info, warning or error");
    (void)setenv("SLUICE_LOG_LEVEL", "error", 1);
    (void)setenv("SLUICE_LOG_FORMAT", "xml", 1);
    ck_assert_int_eq(log_init_from_env("x", &err), -1);
    ck_assert_str_eq(err.text, "SLUICE_LOG_FORMAT=xml: want plain or json");
    (void)setenv("SLUICE_LOG_FORMAT", "json", 1);
    ck_assert_int_eq(log_init_from_env("x", &err), 0);
    ck_assert(!log_enabled(LOG_WARNING));
    capture(one_of_each);
    ck_assert_str_eq(captured, "");
}
END_TEST

static void controls(void)
{
    LOG(LOG_INFO, "a\x1b[2Jb", LOG_STR("escape", "\x1b[31m"), LOG_STR("delete", "x\x7f"),
        LOG_STR("c1", "\xC2\x9b"
                      "2J"),
        LOG_STR("fine", "\xC3\xA9"));
}

START_TEST(nothing_that_a_terminal_obeys_passes_through)
{
    log_init("sluice", LOG_INFO, LOG_PLAIN);
    capture(controls);
    ck_assert_str_eq(strstr(captured, " info "),
                     " info sluice: a\\u001b[2Jb escape=\"\\u001b[31m\" delete=\"x\\u007f\" "
                     "c1=\"\\u009b2J\" fine=\xC3\xA9\n");
}
END_TEST

static char g_long[10000];

static void long_line(void)
{
    LOG(LOG_INFO, "long", LOG_STR("first", g_long), LOG_INT("second", 2), LOG_STR("third", g_long));
}

static void long_message(void)
{
    LOG(LOG_INFO, g_long, LOG_STR("worker", "orders-7"));
}

START_TEST(a_line_is_cut_to_what_a_pipe_takes_in_one_piece)
{
    static const char *const FILL[] = {"x", "\"", "\xC3\xA9", "\x01"};
    void (*const lines[])(void) = {long_line, long_message};
    for (size_t i = 0; i < sizeof FILL / sizeof FILL[0] * 4; i++) {
        size_t unit = strlen(FILL[i / 4]);
        for (size_t at = 0; at + unit < sizeof g_long; at += unit)
            memcpy(g_long + at, FILL[i / 4], unit + 1);
        bool json = i % 2 == 0;
        log_init("sluice", LOG_INFO, json ? LOG_JSON : LOG_PLAIN);
        capture(lines[i / 2 % 2]);
        size_t len = strlen(captured);
        ck_assert_uint_gt(len, 1000);
        ck_assert_uint_le(len, 4096);
        ck_assert_ptr_eq(strchr(captured, '\n'), captured + len - 1);
        if (!json)
            continue;
        json_error_t error;
        json_t *line = json_loads(captured, 0, &error);
        ck_assert_msg(line != NULL, "%s: %.200s", error.text, captured);
        json_decref(line);
    }
}
END_TEST

START_TEST(a_full_stderr_drops_lines_and_counts_them_but_never_waits)
{
    int ends[2];
    char *drained = malloc(1 << 20);
    log_init("sluice", LOG_INFO, LOG_JSON);
    ck_assert_ptr_nonnull(drained);
    ck_assert_int_eq(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    (void)dup2(ends[1], STDERR_FILENO);
    uint64_t before = log_dropped();
    int written = 0;
    /* A write that waits would wait for ever: this ends the program then, and it alone (libcheck's handler
     * kills the process group). */
    (void)signal(SIGALRM, SIG_DFL);
    (void)alarm(15);
    for (; log_dropped() < before + 100 && written < 1000000; written++)
        one_of_each();
    (void)alarm(0);
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(ends[1]);
    ck_assert_uint_eq(log_dropped(), before + 100);
    ck_assert_int_eq(flags & O_NONBLOCK, 0);
    /* What got through is whole lines. */
    size_t len = 0;
    for (ssize_t got = 0; (got = read(ends[0], drained + len, (1 << 20) - 1 - len)) > 0;)
        len += (size_t)got;
    drained[len] = '\0';
    int lines = 0;
    for (const char *at = drained; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    ck_assert_int_eq(lines, written - 100);
    ck_assert_int_eq(drained[len - 1], '\n');
    (void)close(ends[0]);
    free(drained);
}
END_TEST

UNIT_MAIN("log", nothing_that_a_terminal_obeys_passes_through,
          a_line_is_cut_to_what_a_pipe_takes_in_one_piece,
          a_full_stderr_drops_lines_and_counts_them_but_never_waits, plain_lines_are_key_value,
          json_lines_are_one_object, settings_come_from_the_environment_or_are_refused)
