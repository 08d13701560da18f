/* Log lines in both forms, read back from a pipe in place of stderr. */
#include "tests/unit/unit.h"

#include "base/log.h"

#include <jansson.h>
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

UNIT_MAIN("log", plain_lines_are_key_value, json_lines_are_one_object,
          settings_come_from_the_environment_or_are_refused)
