/* What a demo needs before its first act: folder, environment, configuration. See demo.h. */
#include "supervisor/demo.h"

#include "base/duration.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK_NAME "SLUICE_DEMO_MARK"

enum { MARK_LETTERS = 20 };

static void name_files(struct demo *demo)
{
    const char *folder = demo->sandbox.folder;
    struct demo_paths *paths = &demo->paths;

    paths->config = sandbox_path(folder, "fleet.json");
    paths->state_dir = sandbox_path(folder, "state");
    paths->socket = sandbox_path(folder, "admin.sock");
    paths->sent = sandbox_path(folder, "sent.jsonl");
    paths->ledger = sandbox_path(folder, "ledger");
}

int demo_setup(struct demo *demo, struct err *err)
{
    if (sandbox_open(&demo->sandbox, "demo", err) != 0)
        return -1;
    name_files(demo);
    (void)snprintf(demo->mark, sizeof demo->mark, "%s=", MARK_NAME);
    if (sandbox_random_letters(demo->mark + strlen(demo->mark), MARK_LETTERS, err) != 0)
        return -1;
    return sandbox_set_environment(demo->options.speed, err);
}

static void write_duration(struct jsonw *w, const char *key, int64_t ms)
{
    char text[48];

    jsonw_key_str(w, key, duration_format(ms, text));
}

static void write_number_text(struct jsonw *w, const char *key, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    jsonw_key_str(w, key, text);
}

static void write_worker(const struct demo *demo, struct jsonw *w)
{
    char *program = sandbox_path(demo->sandbox.program_dir, "sluice-worker");
    const char *const command[] = {program, "--handler", "payment", "--ledger", demo->paths.ledger};

    jsonw_key(w, "fleet");
    jsonw_object(w);
    jsonw_key_str(w, "type", "local");
    jsonw_key(w, "command");
    jsonw_array(w);
    for (size_t i = 0; i < sizeof command / sizeof command[0]; i++)
        jsonw_str(w, command[i]);
    jsonw_end_array(w);
    jsonw_key(w, "env");
    jsonw_object(w);
    write_number_text(w, "NUM_WORKERS", demo->options.threads);
    write_number_text(w, "PAYMENT_SLOTS", demo->options.slots);
    write_duration(w, "PAYMENT_TIME", demo->options.payment_time);
    jsonw_key_str(w, MARK_NAME, strchr(demo->mark, '=') + 1);
    jsonw_end_object(w);
    jsonw_key_str(w, "stop_grace", "30s");
    jsonw_end_object(w);
    free(program);
}

int demo_setup_write_config(const struct demo *demo, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&text);

    jsonw_object(&w);
    jsonw_key_str(&w, "region", SANDBOX_REGION);
    jsonw_key_str(&w, "state_dir", demo->paths.state_dir);
    jsonw_key(&w, "admin");
    jsonw_object(&w);
    jsonw_key_str(&w, "socket", demo->paths.socket);
    jsonw_end_object(&w);
    jsonw_key(&w, "fleets");
    jsonw_array(&w);
    jsonw_object(&w);
    jsonw_key_str(&w, "name", "orders");
    jsonw_key(&w, "queue");
    jsonw_object(&w);
    jsonw_key_str(&w, "url", demo->queue.url);
    jsonw_key_str(&w, "poll", "5s");
    jsonw_end_object(&w);
    jsonw_key(&w, "capacity");
    jsonw_object(&w);
    jsonw_key_int(&w, "min", demo->options.min);
    jsonw_key_int(&w, "target", demo->options.target);
    jsonw_key_int(&w, "max", demo->options.max);
    jsonw_end_object(&w);
    /* The source's rule, spelled out although these are the defaults. */
    jsonw_key(&w, "policy");
    jsonw_object(&w);
    jsonw_key_str(&w, "type", "threshold");
    jsonw_key_int(&w, "scale_out_above", 20);
    jsonw_key_int(&w, "scale_in_below", 5);
    jsonw_key_str(&w, "scale_in_after", "5m");
    jsonw_key_str(&w, "cooldown", "60s");
    jsonw_end_object(&w);
    write_worker(demo, &w);
    jsonw_end_object(&w);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    strbuf_append_char(&text, '\n');
    int rc = file_write_atomic(demo->paths.config, text.data, text.len, 0600, err);
    strbuf_clean_up(&text);
    return rc != 0 ? -1 : 0;
}

void demo_setup_clean_up(struct demo *demo)
{
    struct demo_paths *paths = &demo->paths;

    sandbox_close(&demo->sandbox, demo->options.keep);
    free(paths->config);
    free(paths->state_dir);
    free(paths->socket);
    free(paths->sent);
    free(paths->ledger);
    *paths = (struct demo_paths){.config = NULL};
}
