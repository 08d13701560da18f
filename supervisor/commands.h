/*
 * The operator's commands. Each is one function in a file of its own (cmd_run.c ...), called by main() with
 * the arguments from its own name on, so argv[0] is "run". It returns the program's exit code
 * (base/exitcode.h). Before it is called, the clock and the log are set up from the environment and SIGPIPE
 * is ignored.
 *
 * The table of commands is in command_table.c; a command without a row does not exist for the user.
 */
#ifndef SLUICE_SUPERVISOR_COMMANDS_H
#define SLUICE_SUPERVISOR_COMMANDS_H

#include "base/options.h"

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_health(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_scale(int argc, char **argv);
int cmd_pause(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_measure(int argc, char **argv);
int cmd_measure_naive(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* What a command's --help says, and how its command line reads. */
struct command_spec {
    const char *name;
    const char *operands;          /* after the options in the usage line: "[FILE]"; NULL: takes none */
    const char *summary;           /* a sentence or two */
    const struct option_row *rows; /* its options */
    const char *details;           /* further paragraphs and exit codes, ending in a newline; NULL: none */
    int max_operands;
};

extern const struct command_spec CMD_RUN_SPEC;
extern const struct command_spec CMD_CHECK_SPEC;
extern const struct command_spec CMD_DOCTOR_SPEC;
extern const struct command_spec CMD_STATUS_SPEC;
extern const struct command_spec CMD_HEALTH_SPEC;
extern const struct command_spec CMD_EXPLAIN_SPEC;
extern const struct command_spec CMD_SCALE_SPEC;
extern const struct command_spec CMD_PAUSE_SPEC;
extern const struct command_spec CMD_RESUME_SPEC;
extern const struct command_spec CMD_LOAD_SPEC;
extern const struct command_spec CMD_DEMO_SPEC;
extern const struct command_spec CMD_PLAN_SPEC;
extern const struct command_spec CMD_MEASURE_SPEC;
extern const struct command_spec CMD_MEASURE_NAIVE_SPEC;
extern const struct command_spec CMD_VERSION_SPEC;

struct command {
    const struct command_spec *spec;
    const char *help; /* one line; NULL: not listed */
    int (*fn)(int argc, char **argv);
};

/* All commands, ended by one whose spec is NULL. */
const struct command *command_all(void);

enum { COMMAND_GO_ON = -1 };

/* Fills target with the defaults of spec->rows, then with the command line. operands has room for
 * spec->max_operands entries (may be NULL when that is 0). Returns COMMAND_GO_ON; or, when there is nothing
 * more to do, the exit code: 0 after
 * --help was printed to stdout, 64 after an error was printed to stderr. Either way the caller frees target
 * with options_clean_up(). */
int command_parse(const struct command_spec *spec, void *target, int argc, char **argv, const char **operands,
                  int *ret_operand_count);

/* Prints "sluice COMMAND: text" to stderr and returns exit_code, so that a command can `return
 * command_fail(...)`. */
int command_fail(const char *command, int exit_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
