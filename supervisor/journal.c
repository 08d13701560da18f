/* The journal's file: records, rotation, failures. See journal.h. */
#include "supervisor/journal.h"

#include "base/alloc.h"
#include "base/jsonw.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void journal_init(struct journal *journal, const char *state_dir, const char *fleet,
                  const struct controller *controller, enum config_journal mode)
{
    struct strbuf path = STRBUF_INIT;
    strbuf_appendf(&path, "%s/%s.journal.jsonl", state_dir, fleet);
    *journal = (struct journal){.path = strbuf_take(&path),
                                .fleet = fleet,
                                .controller = controller,
                                .mode = mode,
                                .max_bytes = JOURNAL_MAX_BYTES,
                                .files = JOURNAL_FILES,
                                .fd = -1,
                                .wants_config = true};
}

static void close_file(struct journal *journal)
{
    if (journal->fd >= 0)
        (void)close(journal->fd);
    journal->fd = -1;
}

void journal_clean_up(struct journal *journal)
{
    close_file(journal);
    strbuf_clean_up(&journal->line);
    strbuf_clean_up(&journal->config);
    free(journal->path);
    journal->path = NULL;
}

void journal_reopen(struct journal *journal)
{
    close_file(journal);
}

/* A file that somebody has deleted takes records, and nobody will ever read them. */
static bool is_deleted(const struct journal *journal)
{
    struct stat info;
    return fstat(journal->fd, &info) == 0 && info.st_nlink == 0;
}

/* A decision never waits for the journal: trouble is counted, said once, and shown in status. */
static void note_failure(struct journal *journal, const char *what, int code)
{
    journal->failures++;
    journal->wants_config = true; /* the chain of records is broken here */
    (void)err_set(&journal->last_error, "%s: %s: %s", journal->path, what, strerror(code));
    if (!journal->failing)
        LOG(LOG_ERROR, "cannot write the journal; decisions go on without it",
            LOG_STR("fleet", journal->fleet), LOG_STR("error", journal->last_error.text));
    journal->failing = true;
}

static void note_success(struct journal *journal)
{
    journal->records++;
    if (journal->failing)
        LOG(LOG_INFO, "the journal can be written again", LOG_STR("fleet", journal->fleet),
            LOG_INT("failures", journal->failures));
    journal->failing = false;
}

/* Cuts off an unfinished last line, left by a crash or a full disk in mid-write. */
static void cut_torn_tail(struct journal *journal)
{
    char chunk[4096];
    int64_t end = journal->size;
    while (end > 0) {
        int64_t from = end > (int64_t)sizeof chunk ? end - (int64_t)sizeof chunk : 0;
        ssize_t got = pread(journal->fd, chunk, (size_t)(end - from), from);
        if (got <= 0)
            return;
        const char *newline = memrchr(chunk, '\n', (size_t)got);
        if (newline != NULL) {
            end = from + (newline - chunk) + 1;
            break;
        }
        end = from;
    }
    if (end < journal->size && ftruncate(journal->fd, end) == 0)
        journal->size = end;
}

static int open_file(struct journal *journal)
{
    struct stat info;
    journal->fd = open(journal->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (journal->fd < 0 || fstat(journal->fd, &info) != 0) {
        note_failure(journal, "open", errno);
        close_file(journal);
        return -1;
    }
    journal->size = info.st_size;
    journal->wants_config = true;
    cut_torn_tail(journal);
    return 0;
}

static char *numbered_path(const struct journal *journal, int number)
{
    struct strbuf path = STRBUF_INIT;
    strbuf_append_str(&path, journal->path);
    if (number > 0)
        strbuf_appendf(&path, ".%d", number);
    return strbuf_take(&path);
}

static void rotate(struct journal *journal)
{
    close_file(journal);
    for (int i = journal->files - 1; i > 0; i--) {
        char *from = numbered_path(journal, i - 1);
        char *to = numbered_path(journal, i);
        if (rename(from, to) != 0 && errno != ENOENT)
            note_failure(journal, "rotate", errno);
        free(from);
        free(to);
    }
    if (journal->files == 1)
        (void)unlink(journal->path);
}

/* Appends journal->line, newline included, in one write; a part that was written is taken back. */
static int append_line(struct journal *journal)
{
    strbuf_append_char(&journal->line, '\n');
    ssize_t put = write(journal->fd, journal->line.data, journal->line.len);
    if (put == (ssize_t)journal->line.len) {
        journal->size += put;
        return 0;
    }
    int code = put < 0 ? errno : ENOSPC;
    if (put > 0 && ftruncate(journal->fd, journal->size) != 0)
        close_file(journal); /* the next open cuts the torn line off */
    note_failure(journal, "write", code);
    return -1;
}

void journal_before_step(struct journal *journal, int64_t now_ms)
{
    if (journal->mode == JOURNAL_OFF)
        return;
    if (journal->fd >= 0 && is_deleted(journal))
        close_file(journal);
    if (journal->fd >= 0 && journal->size >= journal->max_bytes)
        rotate(journal);
    if (journal->fd < 0 && open_file(journal) != 0)
        return;
    if (!journal->wants_config && journal->mode == JOURNAL_ALL)
        return;
    struct strbuf *out = journal->mode == JOURNAL_ALL ? &journal->line : &journal->config;
    strbuf_clear(out);
    struct jsonw w = JSONW_INIT(out);
    controller_encode_config_record(journal->controller, journal->fleet, now_ms, &w);
    if (journal->mode == JOURNAL_ALL && append_line(journal) == 0)
        journal->wants_config = false;
}

static void append_kept_config(struct journal *journal)
{
    strbuf_clear(&journal->line);
    strbuf_append(&journal->line, journal->config.data, journal->config.len);
    journal->wants_config = append_line(journal) != 0;
}

/* Whether a record may be written into journal->line, which is empty then. Without the config record in front
 * of it a record says nothing: that failure is counted already. */
static bool begin_record(struct journal *journal)
{
    if (journal->mode == JOURNAL_OFF)
        return false;
    if (journal->fd >= 0 && journal->mode == JOURNAL_CHANGES)
        append_kept_config(journal);
    strbuf_clear(&journal->line);
    return journal->fd >= 0 && !journal->wants_config;
}

static void end_record(struct journal *journal)
{
    if (append_line(journal) == 0)
        note_success(journal);
}

void journal_after_step(struct journal *journal, const struct decision *decision)
{
    if (journal->mode == JOURNAL_CHANGES && decision->to == decision->from)
        return;
    if (!begin_record(journal))
        return;
    struct jsonw w = JSONW_INIT(&journal->line);
    decision_encode_json(decision, &w);
    end_record(journal);
}

void journal_after_override(struct journal *journal, const struct override *override, int64_t now_ms)
{
    if (!begin_record(journal))
        return;
    struct jsonw w = JSONW_INIT(&journal->line);
    controller_encode_override_record(override, journal->fleet, now_ms, &w);
    end_record(journal);
}
