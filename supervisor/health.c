/* Alive and ready; see health.h. */
#include "supervisor/health.h"

#include "base/jsonw.h"

#include <inttypes.h>
#include <math.h>

enum { REASONS_MAX = 100 };

bool health_fleet_is_fresh(const struct fleet_facts *fleet)
{
    return fleet->data_age_ms != FACT_UNKNOWN && fleet->data_age_ms >= 0 &&
           fleet->data_age_ms <= fleet->stale_after_ms;
}

int health_write_alive(const struct supervisor_facts *facts, struct strbuf *out)
{
    bool is_alive = facts->heartbeat_age_ms <= HEALTH_HEARTBEAT_MAX_MS;
    struct jsonw w = JSONW_INIT(out);
    jsonw_object(&w);
    jsonw_key_str(&w, "status", is_alive ? "ok" : "stuck");
    jsonw_key_int(&w, "heartbeat_age_ms", facts->heartbeat_age_ms);
    if (!is_alive) {
        struct strbuf text = STRBUF_INIT;
        strbuf_appendf(&text, "the event loop has not turned for %.1f s, %d s are allowed",
                       (double)facts->heartbeat_age_ms / 1000.0, HEALTH_HEARTBEAT_MAX_MS / 1000);
        jsonw_key(&w, "reasons");
        jsonw_array(&w);
        jsonw_str(&w, strbuf_str(&text));
        jsonw_end_array(&w);
        strbuf_clean_up(&text);
    }
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
    return is_alive ? 200 : 503;
}

static void write_fleet_reason(const struct fleet_facts *fleet, struct jsonw *w)
{
    struct strbuf text = STRBUF_INIT;
    if (fleet->data_age_ms == FACT_UNKNOWN)
        strbuf_appendf(&text, "fleet %s: its queue has not been read yet", fleet->name);
    else
        strbuf_appendf(&text, "fleet %s: its queue was read %.1f s ago, %.1f s are allowed", fleet->name,
                       (double)fleet->data_age_ms / 1000.0, (double)fleet->stale_after_ms / 1000.0);
    jsonw_str(w, strbuf_str(&text));
    strbuf_clean_up(&text);
}

static void write_reasons(const struct supervisor_facts *facts, bool is_fresh, struct jsonw *w)
{
    size_t told = 0;
    jsonw_key(w, "reasons");
    jsonw_array(w);
    if (facts->draining)
        jsonw_str(w, "it drains its workers and leaves");
    if (facts->role != SUPERVISOR_LEADER)
        jsonw_str(w, "another supervisor leads");
    for (size_t i = 0; i < facts->fleet_count && !is_fresh && told < REASONS_MAX; i++) {
        if (health_fleet_is_fresh(&facts->fleets[i]))
            continue;
        write_fleet_reason(&facts->fleets[i], w);
        told++;
    }
    jsonw_end_array(w);
}

int health_write_ready(const struct supervisor_facts *facts, double fresh_share, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    size_t fresh = 0;
    for (size_t i = 0; i < facts->fleet_count; i++)
        fresh += health_fleet_is_fresh(&facts->fleets[i]);
    /* A hair less, so that 0.7 of 10 is 7 although 0.7 * 10 is a little more in binary. */
    bool is_fresh = (double)fresh >= ceil(fresh_share * (double)facts->fleet_count - 1e-9);
    bool is_ready = is_fresh && !facts->draining && facts->role == SUPERVISOR_LEADER;
    jsonw_object(&w);
    jsonw_key_str(&w, "status", is_ready ? "ready" : "not ready");
    jsonw_key_str(&w, "role", facts->role == SUPERVISOR_LEADER ? "leader" : "follower");
    jsonw_key_int(&w, "fleets", (int64_t)facts->fleet_count);
    jsonw_key_int(&w, "fleets_fresh", (int64_t)fresh);
    if (!is_ready)
        write_reasons(facts, is_fresh, &w);
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
    return is_ready ? 200 : 503;
}
