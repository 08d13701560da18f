/* Saved controller state; see state_file.h. */
#include "supervisor/state_file.h"

#include "base/file.h"
#include "base/jsonw.h"
#include "base/strbuf.h"
#include "supervisor/orphans.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { PAD_BYTES = 512 };

static void state_path(struct strbuf *path, const char *state_dir, const char *fleet)
{
    strbuf_appendf(path, "%s/%s.state.json", state_dir, fleet);
}

/* Spaces and a newline, up to a multiple of PAD_BYTES, so that the next state is as long and can be written
 * over this one. */
static void pad(struct strbuf *text)
{
    while (text->len % PAD_BYTES != PAD_BYTES - 1)
        strbuf_append_char(text, ' ');
    strbuf_append_char(text, '\n');
}

size_t state_text_write(const char *fleet, const struct controller *controller, int64_t now_ms,
                        struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    jsonw_object(&w);
    jsonw_key_int(&w, "v", STATE_FILE_VERSION);
    jsonw_key_int(&w, "saved_at_ms", now_ms);
    size_t start = out->len;
    jsonw_key_str(&w, "boot_id", worker_record_boot_id());
    jsonw_key_str(&w, "fleet", fleet);
    jsonw_key_int(&w, "desired", controller_desired(controller));
    jsonw_key(&w, "controller");
    controller_save(controller, &w);
    jsonw_end_object(&w);
    return start;
}

int state_text_restore(const char *text, size_t len, struct controller *controller, struct err *err)
{
    json_error_t where;
    int rc = -1;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    const json_t *version = json_object_get(root, "v");
    const json_t *state = json_object_get(root, "controller");
    if (root == NULL)
        (void)err_set(err, "%d:%d: %s", where.line, where.column, where.text);
    else if (!json_is_integer(version) || json_integer_value(version) < 1)
        (void)err_set(err, "v: missing or no version number");
    else if (json_integer_value(version) > STATE_FILE_VERSION)
        (void)err_set(err, "v: %" JSON_INTEGER_FORMAT ": written by a newer sluice, this one reads up to %d",
                      json_integer_value(version), STATE_FILE_VERSION);
    else if (!json_is_object(state))
        (void)err_set(err, "controller: missing");
    else
        rc = controller_restore(controller, state, err);
    json_decref(root);
    return rc;
}

int state_file_save(const char *state_dir, const char *fleet, const struct controller *controller,
                    int64_t now_ms, enum state_file_care care, struct strbuf *written, struct err *err)
{
    int rc = 0;
    struct strbuf path = STRBUF_INIT;
    struct strbuf text = STRBUF_INIT;
    state_path(&path, state_dir, fleet);
    size_t start = state_text_write(fleet, controller, now_ms, &text);
    const char *news = text.data + start;
    if (care == STATE_FILE_LAZY && strcmp(strbuf_str(written), news) == 0)
        goto done;
    size_t news_len = text.len - start;
    pad(&text);
    if (care == STATE_FILE_SYNCED)
        rc = file_write_atomic(strbuf_str(&path), text.data, text.len, 0600, err);
    else if (file_overwrite(strbuf_str(&path), text.data, text.len) != 0)
        rc = file_write_unsynced(strbuf_str(&path), text.data, text.len, 0600, err);
    strbuf_clear(written);
    if (rc == 0)
        strbuf_append(written, text.data + start, news_len);
done:
    strbuf_clean_up(&path);
    strbuf_clean_up(&text);
    return rc;
}

enum state_file_outcome state_file_load(const char *state_dir, const char *fleet,
                                        struct controller *controller, struct err *err)
{
    struct strbuf path = STRBUF_INIT;
    struct strbuf bad = STRBUF_INIT;
    struct strbuf text = STRBUF_INIT;
    enum state_file_outcome outcome = STATE_FILE_RESTORED;
    state_path(&path, state_dir, fleet);
    int rc = file_read(strbuf_str(&path), STATE_FILE_MAX_BYTES, &text, err);
    if (rc == -ENOENT) {
        outcome = STATE_FILE_NONE;
    } else if (rc != 0 || state_text_restore(strbuf_str(&text), text.len, controller, err) != 0) {
        outcome = STATE_FILE_BAD;
        if (rc == 0)
            (void)err_prefix(err, "%s", strbuf_str(&path));
        strbuf_appendf(&bad, "%s.bad", strbuf_str(&path));
        if (rename(strbuf_str(&path), strbuf_str(&bad)) != 0) {
            outcome = STATE_FILE_STUCK;
            (void)err_prefix(err, "rename to %s: %s", strbuf_str(&bad), strerror(errno));
        }
    }
    strbuf_clean_up(&path);
    strbuf_clean_up(&bad);
    strbuf_clean_up(&text);
    return outcome;
}
