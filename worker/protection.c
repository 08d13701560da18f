/* When to ask for task protection; see protection.h. */
#include "worker/protection.h"

#include "base/jsonp.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE_MS = 60000 };

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int protection_minutes(int64_t visibility_ms, int64_t stop_grace_ms)
{
    int64_t minutes = (later(visibility_ms, stop_grace_ms) + MINUTE_MS - 1) / MINUTE_MS;
    minutes += PROTECTION_MARGIN_MINUTES;
    return (int)(minutes < PROTECTION_MINUTES_MAX ? minutes : PROTECTION_MINUTES_MAX);
}

void protection_init(struct protection *p, int minutes, int64_t now_ms)
{
    *p = (struct protection){
        .minutes = minutes, .edge_ms = now_ms, .until_ms = INT64_MIN, .not_before_ms = now_ms};
}

/* ---- what is wanted ---- */

static int64_t expiry_ms(const struct protection *p)
{
    return (int64_t)p->minutes * MINUTE_MS;
}

/* Whether ECS may protect the task, for certain or not. */
static bool is_claimed(const struct protection *p, int64_t now_ms)
{
    return p->until_ms > now_ms;
}

bool protection_is_on(const struct protection *p, int64_t now_ms)
{
    return p->is_protected && now_ms < p->granted_ms + expiry_ms(p);
}

/* What is wanted next, and from when. */
static enum protection_ask wanted(const struct protection *p, int64_t now_ms, int64_t *ret_from_ms)
{
    enum protection_ask ask = PROTECTION_NOTHING;
    *ret_from_ms = INT64_MAX;
    if (p->busy && protection_is_on(p, now_ms)) {
        ask = PROTECTION_PROTECT; /* renewed well before it ends */
        *ret_from_ms = p->granted_ms + expiry_ms(p) / 2;
    } else if (p->busy && !p->draining) {
        ask = PROTECTION_PROTECT;
        *ret_from_ms = p->edge_ms + PROTECTION_SETTLE_MS;
    } else if (!p->busy && is_claimed(p, now_ms)) {
        ask = PROTECTION_RELEASE;
        *ret_from_ms = later(p->edge_ms + PROTECTION_LINGER_MS, p->claimed_ms + PROTECTION_HOLD_MS);
    }
    if (ask != PROTECTION_NOTHING)
        *ret_from_ms = later(*ret_from_ms, p->not_before_ms);
    return ask;
}

int64_t protection_due_ms(const struct protection *p, int64_t now_ms)
{
    int64_t from_ms = 0;
    (void)wanted(p, now_ms, &from_ms);
    return p->on_wire ? INT64_MAX : from_ms;
}

enum protection_ask protection_next(struct protection *p, int64_t now_ms)
{
    int64_t from_ms = 0;
    enum protection_ask ask = wanted(p, now_ms, &from_ms);
    if (p->on_wire || ask == PROTECTION_NOTHING || now_ms < from_ms)
        return PROTECTION_NOTHING;
    if (ask != p->asked)
        p->tries = 0;
    p->on_wire = true;
    p->asked = ask;
    p->sent_ms = now_ms;
    return ask;
}

/* ---- events ---- */

void protection_set_busy(struct protection *p, bool busy, int64_t now_ms)
{
    if (busy == p->busy)
        return;
    p->busy = busy;
    p->edge_ms = now_ms;
}

void protection_drain(struct protection *p)
{
    p->draining = true;
}

static void claim(struct protection *p)
{
    p->claimed_ms = p->sent_ms;
    p->until_ms = p->sent_ms + expiry_ms(p);
}

/* The call is given up; the next one waits longer the more of them were. */
static void miss(struct protection *p, int64_t now_ms)
{
    int64_t pause_ms = PROTECTION_PAUSE_MS;
    for (int i = 0; i < p->misses && pause_ms < PROTECTION_PAUSE_MAX_MS; i++)
        pause_ms *= 2;
    p->misses++;
    p->tries = 0;
    p->not_before_ms = now_ms + (pause_ms < PROTECTION_PAUSE_MAX_MS ? pause_ms : PROTECTION_PAUSE_MAX_MS);
}

static void on_done(struct protection *p)
{
    p->tries = 0;
    p->misses = 0;
    p->is_protected = p->asked == PROTECTION_PROTECT;
    if (!p->is_protected) {
        p->until_ms = INT64_MIN;
        return;
    }
    p->granted_ms = p->sent_ms;
    claim(p);
}

void protection_on_reply(struct protection *p, enum protection_outcome outcome, int64_t now_ms)
{
    p->on_wire = false;
    switch (outcome) {
    case PROTECTION_DONE:
        on_done(p);
        return;
    case PROTECTION_REFUSED:
        p->refusals++;
        /* What an earlier call got may still hold: it is given back, but not counted on. */
        if (p->asked == PROTECTION_PROTECT)
            p->is_protected = false;
        miss(p, now_ms);
        return;
    case PROTECTION_DENIED:
        p->failures++;
        miss(p, now_ms);
        return;
    case PROTECTION_FAILED:
        p->failures++;
        if (p->asked == PROTECTION_PROTECT)
            claim(p);
        else
            p->is_protected = false; /* it may be gone: not counted on, and given back once more */
        if (++p->tries < PROTECTION_TRIES)
            p->not_before_ms = now_ms + PROTECTION_AGAIN_MS;
        else
            miss(p, now_ms);
        return;
    }
}

bool protection_end(struct protection *p, int64_t now_ms)
{
    if (p->on_wire && p->asked == PROTECTION_PROTECT)
        claim(p);
    p->on_wire = false;
    p->draining = true;
    if (!is_claimed(p, now_ms))
        return false;
    p->on_wire = true;
    p->asked = PROTECTION_RELEASE;
    p->sent_ms = now_ms;
    return true;
}

/* ---- replies ---- */

struct reply {
    bool has_protection, is_protected, has_failure;
    char *reason; /* of reason_size bytes */
    size_t reason_size;
};

static void take_text(struct jsonp *p, struct reply *reply)
{
    const char *text = NULL;
    size_t len = 0;
    if (jsonp_peek(p) != JSONP_STRING)
        jsonp_skip(p);
    else if (jsonp_string(p, &text, &len))
        (void)snprintf(reply->reason, reply->reason_size, "%s", text);
}

static void take_members(struct jsonp *p, struct reply *reply)
{
    const char *key = NULL;
    if (jsonp_peek(p) != JSONP_OBJECT) {
        jsonp_skip(p);
        return;
    }
    jsonp_object(p);
    while (jsonp_next_key(p, &key)) {
        if (strcmp(key, "Reason") == 0 || strcmp(key, "Code") == 0)
            take_text(p, reply);
        else if (strcmp(key, "ProtectionEnabled") == 0 && jsonp_peek(p) == JSONP_BOOL)
            reply->has_protection = jsonp_bool(p, &reply->is_protected);
        else
            jsonp_skip(p);
    }
}

static bool take_reply(char *body, size_t len, struct reply *reply)
{
    const char *key = NULL;
    struct jsonp p = jsonp_start(body, len);
    if (jsonp_object(&p))
        while (jsonp_next_key(&p, &key)) {
            if (strcmp(key, "failure") == 0 && jsonp_peek(&p) == JSONP_OBJECT) {
                reply->has_failure = true;
                take_members(&p, reply);
            } else if (strcmp(key, "protection") == 0 || strcmp(key, "error") == 0)
                take_members(&p, reply);
            else
                jsonp_skip(&p);
        }
    return jsonp_finish(&p);
}

enum protection_outcome protection_read_reply(int http_status, char *body, size_t len, bool wanted_on,
                                              char *reason, size_t reason_size)
{
    struct reply reply = {.reason = reason, .reason_size = reason_size};
    (void)snprintf(reason, reason_size, "HTTP %d", http_status);
    bool readable = take_reply(body, len, &reply);
    if (http_status == 429 || http_status >= 500 || http_status < 200)
        return PROTECTION_FAILED;
    if (http_status != 200)
        return PROTECTION_DENIED;
    if (readable && reply.has_failure)
        return PROTECTION_REFUSED;
    if (readable && reply.has_protection && reply.is_protected == wanted_on)
        return PROTECTION_DONE;
    (void)snprintf(reason, reason_size, "the reply does not say so");
    return PROTECTION_FAILED;
}
