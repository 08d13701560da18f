/* Task processes: start, signals, reaping; see ecs_runner.h. */
#include "localaws/ecs_runner.h"

#include "base/alloc.h"
#include "base/child.h"
#include "base/log.h"
#include "base/strbuf.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One of a task; lives until it is reaped. */
struct process {
    pid_t pid;
    struct ecs_task *task;
    TAILQ_ENTRY(process) entry;
};

struct ecs_runner {
    struct ecs_runner_options options;
    struct event *sigchld; /* owned */
    char *url;             /* owned */
    TAILQ_HEAD(process_list, process) processes;
};

/* ---- what is run ---- */

static const json_t *container_of(const struct ecs_task *task)
{
    return json_array_get(json_object_get(task->definition->document, "containerDefinitions"), 0);
}

static const json_t *override_of(const struct ecs_task *task)
{
    return json_array_get(json_object_get(task->overrides, "containerOverrides"), 0);
}

/* entryPoint and command, as a container has them; an override replaces the command. Free the array. */
static const char **build_argv(const struct ecs_task *task)
{
    const json_t *entry = json_object_get(container_of(task), "entryPoint");
    const json_t *command = json_object_get(override_of(task), "command");
    if (command == NULL)
        command = json_object_get(container_of(task), "command");
    size_t count = 0;
    const char **argv = xcalloc(json_array_size(entry) + json_array_size(command) + 1, sizeof *argv);
    for (size_t i = 0; i < json_array_size(entry); i++)
        argv[count++] = json_string_value(json_array_get(entry, i));
    for (size_t i = 0; i < json_array_size(command); i++)
        argv[count++] = json_string_value(json_array_get(command, i));
    return argv;
}

static void add_pairs(json_t *variables, const json_t *pairs)
{
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        (void)json_object_set(variables, json_string_value(json_object_get(pair, "name")),
                              json_object_get(pair, "value"));
    }
}

static void add_uri(json_t *variables, const char *name, const struct ecs_runner *runner, const char *path,
                    const char *id)
{
    struct strbuf uri = STRBUF_INIT;
    strbuf_appendf(&uri, "%s%s%s", runner->url, path, id);
    (void)json_object_set_new(variables, name, json_string(strbuf_str(&uri)));
    strbuf_clean_up(&uri);
}

/* What a task gets over our own environment: how to reach us, then what the definition says, then the
 * override; a later value of a name replaces an earlier one. */
static json_t *variables_of(const struct ecs_runner *runner, const struct ecs_task *task)
{
    json_t *variables = json_object();
    (void)json_object_set_new(variables, "AWS_REGION", json_string(runner->options.region));
    add_uri(variables, "AWS_ENDPOINT_URL", runner, "", "");
    add_pairs(variables, json_object_get(container_of(task), "environment"));
    add_pairs(variables, json_object_get(override_of(task), "environment"));
    add_uri(variables, "ECS_AGENT_URI", runner, "/api/", task->id);
    add_uri(variables, "ECS_CONTAINER_METADATA_URI_V4", runner, "/v4/", task->id);
    return variables;
}

/* "K=V" texts, each and the array to be freed. */
static char **build_texts(const json_t *variables)
{
    char **texts = xcalloc(json_object_size(variables) + 1, sizeof *texts);
    const char *key = NULL;
    json_t *value = NULL;
    size_t count = 0;
    json_object_foreach((json_t *)(uintptr_t)variables, key, value)
    {
        struct strbuf text = STRBUF_INIT;
        strbuf_appendf(&text, "%s=%s", key, json_string_value(value));
        texts[count++] = strbuf_take(&text);
    }
    return texts;
}

static void free_texts(char **texts)
{
    for (size_t i = 0; texts[i] != NULL; i++)
        free(texts[i]);
    free(texts);
}

/* ---- start ---- */

/* Where its output goes; -1 with a reason. */
static int open_log(const struct ecs_runner *runner, const struct ecs_task *task, struct err *err)
{
    struct strbuf path = STRBUF_INIT;
    if (runner->options.log_dir == NULL)
        return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    strbuf_appendf(&path, "%s/%s.log", runner->options.log_dir, task->id);
    int fd = open(path.data, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        (void)err_set(err, "open %s: %s", path.data, strerror(errno));
    strbuf_clean_up(&path);
    return fd;
}

static int spawn(const struct ecs_runner *runner, const struct ecs_task *task, const char *const *argv,
                 pid_t *ret_pid, struct err *err)
{
    struct child_spec spec = CHILD_SPEC_INIT;
    int log_fd = open_log(runner, task, err);
    if (log_fd < 0)
        return -1;
    json_t *variables = variables_of(runner, task);
    char **texts = build_texts(variables);
    const char **envp = child_environment((const char *const *)texts);
    spec.argv = argv;
    spec.envp = envp;
    spec.stdout_fd = spec.stderr_fd = log_fd;
    spec.own_group = true;
    spec.death_signal = SIGKILL;
    int rc = child_spawn(&spec, ret_pid, err);
    free(envp);
    free_texts(texts);
    json_decref(variables);
    (void)close(log_fd);
    return rc == 0 ? 0 : -1;
}

static int start(void *arg, struct ecs_task *task, char *reason, size_t reason_size)
{
    struct ecs_runner *runner = arg;
    struct err err = {.text = ""};
    pid_t pid = -1;
    const char **argv = build_argv(task);
    int rc = argv[0] != NULL && argv[0][0] != '\0'
                 ? spawn(runner, task, argv, &pid, &err)
                 : err_set(&err, "the container has no command, and images are not run here");
    free(argv);
    if (rc != 0) {
        (void)snprintf(reason, reason_size, "%s", err.text);
        LOG(LOG_WARNING, "task not started", LOG_STR("task", task->id), LOG_STR("reason", reason));
        return -1;
    }
    struct process *process = xcalloc(1, sizeof *process);
    process->pid = pid;
    process->task = task;
    task->process = process;
    TAILQ_INSERT_TAIL(&runner->processes, process, entry);
    LOG(LOG_INFO, "task started", LOG_STR("task", task->id), LOG_INT("pid", pid));
    return 0;
}

/* ---- signals and ends ---- */

/* TERM goes to the task's own process, as it goes to PID 1 of a container; KILL takes the whole group. */
static void send_signal(void *arg, struct ecs_task *task, int number)
{
    const struct process *process = task->process;
    (void)arg;
    (void)kill(number == SIGKILL ? -process->pid : process->pid, number);
}

/* A container ends with its first process: the rest of the group is killed while the unreaped pid still holds
 * the group's number. */
static bool has_ended(pid_t pid, int *ret_code)
{
    siginfo_t info = {.si_pid = 0};
    int status = 0;
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != pid)
        return false;
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    *ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

static void on_sigchld(evutil_socket_t number, short what, void *arg)
{
    struct ecs_runner *runner = arg;
    struct process *next = NULL;
    int code = 0;
    (void)number;
    (void)what;
    for (struct process *process = TAILQ_FIRST(&runner->processes); process != NULL; process = next) {
        next = TAILQ_NEXT(process, entry);
        if (!has_ended(process->pid, &code))
            continue;
        struct ecs_task *task = process->task;
        LOG(LOG_INFO, "task ended", LOG_STR("task", task->id), LOG_INT("pid", process->pid),
            LOG_INT("exit_code", code));
        TAILQ_REMOVE(&runner->processes, process, entry);
        free(process);
        runner->options.on_exit(runner->options.arg, task, code);
    }
}

/* ---- life ---- */

struct ecs_runner *ecs_runner_new(const struct ecs_runner_options *options)
{
    struct ecs_runner *runner = xcalloc(1, sizeof *runner);
    runner->options = *options;
    TAILQ_INIT(&runner->processes);
    runner->sigchld = evsignal_new(options->base, SIGCHLD, on_sigchld, runner);
    if (runner->sigchld == NULL || event_add(runner->sigchld, NULL) != 0)
        abort();
    return runner;
}

void ecs_runner_free(struct ecs_runner *runner)
{
    struct process *process = NULL;
    struct process *next = NULL;
    if (runner == NULL)
        return;
    TAILQ_FOREACH(process, &runner->processes, entry)
    {
        (void)kill(-process->pid, SIGKILL);
    }
    for (process = TAILQ_FIRST(&runner->processes); process != NULL; process = next) {
        next = TAILQ_NEXT(process, entry);
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        free(process);
    }
    event_free(runner->sigchld);
    free(runner->url);
    free(runner);
}

void ecs_runner_set_url(struct ecs_runner *runner, const char *url)
{
    free(runner->url);
    runner->url = xstrdup(url);
}

struct ecs_processes ecs_runner_processes(struct ecs_runner *runner)
{
    return (struct ecs_processes){.start = start, .signal = send_signal, .arg = runner};
}
