/* The warnings of "sluice check", judged on invented facts. */
#include "tests/unit/unit.h"

#include "supervisor/preflight.h"

#include <stdio.h>

static const char TEXT[] =
    "{\"fleets\":[{\"name\":\"a\",\"queue\":{\"name\":\"q\"},\"capacity\":{\"min\":2,\"max\":30},"
    "\"fleet\":{\"command\":[\"true\"],\"env\":{\"NUM_WORKERS\":\"100\"}}},"
    "{\"name\":\"b\",\"queue\":{\"name\":\"q\"},\"capacity\":{\"min\":1,\"max\":4},"
    "\"fleet\":{\"command\":[\"true\"],\"env\":{\"NUM_WORKERS\":\"12\"}}}]}";

/* 30 x 108 + 4 x 20 threads; 256 KiB of stack each; 2 x 34 x 3 + 64 files. */
enum { THREADS = 3320, FILES = 268 };
static const int64_t STACKS = (int64_t)THREADS * 256 * 1024;
#define SUM "30 workers x (100 + 8) threads + 4 workers x (12 + 8) threads"

static const struct host_facts ROOMY = {.nproc = THREADS,
                                        .nofile = FILES,
                                        .pids_max = THREADS,
                                        .memory_max = -1,
                                        .mem_available = INT64_C(1) << 40};

static struct config parse(void)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    ck_assert_msg(config_parse("f.json", TEXT, strlen(TEXT), &config, &err) == 0, "%s", err.text);
    return config;
}

/* The one warning these facts give, or "" for none. */
static const char *warning_of(struct host_facts facts, char *code)
{
    static char text[512];
    struct config config = parse();
    struct warnings warnings = {.list = NULL};
    preflight_host(&config, &facts, &warnings);
    ck_assert_uint_le(warnings.count, 1);
    (void)snprintf(text, sizeof text, "%s", warnings.count == 1 ? warnings.list[0].text : "");
    (void)snprintf(code, 32, "%s", warnings.count == 1 ? warnings.list[0].code : "");
    warnings_clean_up(&warnings);
    config_clean_up(&config);
    return text;
}

START_TEST(a_host_with_just_enough_gives_no_warning)
{
    char code[32];
    struct host_facts facts = ROOMY;
    ck_assert_str_eq(warning_of(facts, code), "");
    facts.memory_max = STACKS;
    facts.mem_available = STACKS;
    ck_assert_str_eq(warning_of(facts, code), "");
    /* Unknown or unlimited is no reason to warn. */
    ck_assert_str_eq(warning_of((struct host_facts){-1, -1, -1, -1, -1}, code), "");
}
END_TEST

START_TEST(one_less_of_anything_is_a_warning_with_the_arithmetic)
{
    char code[32];
    struct host_facts facts = ROOMY;
    facts.nproc = THREADS - 1;
    ck_assert_str_eq(warning_of(facts, code),
                     "the limit of processes and threads (RLIMIT_NPROC, ulimit -u) is 3319; " SUM " = 3320");
    ck_assert_str_eq(code, "nproc");
    facts = ROOMY;
    facts.pids_max = THREADS - 1;
    ck_assert_str_eq(warning_of(facts, code), "the control group's pids.max is 3319; " SUM " = 3320");
    ck_assert_str_eq(code, "pids_max");
    facts = ROOMY;
    facts.memory_max = STACKS - 1;
    ck_assert_str_eq(warning_of(facts, code),
                     "the control group's memory.max is 829 MiB; " SUM
                     " x 256 KiB of stack = 830 MiB if every stack is used to its end");
    ck_assert_str_eq(code, "memory_max");
    facts = ROOMY;
    facts.mem_available = STACKS - 1;
    ck_assert_str_eq(warning_of(facts, code),
                     "available memory (MemAvailable) is 829 MiB; " SUM
                     " x 256 KiB of stack = 830 MiB if every stack is used to its end");
    ck_assert_str_eq(code, "memory");
    facts = ROOMY;
    facts.nofile = FILES - 1;
    ck_assert_str_eq(
        warning_of(facts, code),
        "the limit of open files (RLIMIT_NOFILE, ulimit -n) is 267; 2 x 34 workers, running and draining, "
        "x 3 files + 64 of the supervisor = 268");
    ck_assert_str_eq(code, "nofile");
}
END_TEST

/* Warnings of shared queues for two fleets with these settings. */
static size_t shared_of(const char *first, const char *second)
{
    struct config config;
    struct warnings warnings = {.list = NULL};
    struct err err = {.text = ""};
    struct strbuf text = STRBUF_INIT;
    strbuf_appendf(&text,
                   "{\"fleets\":[{\"name\":\"a\",%s,\"fleet\":{\"command\":[\"x\"]}},"
                   "{\"name\":\"b\",%s,\"fleet\":{\"command\":[\"x\"]}}]}",
                   first, second);
    ck_assert_msg(config_parse("f.json", text.data, text.len, &config, &err) == 0, "%s", err.text);
    preflight_shared_queues(&config, &warnings);
    size_t count = warnings.count;
    if (count > 0) {
        ck_assert_str_eq(warnings.list[0].code, "shared_queue");
        ck_assert_str_eq(warnings.list[0].fleet, "b");
        ck_assert_str_eq(warnings.list[0].text,
                         "fleet a has the same queue: both grow for the same messages");
    }
    warnings_clean_up(&warnings);
    config_clean_up(&config);
    strbuf_clean_up(&text);
    return count;
}

START_TEST(two_fleets_on_one_queue_are_a_warning)
{
    static const char URL[] = "\"queue\":{\"url\":\"http://h/1/q\"}";
    static const char NAME[] = "\"queue\":{\"name\":\"q\"}";
    ck_assert_uint_eq(shared_of(URL, URL), 1);
    ck_assert_uint_eq(shared_of(NAME, NAME), 1);
    ck_assert_uint_eq(shared_of(URL, NAME), 0);
    ck_assert_uint_eq(shared_of(NAME, "\"queue\":{\"name\":\"r\"}"), 0);
    ck_assert_uint_eq(shared_of(NAME, "\"region\":\"eu-west-1\",\"queue\":{\"name\":\"q\"}"), 0);
}
END_TEST

/* Codes of a queue's warnings, joined by blanks. */
static const char *codes_of(struct queue_facts facts)
{
    static char codes[256];
    struct config config = parse();
    struct warnings warnings = {.list = NULL};
    codes[0] = '\0';
    preflight_queue(&config.fleets[0], &facts, &warnings);
    for (size_t i = 0; i < warnings.count; i++) {
        ck_assert_str_eq(warnings.list[i].fleet, "a");
        size_t used = strlen(codes);
        (void)snprintf(codes + used, sizeof codes - used, "%s%s", i > 0 ? " " : "", warnings.list[i].code);
    }
    warnings_clean_up(&warnings);
    config_clean_up(&config);
    return codes;
}

START_TEST(a_queue_is_judged_by_its_redrive_policy_and_retention)
{
    struct queue_facts good = {.max_receive_count = 5,
                               .retention_s = 345600,
                               .dead_letter_arn = "arn:aws:sqs:us-west-2:123456789012:dead",
                               .dead_letter_retention_s = 345601};
    ck_assert_str_eq(codes_of(good), "");
    struct queue_facts facts = good;
    facts.max_receive_count = 4;
    ck_assert_str_eq(codes_of(facts), "max_receive_count");
    facts.dead_letter_retention_s = 345600;
    ck_assert_str_eq(codes_of(facts), "max_receive_count dead_letter_retention");
    facts = good;
    facts.dead_letter_retention_s = -1;
    (void)snprintf(facts.dead_letter_error, sizeof facts.dead_letter_error, "denied");
    ck_assert_str_eq(codes_of(facts), "dead_letter_queue");
    ck_assert_str_eq(codes_of((struct queue_facts){.max_receive_count = -1, .dead_letter_retention_s = -1}),
                     "no_dead_letter_queue");
}
END_TEST

START_TEST(the_number_of_handler_threads_comes_from_the_fleet_then_from_us_then_100)
{
    struct config config = parse();
    ck_assert_int_eq(preflight_num_workers(&config.fleets[1]), 12);
    config.fleets[1].local.env[0][0] = 'X';
    ck_assert_int_eq(unsetenv("NUM_WORKERS"), 0);
    ck_assert_int_eq(preflight_num_workers(&config.fleets[1]), 100);
    ck_assert_int_eq(setenv("NUM_WORKERS", "33", 1), 0);
    ck_assert_int_eq(preflight_num_workers(&config.fleets[1]), 33);
    ck_assert_int_eq(setenv("NUM_WORKERS", "many", 1), 0);
    ck_assert_int_eq(preflight_num_workers(&config.fleets[1]), 100);
    ck_assert_int_eq(unsetenv("NUM_WORKERS"), 0);
    config_clean_up(&config);
}
END_TEST

START_TEST(the_journals_growth_is_that_of_its_records)
{
    struct config config = parse();
    int64_t bytes = preflight_journal_bytes_a_day(&config.fleets[0]);
    ck_assert_int_eq(bytes % (24 * 3600 / 5), 0); /* a poll every 5 s */
    int64_t record = bytes / (24 * 3600 / 5);
    ck_assert_int_gt(record, 500);
    ck_assert_int_lt(record, 4000);
    config.fleets[0].queue.poll_ms = 1000;
    ck_assert_int_eq(preflight_journal_bytes_a_day(&config.fleets[0]), record * 24 * 3600);
    config_clean_up(&config);
}
END_TEST

UNIT_MAIN("preflight", a_host_with_just_enough_gives_no_warning,
          one_less_of_anything_is_a_warning_with_the_arithmetic, two_fleets_on_one_queue_are_a_warning,
          a_queue_is_judged_by_its_redrive_policy_and_retention,
          the_number_of_handler_threads_comes_from_the_fleet_then_from_us_then_100,
          the_journals_growth_is_that_of_its_records)
