/* sluice doctor: what this host has at AWS for a configuration, and what is missing. */
#include "supervisor/commands.h"

#include "base/exitcode.h"
#include "base/jsonw.h"
#include "supervisor/config.h"
#include "supervisor/doctor.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct doctor_options {
    char *config;
    char *fleet;
    bool json;
};

static const struct option_row ROWS[] = {
    {"config", OPTION_STRING, offsetof(struct doctor_options, config), NULL, 0, 0, NULL, "FILE",
     "try what this configuration needs; without it: credentials, region and clock"},
    {"fleet", OPTION_STRING, offsetof(struct doctor_options, fleet), NULL, 0, 0, NULL, "NAME",
     "only this fleet of the configuration"},
    {"json", OPTION_BOOL, offsetof(struct doctor_options, json), "false", 0, 0, NULL, NULL, "print JSON"},
    OPTION_END,
};

const struct command_spec CMD_DOCTOR_SPEC = {
    .name = "doctor",
    .summary =
        "Says where the credentials come from and why other sources are not used, who they are, whether the\n"
        "clock is right, which endpoints answer, and whether each permission that the configuration needs "
        "is\n"
        "there. Tries the calls themselves, made so that they change nothing. Prints no secrets.",
    .rows = ROWS,
    .details =
        "Exit codes: 0 all is well, also with warnings; 1 something failed; 64 usage; 78 the configuration "
        "is\n"
        "not valid.\n",
};

static void print_json(const struct doctor_report *report)
{
    struct strbuf out = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&out);
    jsonw_object(&w);
    jsonw_key_bool(&w, "ok", doctor_count(report, DOCTOR_FAILED) == 0);
    jsonw_key(&w, "findings");
    jsonw_array(&w);
    for (size_t i = 0; i < report->count; i++) {
        const struct doctor_line *line = &report->lines[i];
        jsonw_object(&w);
        jsonw_key_str(&w, "area", line->area);
        jsonw_key_str(&w, "fleet", line->fleet);
        jsonw_key_str(&w, "name", line->name);
        jsonw_key_str(&w, "outcome", doctor_outcome_name(line->outcome));
        jsonw_key_str(&w, "text", line->text);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    (void)printf("%s\n", strbuf_str(&out));
    strbuf_clean_up(&out);
}

static void print_words(const struct doctor_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct doctor_line *line = &report->lines[i];
        (void)printf("%-8s %-11s %s%s%s%s%s\n", doctor_outcome_name(line->outcome), line->area,
                     line->fleet != NULL ? line->fleet : "", line->fleet != NULL ? ": " : "", line->name,
                     line->name[0] != '\0' ? ": " : "", line->text);
    }
    size_t failed = doctor_count(report, DOCTOR_FAILED);
    size_t warned = doctor_count(report, DOCTOR_WARNING);
    if (failed == 0 && warned == 0)
        (void)printf("all is well\n");
    else
        (void)printf("%zu failed, %zu warning%s\n", failed, warned, warned == 1 ? "" : "s");
}

/* 0, or the exit code of an error that was told. */
static int find_fleet(const struct config *config, const char *name, const struct config_fleet **ret_fleet)
{
    *ret_fleet = NULL;
    for (size_t i = 0; name != NULL && i < config->fleet_count; i++)
        if (strcmp(config->fleets[i].name, name) == 0)
            *ret_fleet = &config->fleets[i];
    if (name != NULL && *ret_fleet == NULL)
        return command_fail(CMD_DOCTOR_SPEC.name, EXIT_CODE_USAGE, "--fleet %s: %s has no fleet of that name",
                            name, config->path);
    return 0;
}

static int examine(const struct doctor_options *options)
{
    struct config config = {.path = NULL};
    struct doctor_report report = {.lines = NULL};
    const struct config_fleet *fleet = NULL;
    struct err err = {.text = ""};
    if (options->config == NULL && options->fleet != NULL)
        return command_fail(CMD_DOCTOR_SPEC.name, EXIT_CODE_USAGE, "--fleet needs --config FILE");
    if (options->config != NULL && config_load(options->config, &config, &err) != 0)
        return command_fail(CMD_DOCTOR_SPEC.name, EXIT_CODE_CONFIG, "%s", err.text);
    int exit_code = find_fleet(&config, options->fleet, &fleet);
    if (exit_code == 0) {
        doctor_run(options->config != NULL ? &config : NULL, fleet, &report);
        (options->json ? print_json : print_words)(&report);
        exit_code = doctor_count(&report, DOCTOR_FAILED) > 0 ? EXIT_CODE_NO : EXIT_CODE_OK;
    }
    doctor_report_clean_up(&report);
    config_clean_up(&config);
    return exit_code;
}

int cmd_doctor(int argc, char **argv)
{
    struct doctor_options options = {.config = NULL};
    int exit_code = command_parse(&CMD_DOCTOR_SPEC, &options, argc, argv, NULL, NULL);
    if (exit_code == COMMAND_GO_ON)
        exit_code = examine(&options);
    options_clean_up(ROWS, &options);
    return exit_code;
}
