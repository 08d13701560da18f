/* Limits of this host and control group; see preflight.h. */
#include "supervisor/preflight.h"

#include "base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SMALL_FILE_MAX = 65536 };

/* -1: none. */
static int64_t known_limit(rlim_t limit)
{
    return limit == RLIM_INFINITY || limit > INT64_MAX ? -1 : (int64_t)limit;
}

/* A file that holds a number or "max"; -1 for the latter, or when there is none. */
static int64_t read_number(const char *path)
{
    struct strbuf text = STRBUF_INIT;
    int64_t value = -1;
    if (file_read(path, SMALL_FILE_MAX, &text, NULL) == 0) {
        char *end = NULL;
        errno = 0;
        long long number = strtoll(strbuf_str(&text), &end, 10);
        /* Version 1 of control groups writes "no limit" as a number near 2^63. */
        if (errno == 0 && end != strbuf_str(&text) && number >= 0 && number < INT64_C(1) << 60)
            value = number;
    }
    strbuf_clean_up(&text);
    return value;
}

/* Path of our control group for a controller: the line "0::PATH" (version 2), or "N:..,pids,..:PATH". */
static char *group_path(const char *controller)
{
    struct strbuf text = STRBUF_INIT;
    struct strbuf path = STRBUF_INIT;
    char *save = NULL;
    if (file_read("/proc/self/cgroup", SMALL_FILE_MAX, &text, NULL) == 0 && text.data != NULL) {
        for (char *line = strtok_r(text.data, "\n", &save); line != NULL;
             line = strtok_r(NULL, "\n", &save)) {
            char *names = strchr(line, ':');
            char *at = names != NULL ? strchr(names + 1, ':') : NULL;
            if (at == NULL)
                continue;
            *at = '\0';
            bool unified = names[1] == '\0';
            if (unified && path.len == 0)
                strbuf_appendf(&path, "/sys/fs/cgroup%s", at + 1);
            if (!unified && strstr(names + 1, controller) != NULL) {
                strbuf_clear(&path);
                strbuf_appendf(&path, "/sys/fs/cgroup/%s%s", controller, at + 1);
            }
        }
    }
    strbuf_clean_up(&text);
    return strbuf_take(&path);
}

/* The least limit of our group and all above it: each of them binds. */
static int64_t group_limit(const char *controller, const char *file)
{
    static const char ROOT[] = "/sys/fs/cgroup";
    int64_t least = -1;
    char *path = group_path(controller);
    while (strlen(path) >= strlen(ROOT)) {
        struct strbuf name = STRBUF_INIT;
        strbuf_appendf(&name, "%s/%s", path, file);
        int64_t value = read_number(strbuf_str(&name));
        strbuf_clean_up(&name);
        if (value >= 0 && (least < 0 || value < least))
            least = value;
        char *slash = strrchr(path, '/');
        if (slash == NULL)
            break;
        *slash = '\0';
    }
    free(path);
    return least;
}

static int64_t mem_available(void)
{
    struct strbuf text = STRBUF_INIT;
    int64_t bytes = -1;
    if (file_read("/proc/meminfo", SMALL_FILE_MAX, &text, NULL) == 0) {
        const char *line = strstr(strbuf_str(&text), "MemAvailable:");
        if (line != NULL)
            bytes = strtoll(line + strlen("MemAvailable:"), NULL, 10) * 1024;
    }
    strbuf_clean_up(&text);
    return bytes;
}

static int64_t least_of(int64_t a, int64_t b)
{
    return a < 0 ? b : (b < 0 || a < b ? a : b);
}

void host_facts_read(struct host_facts *ret_facts)
{
    struct rlimit processes = {.rlim_cur = RLIM_INFINITY};
    struct rlimit files = {.rlim_max = RLIM_INFINITY};
    if (geteuid() != 0) /* root is not bound by it */
        (void)getrlimit(RLIMIT_NPROC, &processes);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    *ret_facts = (struct host_facts){
        .nproc = known_limit(processes.rlim_cur),
        .nofile = known_limit(files.rlim_max),
        .pids_max = group_limit("pids", "pids.max"),
        .memory_max =
            least_of(group_limit("memory", "memory.max"), group_limit("memory", "memory.limit_in_bytes")),
        .mem_available = mem_available(),
    };
}
