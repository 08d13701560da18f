/* The demo's own count of workers, from /proc; see demo_proc.h. */
#include "supervisor/demo_proc.h"

#include "base/alloc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENVIRON_MAX_BYTES = 256 * 1024 };

void demo_proc_init(struct demo_proc *proc, const char *mark)
{
    *proc = (struct demo_proc){.count = 0};
    (void)snprintf(proc->mark, sizeof proc->mark, "%s", mark);
}

void demo_proc_clean_up(struct demo_proc *proc)
{
    free(proc->workers);
    free(proc->strangers);
    *proc = (struct demo_proc){.count = 0};
}

int demo_proc_parse_stat(const char *text, struct demo_proc_stat *ret_stat)
{
    /* The name stands in parentheses and may hold any character, parentheses included. */
    const char *after_name = strrchr(text, ')');
    struct demo_proc_stat stat;
    int ppid;

    if (after_name == NULL)
        return -1;
    /* Fields 3, 4, 20 and 22 of proc(5). */
    if (sscanf(after_name + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %llu", &stat.state,
               &ppid, &stat.threads, &stat.start_ticks) != 4)
        return -1;
    stat.ppid = ppid;
    *ret_stat = stat;
    return 0;
}

/* Reads a file of /proc/PID; returns its length (0 when the process is gone), the text NUL-terminated. */
static size_t read_file(int proc_fd, const char *pid, const char *name, char *out, size_t size)
{
    char path[64];
    size_t len = 0;

    (void)snprintf(path, sizeof path, "%s/%s", pid, name);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    for (;;) {
        ssize_t n = read(fd, out + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    (void)close(fd);
    out[len] = '\0';
    return len;
}

static bool has_mark(const struct demo_proc *proc, int proc_fd, const char *pid)
{
    char *environment = xmalloc(ENVIRON_MAX_BYTES);
    size_t len = read_file(proc_fd, pid, "environ", environment, ENVIRON_MAX_BYTES);
    bool found = false;

    for (const char *at = environment; !found && at < environment + len; at += strlen(at) + 1)
        found = strcmp(at, proc->mark) == 0;
    free(environment);
    return found;
}

static bool is_stranger(const struct demo_proc *proc, pid_t pid, unsigned long long start_ticks)
{
    for (size_t i = 0; i < proc->stranger_count; i++)
        if (proc->strangers[i].pid == pid && proc->strangers[i].start_ticks == start_ticks)
            return true;
    return false;
}

static void remember_stranger(struct demo_proc *proc, pid_t pid, unsigned long long start_ticks)
{
    size_t at = 0;

    while (at < proc->stranger_count && proc->strangers[at].pid != pid)
        at++;
    if (at == proc->stranger_capacity) {
        proc->stranger_capacity = at == 0 ? 256 : at * 2;
        proc->strangers = xrealloc(proc->strangers, proc->stranger_capacity * sizeof *proc->strangers);
    }
    proc->strangers[at] = (struct demo_proc_stranger){.pid = pid, .start_ticks = start_ticks};
    if (at == proc->stranger_count)
        proc->stranger_count++;
}

static void add_worker(struct demo_proc *proc, pid_t pid, const struct demo_proc_stat *stat, bool orphan)
{
    if (proc->count == proc->capacity) {
        proc->capacity = proc->capacity == 0 ? 64 : proc->capacity * 2;
        proc->workers = xrealloc(proc->workers, proc->capacity * sizeof *proc->workers);
    }
    proc->workers[proc->count++] = (struct demo_proc_worker){
        .pid = pid, .start_ticks = stat->start_ticks, .threads = stat->threads, .orphan = orphan};
}

static void look_at(struct demo_proc *proc, int proc_fd, const char *name, pid_t supervisor_pid)
{
    struct demo_proc_stat stat;
    char text[1024];
    pid_t pid = (pid_t)strtol(name, NULL, 10);

    if (pid == supervisor_pid || read_file(proc_fd, name, "stat", text, sizeof text) == 0 ||
        demo_proc_parse_stat(text, &stat) != 0 || stat.state == 'Z' || stat.state == 'X')
        return;
    if (supervisor_pid != 0 && stat.ppid == supervisor_pid) {
        /* Also one that has not come to its exec yet. */
        add_worker(proc, pid, &stat, false);
        return;
    }
    if (is_stranger(proc, pid, stat.start_ticks))
        return;
    if (has_mark(proc, proc_fd, name))
        add_worker(proc, pid, &stat, true);
    else
        remember_stranger(proc, pid, stat.start_ticks);
}

int demo_proc_scan(struct demo_proc *proc, pid_t supervisor_pid)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;

    if (dir == NULL)
        return -errno;
    proc->count = 0;
    while ((entry = readdir(dir)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]))
            look_at(proc, dirfd(dir), entry->d_name, supervisor_pid);
    (void)closedir(dir);
    return 0;
}
