/* Option tables: text, command lines, environment, JSON, help and dumps. */
#include "tests/unit/unit.h"

#include "base/options.h"
#include "base/options_json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sample {
    int64_t speed;
    double share;
    bool chaos;
    int64_t grace_ms;
    char *report;
    int form;
};

static const char *const FORMS[] = {"plain", "json", NULL};

static const struct option_row ROWS[] = {
    {"speed", OPTION_INT, offsetof(struct sample, speed), "10", 1, 20, NULL, "N", "how many times as fast"},
    {"share", OPTION_DOUBLE, offsetof(struct sample, share), "0.5", 0, 1, NULL, "X", "share of envelopes"},
    {"chaos", OPTION_BOOL, offsetof(struct sample, chaos), "false", 0, 0, NULL, NULL, "kill things"},
    {"stop_grace", OPTION_DURATION, offsetof(struct sample, grace_ms), "30s", 1000, 3600000, NULL, "TIME",
     "how long a worker may drain"},
    {"report", OPTION_STRING, offsetof(struct sample, report), NULL, 0, 0, NULL, "FILE",
     "where the report goes"},
    {"form", OPTION_ENUM, offsetof(struct sample, form), "plain", 0, 0, FORMS, "FORM", "form of the output"},
    OPTION_END,
};

static struct sample defaults(void)
{
    struct sample sample = {0};
    options_set_defaults(ROWS, &sample);
    return sample;
}

START_TEST(defaults_are_the_tables)
{
    struct sample s = defaults();
    ck_assert_int_eq(s.speed, 10);
    ck_assert(s.share == 0.5);
    ck_assert(!s.chaos);
    ck_assert_int_eq(s.grace_ms, 30000);
    ck_assert_ptr_null(s.report);
    ck_assert_int_eq(s.form, 0);
}
END_TEST

START_TEST(bad_values_name_option_value_and_range)
{
    static const struct {
        const char *name, *text, *error;
    } BAD[] = {
        {"speed", "21", "speed: \"21\": want a whole number from 1 to 20"},
        {"speed", "0", "speed: \"0\": want a whole number from 1 to 20"},
        {"speed", "1.5", "speed: \"1.5\": want a whole number from 1 to 20"},
        {"speed", " 5", "speed: \" 5\": want a whole number from 1 to 20"},
        {"share", "1.1", "share: \"1.1\": want a number from 0 to 1"},
        {"share", "nan", "share: \"nan\": want a number from 0 to 1"},
        {"chaos", "maybe", "chaos: \"maybe\": want true or false"},
        {"stop_grace", "30",
         "stop_grace: \"30\": want a duration with a unit such as \"60s\" or \"5m\", from 1s to 1h"},
        {"stop_grace", "2h",
         "stop_grace: \"2h\": want a duration with a unit such as \"60s\" or \"5m\", from 1s to 1h"},
        {"form", "xml", "form: \"xml\": want one of plain, json"},
    };
    struct sample s = defaults();
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct err err;
        ck_assert_int_eq(options_set_text(options_find(ROWS, BAD[i].name), &s, BAD[i].text, &err), -1);
        ck_assert_str_eq(err.text, BAD[i].error);
    }
    struct sample untouched = defaults();
    ck_assert_mem_eq(&s, &untouched, sizeof s);
}
END_TEST

static int parse(struct sample *s, int argc, const char **argv, const char **operands, int *count,
                 struct err *err)
{
    return options_parse_args(ROWS, s, argc, (char **)(uintptr_t)argv, operands, count, err);
}

START_TEST(command_lines_take_all_forms)
{
    const char *argv[] = {"demo", "one",          "--speed", "20",   "--stop-grace=5s", "--chaos", "--form",
                          "json", "--report=a=b", "--",      "--two"};
    const char *operands[11];
    int count = 0;
    struct err err;
    struct sample s = defaults();
    ck_assert_int_eq(parse(&s, 11, argv, operands, &count, &err), 0);
    ck_assert_int_eq(s.speed, 20);
    ck_assert_int_eq(s.grace_ms, 5000);
    ck_assert(s.chaos);
    ck_assert_int_eq(s.form, 1);
    ck_assert_str_eq(s.report, "a=b");
    ck_assert_int_eq(count, 2);
    ck_assert_str_eq(operands[0], "one");
    ck_assert_str_eq(operands[1], "--two");
    const char *off[] = {"demo", "--no-chaos"};
    ck_assert_int_eq(parse(&s, 2, off, operands, &count, &err), 0);
    ck_assert(!s.chaos);
    options_clean_up(ROWS, &s);
}
END_TEST

START_TEST(command_lines_refuse_with_a_reason)
{
    static const struct {
        const char *arg1, *arg2, *error;
    } BAD[] = {
        {"--sped", NULL, "unknown option --sped"},
        {"-x", NULL, "unknown option -x"},
        {"--speed", NULL, "--speed wants a value"},
        {"--no-speed", NULL, "unknown option --no-speed"},
        {"--speed", "x", "command line: speed: \"x\": want a whole number from 1 to 20"},
        {"--no-chaos=1", NULL, "--no-chaos=1 takes no value"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        const char *argv[] = {"demo", BAD[i].arg1, BAD[i].arg2};
        const char *operands[3];
        int count = 0;
        struct err err;
        struct sample s = defaults();
        ck_assert_int_eq(parse(&s, BAD[i].arg2 != NULL ? 3 : 2, argv, operands, &count, &err), -1);
        ck_assert_str_eq(err.text, BAD[i].error);
    }
    const char *help[] = {"demo", "--help"};
    const char *operands[2];
    int count = 0;
    struct sample s = defaults();
    ck_assert_int_eq(parse(&s, 2, help, operands, &count, NULL), 1);
}
END_TEST

START_TEST(environment_is_read_by_prefix_and_empty_is_unset)
{
    struct err err;
    struct sample s = defaults();
    (void)setenv("UNIT_SPEED", "7", 1);
    (void)setenv("UNIT_STOP_GRACE", "", 1);
    ck_assert_int_eq(options_parse_env(ROWS, &s, "UNIT_", &err), 0);
    ck_assert_int_eq(s.speed, 7);
    ck_assert_int_eq(s.grace_ms, 30000);
    (void)setenv("UNIT_SPEED", "70", 1);
    ck_assert_int_eq(options_parse_env(ROWS, &s, "UNIT_", &err), -1);
    ck_assert_str_eq(err.text,
                     "environment variable UNIT_SPEED: speed: \"70\": want a whole number from 1 to 20");
    (void)unsetenv("UNIT_SPEED");
    (void)unsetenv("UNIT_STOP_GRACE");
}
END_TEST

static int from_json(const char *text, struct sample *s, const char *const *also, struct err *err)
{
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(object);
    int rc = options_set_json(ROWS, s, object, "fleets[0].demo", also, err);
    json_decref(object);
    return rc;
}

START_TEST(json_sets_fields_and_knows_extra_keys)
{
    static const char *const ALSO[] = {"steps", NULL};
    struct err err;
    struct sample s = defaults();
    ck_assert_int_eq(
        from_json("{\"speed\":3,\"share\":1,\"chaos\":true,\"stop_grace\":\"1m\",\"form\":\"json\","
                  "\"report\":\"r.json\",\"steps\":[]}",
                  &s, ALSO, &err),
        0);
    ck_assert_int_eq(s.speed, 3);
    ck_assert(s.share == 1.0 && s.chaos);
    ck_assert_int_eq(s.grace_ms, 60000);
    ck_assert_str_eq(s.report, "r.json");
    options_clean_up(ROWS, &s);
}
END_TEST

START_TEST(json_refuses_with_path_key_value_and_range)
{
    static const struct {
        const char *json, *error;
    } BAD[] = {
        {"[]", "fleets[0].demo: want an object"},
        {"{\"sped\":1}", "fleets[0].demo.sped: unknown key"},
        {"{\"stop-grace\":\"1s\"}", "fleets[0].demo.stop-grace: unknown key"},
        {"{\"speed\":\"3\"}", "fleets[0].demo.speed: \"3\": want a whole number from 1 to 20"},
        {"{\"speed\":30}", "fleets[0].demo.speed: 30: want a whole number from 1 to 20"},
        {"{\"stop_grace\":30}",
         "fleets[0].demo.stop_grace: 30: want a duration with a unit such as \"60s\" or "
         "\"5m\", from 1s to 1h"},
        {"{\"stop_grace\":\"0\"}", "fleets[0].demo.stop_grace: \"0\": want a duration with a unit such as "
                                   "\"60s\" or \"5m\", from 1s to 1h"},
        {"{\"chaos\":1}", "fleets[0].demo.chaos: 1: want true or false"},
        {"{\"form\":null}", "fleets[0].demo.form: null: want one of plain, json"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct err err;
        struct sample s = defaults();
        ck_assert_int_eq(from_json(BAD[i].json, &s, NULL, &err), -1);
        ck_assert_str_eq(err.text, BAD[i].error);
    }
}
END_TEST

START_TEST(a_dump_reads_back_the_same)
{
    struct sample s = defaults();
    struct sample back = defaults();
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    struct err err;
    s.speed = 13;
    s.grace_ms = 90000;
    s.report = strdup("x\"y");
    s.form = 1;
    jsonw_object(&w);
    options_dump(ROWS, &s, &w);
    jsonw_end_object(&w);
    ck_assert_str_eq(text.data, "{\"speed\":13,\"share\":0.5,\"chaos\":false,\"stop_grace\":\"1m30s\","
                                "\"report\":\"x\\\"y\",\"form\":\"json\"}");
    ck_assert_int_eq(from_json(text.data, &back, NULL, &err), 0);
    ck_assert_int_eq(back.grace_ms, 90000);
    struct sample copy = {0};
    options_copy(ROWS, &copy, &back);
    ck_assert_str_eq(copy.report, "x\"y");
    ck_assert_ptr_ne(copy.report, back.report);
    options_clean_up(ROWS, &copy);
    options_clean_up(ROWS, &back);
    options_clean_up(ROWS, &s);
    strbuf_clean_up(&text);
}
END_TEST

START_TEST(help_lists_every_row_with_range_and_default)
{
    struct strbuf help = STRBUF_INIT;
    options_help(ROWS, &help);
    ck_assert_ptr_nonnull(strstr(
        help.data,
        "  --speed N                    how many times as fast (a whole number from 1 to 20; default 10)\n"));
    ck_assert_ptr_nonnull(strstr(help.data, "  --chaos                      kill things\n"));
    ck_assert_ptr_nonnull(strstr(help.data, "--stop-grace TIME"));
    strbuf_clean_up(&help);
}
END_TEST

UNIT_MAIN("options", defaults_are_the_tables, bad_values_name_option_value_and_range,
          command_lines_take_all_forms, command_lines_refuse_with_a_reason,
          environment_is_read_by_prefix_and_empty_is_unset, json_sets_fields_and_knows_extra_keys,
          json_refuses_with_path_key_value_and_range, a_dump_reads_back_the_same,
          help_lists_every_row_with_range_and_default)
