/*
 * The exec handler: a program for each message, by argv and never through a shell. The message's body is its
 * standard input, its exit code the verdict. See docs/handlers.md.
 */
#include "worker/handlers.h"

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/process.h"
#include "worker/child_groups.h"
#include "worker/exec_env.h"
#include "worker/exec_run.h"
#include "worker/message.h"
#include "worker/output_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A shell's way to tell a signal as a code. */
enum { STATUS_OF_SIGNAL = 128 };

struct exec_options {
    int64_t timeout_ms;
    int64_t kill_after_ms;
    int64_t retry_code;
    int64_t retry_delay_ms;
    int64_t reject_code;
    int64_t slots;
};

#define AT(field) offsetof(struct exec_options, field)

static const struct option_row OPTIONS[] = {
    {"exec_timeout", OPTION_DURATION, AT(timeout_ms), "30s", 0, 43200000, NULL, "TIME",
     "what a program gets before TERM to its process group, 0 for no limit"},
    {"exec_kill_after", OPTION_DURATION, AT(kill_after_ms), "5s", 0, 3600000, NULL, "TIME",
     "from TERM to KILL"},
    {"exec_retry_code", OPTION_INT, AT(retry_code), "75", 0, 255, NULL, "N",
     "exit code for not now: visible again after --exec-retry-delay, 0 for none"},
    {"exec_retry_delay", OPTION_DURATION, AT(retry_delay_ms), "30s", 0, 43200000, NULL, "TIME",
     "whole seconds"},
    {"exec_reject_code", OPTION_INT, AT(reject_code), "65", 0, 255, NULL, "N",
     "exit code for never: to the DLQ at once where there is one, 0 for none"},
    {"exec_slots", OPTION_INT, AT(slots), "0", 0, 10000, NULL, "N",
     "programs at once, 0 for as many as threads"},
    OPTION_END,
};

static const struct option_row NO_ENVIRONMENT[] = {OPTION_END};

struct exec {
    const struct exec_options *options; /* not owned */
    const struct sluice_host *host;     /* not owned */
    char *program;                      /* owned */
    struct exec_env_base env;
    struct child_groups groups;
    struct output_rate rate;
    size_t file_limit; /* of the programs */
};

static int exec_check(const void *options, const char *const *arguments, size_t argument_count,
                      struct err *err)
{
    const struct exec_options *exec = options;
    if (argument_count == 0 || arguments[0][0] == '\0')
        return err_set(err, "--handler exec: want the program to run: -- PROGRAM [ARG]...");
    if (exec->retry_delay_ms % 1000 != 0)
        return err_set(err, "--exec-retry-delay: want whole seconds, SQS knows no less");
    if (exec->retry_code != 0 && exec->retry_code == exec->reject_code)
        return err_set(err,
                       "--exec-retry-code and --exec-reject-code are both %" PRId64 ": want two codes, or 0",
                       exec->retry_code);
    return 0;
}

static void *exec_open(const void *options, const struct sluice_host *host, struct err *err)
{
    char *program = child_find_program(host->arguments[0], err);
    if (program == NULL)
        return NULL;
    struct exec *exec = xcalloc(1, sizeof *exec);
    exec->options = options;
    exec->host = host;
    exec->program = program;
    exec_env_base_init(&exec->env, environ, host->queue_url);
    child_groups_init(&exec->groups);
    output_rate_init(&exec->rate, OUTPUT_RATE_PER_S);
    exec->file_limit = process_raise_file_limit(); /* a program takes half a dozen descriptors of ours */
    return exec;
}

static int64_t exec_limit(const void *instance)
{
    const struct exec *exec = instance;
    return exec->options->slots;
}

/* ---- one message ---- */

static void emit_line(void *arg, const char *line)
{
    const struct sluice_context *context = arg;
    context->log(context, SLUICE_LOG_INFO, line);
}

static void set_reason(const struct exec *exec, const struct exec_run_result *result,
                       const struct output_stream *last, const struct sluice_context *context)
{
    char limit[48];
    struct strbuf reason = STRBUF_INIT;
    if (result->end == EXEC_RUN_TIMEOUT)
        strbuf_appendf(&reason, "time limit of %s, then ", duration_format(exec->options->timeout_ms, limit));
    else if (result->end == EXEC_RUN_CANCELED)
        strbuf_append_str(&reason, "lease lost or worker leaving, then ");
    child_groups_describe(result->status, &reason);
    if (last->last.len > 0)
        strbuf_appendf(&reason, ": %s", strbuf_str(&last->last));
    if (reason.len > MESSAGE_REASON_MAX) {
        reason.len = output_cut(reason.data, reason.len, MESSAGE_REASON_MAX);
        reason.data[reason.len] = '\0';
    }
    context->set_reason(context, strbuf_str(&reason));
    context->set_status(context, WIFEXITED(result->status) ? WEXITSTATUS(result->status)
                                                           : STATUS_OF_SIGNAL + WTERMSIG(result->status));
    strbuf_clean_up(&reason);
}

static enum sluice_verdict not_started(const struct exec_run_result *result, const struct err *err,
                                       const struct sluice_context *context)
{
    context->set_reason(context, err->text);
    context->set_status(context, result->error);
    if (result->error == E2BIG)
        return SLUICE_FAILED; /* that is the message's doing */
    /* No process or descriptor to be had, or the program is just being replaced: the message is not to blame.
     */
    context->log(context, SLUICE_LOG_ERROR, err->text);
    return SLUICE_RETRY;
}

static enum sluice_verdict verdict_of(const struct exec *exec, const struct exec_run_result *result,
                                      const struct output_stream *last, const struct sluice_context *context)
{
    const struct exec_options *options = exec->options;
    if (result->end == EXEC_RUN_EXITED && WIFEXITED(result->status)) {
        int code = WEXITSTATUS(result->status);
        if (code == 0)
            return SLUICE_DONE;
        set_reason(exec, result, last, context);
        if (code == options->retry_code) {
            context->set_retry_delay(context, options->retry_delay_ms / 1000);
            return SLUICE_RETRY;
        }
        return code == options->reject_code ? SLUICE_REJECT : SLUICE_FAILED;
    }
    set_reason(exec, result, last, context);
    return SLUICE_FAILED;
}

static enum sluice_verdict run(struct exec *exec, const struct exec_env *env,
                               const struct sluice_message *message, const struct sluice_context *context)
{
    struct err err;
    struct output_budget budget = {
        .lines_left = OUTPUT_MESSAGE_LINES_MAX, .bytes_left = OUTPUT_MESSAGE_BYTES_MAX, .rate = &exec->rate};
    struct output_stream out = {
        .label = "stdout", .budget = &budget, .emit = emit_line, .arg = (void *)(uintptr_t)context};
    struct output_stream log = out;
    log.label = "stderr";
    struct exec_run_spec spec = {.program = exec->program,
                                 .argv = exec->host->arguments,
                                 .envp = env->envp,
                                 .input = message->body,
                                 .input_len = message->body_len,
                                 .timeout_ms = exec->options->timeout_ms,
                                 .kill_after_ms = exec->options->kill_after_ms,
                                 .file_limit = exec->file_limit,
                                 .groups = &exec->groups,
                                 .context = context,
                                 .out = &out,
                                 .err = &log};
    struct exec_run_result result = exec_run(&spec, &err);
    output_tell_hidden(&log);
    enum sluice_verdict verdict = result.end == EXEC_RUN_FAILED ? not_started(&result, &err, context)
                                                                : verdict_of(exec, &result, &log, context);
    output_stream_clean_up(&out);
    output_stream_clean_up(&log);
    return verdict;
}

static enum sluice_verdict exec_handle(void *instance, const struct sluice_message *message,
                                       const struct sluice_context *context)
{
    struct exec *exec = instance;
    struct exec_env env = {.text = STRBUF_INIT};
    struct err err;
    enum sluice_verdict verdict = SLUICE_FAILED;
    if (exec_env_build(&env, &exec->env, message, &err) == 0)
        verdict = run(exec, &env, message, context);
    else
        context->set_reason(context, err.text);
    exec_env_clean_up(&env);
    return verdict;
}

static void exec_abandon(void *instance)
{
    struct exec *exec = instance;
    child_groups_kill_all(&exec->groups);
}

static void exec_close(void *instance)
{
    struct exec *exec = instance;
    output_rate_clean_up(&exec->rate);
    child_groups_clean_up(&exec->groups);
    exec_env_base_clean_up(&exec->env);
    free(exec->program);
    free(exec);
}

const struct handler HANDLER_EXEC = {
    .flags = SLUICE_WANTS_ATTRIBUTES | HANDLER_TAKES_ARGUMENTS,
    .name = "exec",
    .help = "runs a program for each message: -- PROGRAM [ARG]...",
    .options = OPTIONS,
    .environment = NO_ENVIRONMENT,
    .options_size = sizeof(struct exec_options),
    .check = exec_check,
    .open = exec_open,
    .limit = exec_limit,
    .handle = exec_handle,
    .close = exec_close,
    .abandon = exec_abandon,
    .open_exit_code = EXIT_CODE_CONFIG,
};
