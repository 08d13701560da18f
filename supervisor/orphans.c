/* Worker records and the survivors they name; see orphans.h. */
#include "supervisor/orphans.h"

#include "base/alloc.h"
#include "base/child.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_VERSION = 1, RECORD_MAX_BYTES = 4096, LOOK_EVERY_REAL_MS = 1000 };

struct orphans {
    char *state_dir;
    struct worker_record *records; /* owned */
    size_t count;
    struct loop_timer timer;
};

const char *worker_record_boot_id(void)
{
    static char boot_id[64];
    struct strbuf text = STRBUF_INIT;
    if (boot_id[0] == '\0' && file_read("/proc/sys/kernel/random/boot_id", 63, &text, NULL) == 0)
        (void)snprintf(boot_id, sizeof boot_id, "%.*s", (int)strcspn(strbuf_str(&text), "\n"),
                       strbuf_str(&text));
    strbuf_clean_up(&text);
    return boot_id;
}

static char *record_path(const char *state_dir, const char *worker, const char *suffix)
{
    struct strbuf path = STRBUF_INIT;
    strbuf_appendf(&path, "%s/workers/%s.json%s", state_dir, worker, suffix);
    return strbuf_take(&path);
}

static int write_file(const char *path, const struct strbuf *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    ssize_t put = write(fd, text->data, text->len);
    int rc = put == (ssize_t)text->len ? 0 : (put < 0 ? -errno : -ENOSPC);
    (void)close(fd);
    return rc;
}

int worker_record_write(const char *state_dir, const struct worker_record *record, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);
    char *path = record_path(state_dir, record->worker, "");
    char *temporary = record_path(state_dir, record->worker, ".tmp");
    jsonw_object(&w);
    jsonw_key_int(&w, "v", RECORD_VERSION);
    jsonw_key_str(&w, "worker", record->worker);
    jsonw_key_str(&w, "fleet", record->fleet);
    jsonw_key_int(&w, "pid", record->pid);
    jsonw_key_int(&w, "start_ticks", (int64_t)record->start_ticks);
    jsonw_key_int(&w, "started_ms", record->started_ms);
    jsonw_key_str(&w, "boot_id", worker_record_boot_id());
    jsonw_end_object(&w);
    strbuf_append_char(&text, '\n');
    int rc = write_file(temporary, &text);
    if (rc == 0 && rename(temporary, path) != 0)
        rc = -errno;
    if (rc != 0) {
        (void)unlink(temporary);
        (void)err_set(err, "%s: %s", path, strerror(-rc));
    }
    free(path);
    free(temporary);
    strbuf_clean_up(&text);
    return rc;
}

void worker_record_remove(const char *state_dir, const char *worker)
{
    char *path = record_path(state_dir, worker, "");
    (void)unlink(path);
    free(path);
}

static bool is_alive(const struct worker_record *record)
{
    return record->pid > 0 && record->start_ticks != 0 &&
           child_start_ticks(record->pid) == record->start_ticks;
}

/* Returns 0, 1 for a record of another boot, or -1 with err. */
static int parse_record(const char *text, size_t len, struct worker_record *ret_record, struct err *err)
{
    json_error_t where;
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    const char *worker = json_string_value(json_object_get(object, "worker"));
    const char *fleet = json_string_value(json_object_get(object, "fleet"));
    const char *boot_id = json_string_value(json_object_get(object, "boot_id"));
    json_int_t pid = json_integer_value(json_object_get(object, "pid"));
    json_int_t ticks = json_integer_value(json_object_get(object, "start_ticks"));
    int rc = 0;
    if (worker == NULL || fleet == NULL || boot_id == NULL || pid <= 0 || ticks <= 0 ||
        strlen(worker) >= sizeof ret_record->worker || strlen(fleet) >= sizeof ret_record->fleet) {
        rc = err_set(err, "no worker record: %s", object == NULL ? where.text : "members missing");
    } else if (strcmp(boot_id, worker_record_boot_id()) != 0) {
        rc = 1;
    } else {
        *ret_record = (struct worker_record){.pid = (pid_t)pid, .start_ticks = (unsigned long long)ticks};
        ret_record->started_ms = json_integer_value(json_object_get(object, "started_ms"));
        (void)snprintf(ret_record->worker, sizeof ret_record->worker, "%s", worker);
        (void)snprintf(ret_record->fleet, sizeof ret_record->fleet, "%s", fleet);
    }
    json_decref(object);
    return rc;
}

/* A record's own name; a temporary one was never finished, and what is not ours is nobody's orphan. */
static bool is_record_name(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".json") == 0;
}

/* Takes one file of the folder in: keeps it as an orphan, or removes it. */
static void take_file(struct orphans *orphans, const char *name)
{
    struct err err = {.text = ""};
    struct strbuf path = STRBUF_INIT;
    struct strbuf text = STRBUF_INIT;
    struct worker_record record;
    strbuf_appendf(&path, "%s/workers/%s", orphans->state_dir, name);
    int rc = file_read(strbuf_str(&path), RECORD_MAX_BYTES, &text, &err);
    if (rc == 0)
        rc = parse_record(strbuf_str(&text), text.len, &record, &err);
    if (rc < 0)
        LOG(LOG_WARNING, "dropping a worker record that cannot be read", LOG_STR("file", strbuf_str(&path)),
            LOG_STR("error", err.text));
    if (rc == 0 && is_alive(&record)) {
        orphans->records = xrealloc(orphans->records, (orphans->count + 1) * sizeof *orphans->records);
        orphans->records[orphans->count++] = record;
        LOG(LOG_WARNING, "worker of an earlier supervisor still runs; it drains by itself",
            LOG_STR("worker", record.worker), LOG_INT("pid", record.pid));
    } else {
        (void)unlink(strbuf_str(&path));
    }
    strbuf_clean_up(&path);
    strbuf_clean_up(&text);
}

static void look(void *arg)
{
    struct orphans *orphans = arg;
    size_t kept = 0;
    for (size_t i = 0; i < orphans->count; i++) {
        struct worker_record *record = &orphans->records[i];
        if (is_alive(record)) {
            orphans->records[kept++] = *record;
            continue;
        }
        LOG(LOG_INFO, "worker of an earlier supervisor has ended", LOG_STR("worker", record->worker),
            LOG_INT("pid", record->pid));
        worker_record_remove(orphans->state_dir, record->worker);
    }
    orphans->count = kept;
    if (kept > 0)
        loop_timer_arm_real_ms(&orphans->timer, LOOK_EVERY_REAL_MS);
}

struct orphans *orphans_new(struct event_base *base, const char *state_dir)
{
    struct orphans *orphans = xcalloc(1, sizeof *orphans);
    struct strbuf folder = STRBUF_INIT;
    loop_timer_init(&orphans->timer, base, look, orphans);
    if (state_dir == NULL)
        return orphans;
    orphans->state_dir = xstrdup(state_dir);
    strbuf_appendf(&folder, "%s/workers", state_dir);
    DIR *dir = opendir(strbuf_str(&folder));
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (is_record_name(entry->d_name))
            take_file(orphans, entry->d_name);
    if (dir != NULL)
        (void)closedir(dir);
    strbuf_clean_up(&folder);
    if (orphans->count > 0)
        loop_timer_arm_real_ms(&orphans->timer, LOOK_EVERY_REAL_MS);
    return orphans;
}

void orphans_destroy(struct orphans *orphans)
{
    if (orphans == NULL)
        return;
    loop_timer_clean_up(&orphans->timer);
    free(orphans->records);
    free(orphans->state_dir);
    free(orphans);
}

size_t orphans_count(const struct orphans *orphans, const char *fleet)
{
    if (fleet == NULL)
        return orphans->count;
    size_t count = 0;
    for (size_t i = 0; i < orphans->count; i++)
        count += strcmp(orphans->records[i].fleet, fleet) == 0;
    return count;
}

const struct worker_record *orphans_get(const struct orphans *orphans, size_t i)
{
    return i < orphans->count ? &orphans->records[i] : NULL;
}

bool orphans_has(const struct orphans *orphans, const char *worker)
{
    for (size_t i = 0; i < orphans->count; i++)
        if (strcmp(orphans->records[i].worker, worker) == 0)
            return true;
    return false;
}
