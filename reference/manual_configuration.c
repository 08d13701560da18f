/* sluice.json(5), from the tables that the configuration is read by; see manual.h. */
#include "reference/manual.h"

#include "policies/controller.h"
#include "policies/policy.h"
#include "reference/roff.h"
#include "supervisor/config.h"

static const char EXAMPLE[] =
    "{\n"
    "  \"fleets\": [\n"
    "    {\n"
    "      \"name\": \"orders\",\n"
    "      \"queue\": { \"url\": \"https://sqs.us-west-2.amazonaws.com/123456789012/orders\" },\n"
    "      \"capacity\": { \"min\": 2, \"max\": 30 },\n"
    "      \"fleet\": { \"type\": \"local\", \"command\": [\"sluice-worker\", \"--handler\", \"payment\"] }\n"
    "    }\n"
    "  ]\n"
    "}\n";

/* The objects of the file, in the order in which a reader meets them. */
static const struct {
    const char *path;
    const char *help;
    const struct option_row *rows;
} OBJECTS[] = {
    {"Top level",
     "fleets is an array of 1 to 10000 fleets. Beside it and the objects below:", CONFIG_TOP_ROWS},
    {"admin", "The socket that sluice status and orders use, and an address for what reads.",
     CONFIG_ADMIN_ROWS},
    {"telemetry", "Where tasks of ECS fleets post theirs.", CONFIG_TELEMETRY_ROWS},
    {"log", "The supervisor's own log, on standard error. The environment wins.", CONFIG_LOG_ROWS},
    {"ha", "Two supervisors, of which one leads.", CONFIG_HA_ROWS},
    {"metrics.cloudwatch, metrics.emf", "What is published, and how; {} for the defaults.",
     CONFIG_METRICS_ROWS},
    {"api_budget, fleets[].api_budget", "What polling may take: all fleets, or one.", CONFIG_BUDGET_ROWS},
    {"fleets[]", "Its objects queue and fleet are required.", CONFIG_FLEET_ROWS},
    {"fleets[].queue", "Exactly one of url and name.", CONFIG_QUEUE_ROWS},
    {"fleets[].queue.cloudwatch", "Whether CloudWatch is asked for the queue, too.", CONFIG_CLOUDWATCH_ROWS},
    {"fleets[].capacity", "Limits of the fleet.", CAPACITY_ROWS},
    {"fleets[].policy", "type is the policy; for each of them:", CONTROLLER_ROWS},
    {"fleets[].fleet, type local",
     "command is an array of words, the program first; env an object of names and strings on top of the "
     "supervisor's environment.",
     CONFIG_LOCAL_ROWS},
    {"fleets[].fleet, type ecs", "Tasks of an ECS service.", CONFIG_ECS_ROWS},
};

static void object(const char *path, const char *help, const struct option_row *rows, struct strbuf *out)
{
    roff_part(path, out);
    roff_text(help, out);
    for (; rows->name != NULL; rows++)
        roff_key(rows, out);
}

void manual_configuration(const char *date, struct strbuf *out)
{
    roff_begin("sluice.json", "5", date, "configuration of the fleets that sluice run supervises", out);
    roff_section("DESCRIPTION", out);
    roff_text(
        "One JSON file, given with --config. It is checked as a whole before any of it is used; sluice check "
        "does the same check. Durations are strings with units: \"500ms\", \"60s\", \"1h30m\". Unknown keys, "
        "keys "
        "that stand twice, wrong types and values out of range are errors. A change of the file takes a "
        "restart.\n",
        out);
    roff_section("EXAMPLE", out);
    roff_lines(EXAMPLE, out);
    roff_section("SETTINGS", out);
    for (size_t i = 0; i < sizeof OBJECTS / sizeof OBJECTS[0]; i++)
        object(OBJECTS[i].path, OBJECTS[i].help, OBJECTS[i].rows, out);
    for (const struct policy *const *each = policy_list(); *each != NULL; each++) {
        struct strbuf path = STRBUF_INIT;
        strbuf_appendf(&path, "fleets[].policy, type %s", (*each)->name);
        object(strbuf_str(&path), (*each)->help, (*each)->params, out);
        for (const char *const *key = (*each)->extra_params; key != NULL && *key != NULL; key++)
            roff_entry(*key, NULL, "see docs/policies.md", out);
        strbuf_clean_up(&path);
    }
    roff_section("SEE ALSO", out);
    strbuf_append_str(out, ".BR sluice\\-run (1),\n.BR sluice\\-check (1)\n");
}
