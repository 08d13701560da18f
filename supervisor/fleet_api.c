/* Orders and explanations over HTTP; see fleet_api.h. */
#include "supervisor/fleet_api.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/options.h"

#include <jansson.h>
#include <stddef.h>
#include <string.h>

enum { NAMES_SHOWN = 10, NAME_SHOWN_BYTES = 2 * CONFIG_NAME_MAX, LAST_DEFAULT = 1 };

static void append_known(const struct config *config, struct strbuf *out)
{
    size_t shown = config->fleet_count < NAMES_SHOWN ? config->fleet_count : NAMES_SHOWN;
    for (size_t i = 0; i < shown; i++)
        strbuf_appendf(out, "%s%s", i > 0 ? ", " : "", config->fleets[i].name);
    if (shown < config->fleet_count)
        strbuf_appendf(out, " and %zu more", config->fleet_count - shown);
}

/* The fleet called so (`len` bytes); or NULL, and the reply says which there are. */
static struct fleet_control *find_fleet(const struct config *config, struct fleet_control *const *fleets,
                                        const char *name, size_t len, struct status_reply *reply)
{
    struct strbuf known = STRBUF_INIT;
    for (size_t i = 0; i < config->fleet_count; i++)
        if (strlen(config->fleets[i].name) == len && memcmp(config->fleets[i].name, name, len) == 0)
            return fleets[i];
    append_known(config, &known);
    status_reply_error(reply, 404, "no fleet is called \"%.*s\": want one of %s",
                       len < NAME_SHOWN_BYTES ? (int)len : NAME_SHOWN_BYTES, name, strbuf_str(&known));
    strbuf_clean_up(&known);
    return NULL;
}

/* ---- orders ---- */

static bool find_action(const char *name, enum override_kind *ret_kind, struct status_reply *reply)
{
    static const enum override_kind KINDS[] = {OVERRIDE_SCALE, OVERRIDE_PAUSE, OVERRIDE_NONE};
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strcmp(override_action(KINDS[i]), name) == 0) {
            *ret_kind = KINDS[i];
            return true;
        }
    status_reply_error(reply, 404, "no such action: want scale, pause or resume");
    return false;
}

static bool read_order(const struct status_request *request, enum override_kind kind,
                       struct override_order *ret_order, struct status_reply *reply)
{
    struct err err = {.text = ""};
    json_error_t where;
    bool empty = request->body_len == 0;
    json_t *json = json_loadb(empty ? "{}" : request->body, empty ? 2 : request->body_len,
                              JSON_REJECT_DUPLICATES, &where);
    int rc = -1;
    if (json == NULL)
        status_reply_error(reply, 400, "the body is no JSON: %d:%d: %s", where.line, where.column,
                           where.text);
    else if ((rc = override_order_parse(kind, json, ret_order, &err)) != 0)
        status_reply_error(reply, 400, "%s", err.text);
    json_decref(json);
    return rc == 0;
}

static void write_override(const char *key, const struct override *override, struct jsonw *w)
{
    jsonw_key(w, key);
    if (override->order.kind == OVERRIDE_NONE)
        jsonw_null(w);
    else
        override_encode_json(override, w);
}

static void write_ordered(const char *fleet, const struct fleet_control_ordered *ordered,
                          struct status_reply *reply)
{
    struct strbuf text = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&reply->body);
    const struct decision *decision = &ordered->decision;
    decision_text(decision, &text);
    jsonw_object(&w);
    jsonw_key_int(&w, "v", 1);
    jsonw_key_str(&w, "fleet", fleet);
    jsonw_key_str(&w, "action", override_action(ordered->made.order.kind));
    write_override("override", &ordered->made, &w);
    write_override("replaced", &ordered->replaced, &w);
    jsonw_key_int(&w, "from", decision->from);
    jsonw_key_int(&w, "to", decision->to);
    jsonw_key_str(&w, "why", decision_why_name(decision->why));
    jsonw_key_str(&w, "text", strbuf_str(&text));
    jsonw_key_str(&w, "save_error", ordered->save_error.text[0] != '\0' ? ordered->save_error.text : NULL);
    jsonw_end_object(&w);
    strbuf_append_char(&reply->body, '\n');
    strbuf_clean_up(&text);
}

void fleet_api_order(const struct config *config, struct fleet_control *const *fleets,
                     const struct status_request *request, struct status_reply *reply)
{
    struct override_order order;
    struct fleet_control_ordered ordered;
    struct err err = {.text = ""};
    enum override_kind kind = OVERRIDE_NONE;
    const char *slash = strchr(request->rest, '/');
    if (slash == NULL) {
        status_reply_error(reply, 404, "no such path: want /v1/fleets/NAME/scale, pause or resume");
        return;
    }
    size_t len = (size_t)(slash - request->rest);
    struct fleet_control *fleet = find_fleet(config, fleets, request->rest, len, reply);
    if (fleet == NULL || !find_action(slash + 1, &kind, reply) || !read_order(request, kind, &order, reply))
        return;
    order.uid = request->peer_uid;
    order.pid = request->peer_pid;
    if (fleet_control_override(fleet, &order, &ordered, &err) != 0)
        status_reply_error(reply, 409, "%s", err.text);
    else
        write_ordered(fleet_control_name(fleet), &ordered, reply);
}

/* ---- explanations ---- */

struct explain_query {
    int64_t last;
};

static const struct option_row QUERY_ROWS[] = {
    {.name = "last",
     .type = OPTION_INT,
     .offset = offsetof(struct explain_query, last),
     .min = 1,
     .max = FLEET_CONTROL_RUNS,
     .help = "how many runs of decisions"},
    OPTION_END,
};

void fleet_api_explain(const struct config *config, struct fleet_control *const *fleets,
                       const struct status_request *request, struct status_reply *reply)
{
    const char *name = status_request_query(request, "fleet");
    const char *last = status_request_query(request, "last");
    struct explain_query query = {.last = LAST_DEFAULT};
    struct err err = {.text = ""};
    if (name == NULL) {
        struct strbuf known = STRBUF_INIT;
        append_known(config, &known);
        status_reply_error(reply, 400, "fleet: missing: want one of %s", strbuf_str(&known));
        strbuf_clean_up(&known);
        return;
    }
    const struct fleet_control *fleet = find_fleet(config, fleets, name, strlen(name), reply);
    if (fleet == NULL)
        return;
    if (last != NULL && options_set_text(QUERY_ROWS, &query, last, &err) != 0) {
        status_reply_error(reply, 400, "%s", err.text);
        return;
    }
    struct jsonw w = JSONW_INIT(&reply->body);
    fleet_control_write_explain(fleet, (size_t)query.last, clock_product_ms(), &w);
    strbuf_append_char(&reply->body, '\n');
}
