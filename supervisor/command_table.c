/* The table of commands: what sluice can do, for its main program, its pages and its completions. */
#include "supervisor/commands.h"

static const struct command COMMANDS[] = {
    {&CMD_RUN_SPEC, "supervise the fleets of a configuration file until told to stop", cmd_run},
    {&CMD_CHECK_SPEC, "check a configuration file, and whether this host and the queue fit it", cmd_check},
    {&CMD_DOCTOR_SPEC, "say which credentials, endpoints and permissions there are, and what is missing",
     cmd_doctor},
    {&CMD_STATUS_SPEC, "show what a running supervisor sees and does", cmd_status},
    {&CMD_HEALTH_SPEC, "tell whether a running supervisor is alive, or ready", cmd_health},
    {&CMD_EXPLAIN_SPEC, "tell why a fleet has the size it has, and its last changes", cmd_explain},
    {&CMD_SCALE_SPEC, "pin a fleet at a number of workers for a time", cmd_scale},
    {&CMD_PAUSE_SPEC, "let a fleet's policy change nothing for a time", cmd_pause},
    {&CMD_RESUME_SPEC, "end what scale or pause ordered", cmd_resume},
    {&CMD_LOAD_SPEC, "send orders to a queue at a steady rate", cmd_load},
    {&CMD_DEMO_SPEC, "run the flash sale on a local endpoint and account for every order", cmd_demo},
    {&CMD_PLAN_SPEC, "compute workers, cost and backlog for a rate", cmd_plan},
    {&CMD_MEASURE_SPEC, "measure one worker draining a backlog, beside what its slots allow", cmd_measure},
    {&CMD_MEASURE_NAIVE_SPEC, NULL, cmd_measure_naive}, /* a part of measure, not a command for people */
    {&CMD_VERSION_SPEC, "show the version", cmd_version},
    {.spec = NULL},
};

const struct command *command_all(void)
{
    return COMMANDS;
}
