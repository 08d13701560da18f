/* Credentials printed by a program; see credentials_process.h. */
#include "aws/credentials_process.h"

#include "aws/credentials_json.h"
#include "base/alloc.h"
#include "base/child.h"
#include "base/child_wait.h"
#include "base/loop.h"
#include "base/strbuf.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 4096, OUTPUT_ROOM = CREDENTIALS_JSON_BYTES_MAX + 2 * READ_BYTES };

/* Between the end of the output and the end of the program. */
static const int64_t POLL_END_MS = 2;

struct process {
    struct credentials_fetch fetch;
    char *source; /* owned */
    aws_credentials_fn *fn;
    void *arg;
    struct child_wait wait;
    int fd;              /* its standard output; -1: closed */
    struct event *event; /* owned: fd is readable */
    struct loop_timer deadline;
    struct loop_timer poll; /* the output has ended, the program not yet */
    struct strbuf output;
};

/* ---- words ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies one word from *at to *to, without quotes and escapes. Returns NULL, or what is wrong. */
static const char *copy_word(const char **at, char **to)
{
    const char *p = *at;
    char quote = '\0';
    for (; *p != '\0' && (quote != '\0' || !is_space(*p)); p++) {
        if (quote == '\0' && (*p == '\'' || *p == '"')) {
            quote = *p;
        } else if (*p == quote) {
            quote = '\0';
        } else if (*p == '\\' && quote != '\'') {
            if (p[1] == '\0')
                return "a backslash at its end";
            if (quote == '\0' || p[1] == '"' || p[1] == '\\')
                p++;
            *(*to)++ = *p;
        } else {
            *(*to)++ = *p;
        }
    }
    *(*to)++ = '\0';
    *at = p;
    return quote != '\0' ? "a quote that is not closed" : NULL;
}

char **credentials_process_split(const char *command, struct err *err)
{
    size_t len = strlen(command);
    size_t words_max = len / 2 + 2;
    char **words = xcalloc(1, words_max * sizeof *words + len + 1);
    char *to = (char *)(words + words_max);
    size_t count = 0;
    const char *problem = NULL;
    for (const char *at = command; problem == NULL;) {
        while (is_space(*at))
            at++;
        if (*at == '\0')
            break;
        words[count++] = to;
        problem = copy_word(&at, &to);
    }
    if (problem == NULL && count == 0)
        problem = "no program";
    if (problem == NULL)
        return words;
    (void)err_set(err, "credential_process has %s", problem);
    free(words);
    return NULL;
}

/* ---- the run ---- */

static void process_free(struct process *p)
{
    child_wait_end(&p->wait);
    if (p->event != NULL)
        event_free(p->event);
    if (p->fd >= 0)
        (void)close(p->fd);
    loop_timer_clean_up(&p->deadline);
    loop_timer_clean_up(&p->poll);
    if (p->output.data != NULL)
        explicit_bzero(p->output.data, p->output.capacity);
    strbuf_clean_up(&p->output);
    free(p->source);
    free(p);
}

static void cancel(struct credentials_fetch *fetch)
{
    process_free((struct process *)fetch);
}

static void finish(struct process *p, struct aws_credentials *found, const struct err *err)
{
    aws_credentials_fn *fn = p->fn;
    void *arg = p->arg;
    process_free(p);
    fn(arg, found, found == NULL ? err : NULL);
    aws_credentials_release(found);
}

static void fail(struct process *p, const char *problem)
{
    struct err err;
    (void)err_set(&err, "%s: the program %s", p->source, problem);
    finish(p, NULL, &err);
}

static void on_deadline(void *arg)
{
    fail(arg, "took too long and was killed");
}

static void on_ended(struct process *p)
{
    struct err err = {""};
    char text[64];
    if (p->wait.status != 0 && p->wait.status != CHILD_STATUS_LOST) {
        (void)err_set(&err, "%s: the program ended with %s", p->source,
                      child_status_text(p->wait.status, text));
        finish(p, NULL, &err);
        return;
    }
    char *output = p->output.data != NULL ? p->output.data : (char *)"";
    struct aws_credentials *found =
        credentials_json_parse(output, p->output.len, CREDENTIALS_FORM_PROCESS, p->source, &err);
    finish(p, found, &err);
}

static void on_poll(void *arg)
{
    struct process *p = arg;
    if (child_wait_poll(&p->wait))
        on_ended(p);
    else
        loop_timer_arm_real_ms(&p->poll, POLL_END_MS);
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;
    (void)what;
    for (;;) {
        char *to = strbuf_reserve(&p->output, READ_BYTES);
        ssize_t got = read(fd, to, READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (got <= 0)
            break;
        p->output.len += (size_t)got;
        if (p->output.len > CREDENTIALS_JSON_BYTES_MAX) {
            fail(p, "printed too much and was killed");
            return;
        }
    }
    (void)event_del(p->event);
    on_poll(p);
}

static int spawn(struct process *p, const char *command, int out_fd, struct err *err)
{
    char **argv = credentials_process_split(command, err);
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct child_spec spec = CHILD_SPEC_INIT;
    pid_t pid = -1;
    int rc = -1;
    if (argv != NULL && null_fd < 0)
        (void)err_set(err, "open /dev/null: %s", strerror(errno));
    if (argv != NULL && null_fd >= 0) {
        spec.argv = (const char *const *)argv;
        spec.stdout_fd = out_fd;
        spec.stderr_fd = null_fd;
        spec.own_group = true;
        spec.death_signal = SIGKILL;
        rc = child_spawn(&spec, &pid, err);
    }
    if (rc == 0)
        child_wait_start(&p->wait, pid);
    if (null_fd >= 0)
        (void)close(null_fd);
    free(argv);
    return rc;
}

struct credentials_fetch *credentials_process_start(const struct credentials_io *io, const char *command,
                                                    const char *source, int64_t timeout_ms,
                                                    aws_credentials_fn *fn, void *arg, struct err *err)
{
    int out[2] = {-1, -1};
    if (pipe2(out, O_CLOEXEC) != 0) {
        (void)err_set(err, "%s: pipe: %s", source, strerror(errno));
        return NULL;
    }
    struct process *p = xcalloc(1, sizeof *p);
    int rc = spawn(p, command, out[1], err);
    (void)close(out[1]);
    if (rc != 0) {
        (void)err_prefix(err, "%s", source);
        (void)close(out[0]);
        free(p);
        return NULL;
    }
    p->fetch.cancel = cancel;
    p->source = xstrdup(source);
    p->fn = fn;
    p->arg = arg;
    p->fd = out[0];
    (void)strbuf_reserve(&p->output, OUTPUT_ROOM); /* growing would leave copies of secrets behind */
    (void)fcntl(p->fd, F_SETFL, O_NONBLOCK);
    p->event = event_new(io->base, p->fd, EV_READ | EV_PERSIST, on_output, p);
    if (p->event == NULL || event_add(p->event, NULL) != 0)
        abort();
    loop_timer_init(&p->deadline, io->base, on_deadline, p);
    loop_timer_init(&p->poll, io->base, on_poll, p);
    loop_timer_arm_real_ms(&p->deadline, timeout_ms > 0 ? timeout_ms : CREDENTIALS_PROCESS_TIMEOUT_MS);
    return &p->fetch;
}
