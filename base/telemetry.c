/* Lines of the worker contract: encode, parse, split a stream, send without blocking. */
#include "base/telemetry.h"

#include "base/jsonw.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *const TYPE_NAMES[TELEMETRY_TYPE_MAX] = {"ready", "stats", "bye", "limit", "hist"};
static const char *const STATE_NAMES[TELEMETRY_STATE_MAX] = {"running", "draining"};
#define X(name) #name,
static const char *const HIST_NAMES[TELEMETRY_HIST_MAX] = {TELEMETRY_HISTS(X)};
#undef X

static void encode_stats(const struct telemetry_stats *stats, struct jsonw *w)
{
    jsonw_key_int(w, "t_ms", stats->t_ms);
    jsonw_key_str(w, "state", STATE_NAMES[stats->state]);
#define X(name) jsonw_key_int(w, #name, stats->name);
    TELEMETRY_GAUGES(X)
    TELEMETRY_COUNTERS(X)
    TELEMETRY_MORE_GAUGES(X)
    TELEMETRY_MORE_COUNTERS(X)
#undef X
}

static int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

void telemetry_add_counters(struct telemetry_stats *sum, const struct telemetry_stats *more)
{
#define X(name) sum->name = add_saturating(sum->name, more->name);
    TELEMETRY_COUNTERS(X)
    TELEMETRY_MORE_COUNTERS(X)
#undef X
}

/* ---- histograms ---- */

static int64_t count_group(const struct histogram *h, int group, int shift)
{
    int64_t count = 0;
    int end = (group + 1) << shift;
    for (int i = group << shift; i < end && i < HISTOGRAM_BUCKETS; i++)
        count += h->buckets[i];
    return count;
}

static void encode_buckets(const struct histogram *h, int shift, struct jsonw *w)
{
    jsonw_key_int(w, "shift", shift);
    jsonw_key(w, "buckets");
    jsonw_array(w);
    for (int group = 0; group << shift < HISTOGRAM_BUCKETS; group++) {
        int64_t count = count_group(h, group, shift);
        if (count == 0)
            continue;
        jsonw_array(w);
        jsonw_int(w, group);
        jsonw_int(w, count);
        jsonw_end_array(w);
    }
    jsonw_end_array(w);
}

/* In buckets as fine as the line allows. With the coarsest there is only one. */
static void encode_hist(const struct telemetry_line *line, struct jsonw *w, size_t line_start)
{
    const struct histogram *h = &line->histogram;
    jsonw_key_str(w, "name", HIST_NAMES[line->hist]);
    jsonw_key_int(w, "count", h->count);
    jsonw_key_int(w, "sum", h->sum);
    jsonw_key_int(w, "max", h->max);
    size_t before = w->out->len;
    bool comma = w->need_comma;
    for (int shift = 0;; shift++) {
        encode_buckets(h, shift, w);
        if (w->out->len + 1 - line_start <= TELEMETRY_LINE_MAX)
            return;
        w->out->len = before;
        w->need_comma = comma;
    }
}

/* ---- lines ---- */

void telemetry_encode(const struct telemetry_line *line, struct strbuf *out)
{
    struct jsonw w = JSONW_INIT(out);
    size_t line_start = out->len;
    jsonw_object(&w);
    jsonw_key_int(&w, "v", TELEMETRY_VERSION);
    jsonw_key_str(&w, "type", TYPE_NAMES[line->type]);
    switch (line->type) {
    case TELEMETRY_READY:
        jsonw_key_str(&w, "worker", line->worker);
        if (line->task[0] != '\0')
            jsonw_key_str(&w, "task", line->task);
        if (line->started_ms > 0)
            jsonw_key_int(&w, "started_ms", line->started_ms);
        jsonw_key_int(&w, "pid", line->pid);
        jsonw_key_int(&w, "threads", line->threads);
        jsonw_key_int(&w, "capacity", line->capacity);
        break;
    case TELEMETRY_STATS:
        encode_stats(&line->stats, &w);
        break;
    case TELEMETRY_BYE:
        jsonw_key_str(&w, "reason", line->reason);
        jsonw_key_int(&w, "returned", line->returned);
        break;
    case TELEMETRY_LIMIT:
        jsonw_key_int(&w, "capacity", line->capacity);
        break;
    case TELEMETRY_HIST:
        encode_hist(line, &w, line_start);
        break;
    case TELEMETRY_TYPE_MAX:
        break;
    }
    jsonw_end_object(&w);
    strbuf_append_char(out, '\n');
}

/* A member that must be a whole number from 0 to max. */
static int get_number(const json_t *object, const char *key, int64_t max, int64_t *ret, struct err *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
        return err_set(err, "%s: want a whole number from 0 to %lld", key, (long long)max);
    *ret = json_integer_value(value);
    return 0;
}

static int get_count(const json_t *object, const char *key, int64_t *ret, struct err *err)
{
    return get_number(object, key, TELEMETRY_COUNTER_MAX, ret, err);
}

static int get_gauge(const json_t *object, const char *key, int64_t *ret, struct err *err)
{
    /* Of the gauges one is a time, and a queue may be silent for long. */
    bool is_time = strcmp(key, "last_receive_age_ms") == 0;
    return get_number(object, key, is_time ? TELEMETRY_COUNTER_MAX : TELEMETRY_GAUGE_MAX, ret, err);
}

static int get_text(const json_t *object, const char *key, char *out, size_t size, struct err *err)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL || strlen(text) >= size)
        return err_set(err, "%s: want a text of at most %zu bytes", key, size - 1);
    (void)snprintf(out, size, "%s", text);
    return 0;
}

static int find_name(const char *const *names, int count, const char *text)
{
    for (int i = 0; text != NULL && i < count; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

static int parse_stats(const json_t *object, struct telemetry_stats *stats, struct err *err)
{
    int state =
        find_name(STATE_NAMES, TELEMETRY_STATE_MAX, json_string_value(json_object_get(object, "state")));
    if (state < 0)
        return err_set(err, "state: want running or draining");
    stats->state = (enum telemetry_state)state;
    if (get_count(object, "t_ms", &stats->t_ms, err) != 0)
        return -1;
#define X(name)                                                                                              \
    if (get_gauge(object, #name, &stats->name, err) != 0)                                                    \
        return -1;
    TELEMETRY_GAUGES(X)
#undef X
#define X(name)                                                                                              \
    if (get_count(object, #name, &stats->name, err) != 0)                                                    \
        return -1;
    TELEMETRY_COUNTERS(X)
#undef X
#define X(name)                                                                                              \
    if (json_object_get(object, #name) != NULL && get_count(object, #name, &stats->name, err) != 0)          \
        return -1;
    TELEMETRY_MORE_GAUGES(X)
    TELEMETRY_MORE_COUNTERS(X)
#undef X
    return 0;
}

static int parse_ready(const json_t *object, struct telemetry_line *line, struct err *err)
{
    int64_t pid = 0;
    if (get_text(object, "worker", line->worker, sizeof line->worker, err) != 0 ||
        get_gauge(object, "pid", &pid, err) != 0 || get_gauge(object, "threads", &line->threads, err) != 0)
        return -1;
    line->pid = (pid_t)pid;
    if (json_object_get(object, "task") != NULL &&
        get_text(object, "task", line->task, sizeof line->task, err) != 0)
        return -1;
    if (json_object_get(object, "started_ms") != NULL &&
        get_count(object, "started_ms", &line->started_ms, err) != 0)
        return -1;
    return get_gauge(object, "capacity", &line->capacity, err);
}

static int get_element(const json_t *pair, size_t at, int64_t max, int64_t *ret)
{
    const json_t *value = json_array_get(pair, at);
    *ret = json_integer_value(value);
    return json_is_integer(value) && *ret >= 0 && *ret <= max ? 0 : -1;
}

/* Buckets in rising order, each once. */
static int parse_buckets(const json_t *list, int shift, struct histogram *h, struct err *err)
{
    size_t at = 0;
    json_t *pair = NULL;
    int64_t least = 0;
    int64_t total = 0;
    if (!json_is_array(list))
        return err_set(err, "buckets: want a list");
    json_array_foreach(list, at, pair)
    {
        int64_t group = 0;
        int64_t count = 0;
        if (json_array_size(pair) != 2 ||
            get_element(pair, 0, (HISTOGRAM_BUCKETS - 1) >> shift, &group) != 0 || group < least ||
            get_element(pair, 1, TELEMETRY_COUNTER_MAX, &count) != 0)
            return err_set(err, "buckets: want [index,count] with indexes that rise up to %d",
                           (HISTOGRAM_BUCKETS - 1) >> shift);
        int64_t highest = ((group + 1) << shift) - 1;
        h->buckets[highest < HISTOGRAM_BUCKETS ? highest : HISTOGRAM_BUCKETS - 1] = count;
        total = add_saturating(total, count);
        least = group + 1;
    }
    return total == h->count ? 0 : err_set(err, "buckets: their sum is not the count");
}

static int parse_hist(const json_t *object, struct telemetry_line *line, struct err *err)
{
    int64_t shift = 0;
    struct histogram *h = &line->histogram;
    const char *name = json_string_value(json_object_get(object, "name"));
    int hist = find_name(HIST_NAMES, TELEMETRY_HIST_MAX, name);
    if (name == NULL)
        return err_set(err, "name: want a text");
    if (hist < 0) {
        line->type = TELEMETRY_TYPE_MAX; /* one of later days */
        return 0;
    }
    line->hist = (enum telemetry_hist)hist;
    if (json_object_get(object, "shift") != NULL && get_number(object, "shift", 10, &shift, err) != 0)
        return -1;
    if (get_count(object, "count", &h->count, err) != 0 || get_count(object, "sum", &h->sum, err) != 0 ||
        get_count(object, "max", &h->max, err) != 0)
        return -1;
    return parse_buckets(json_object_get(object, "buckets"), (int)shift, h, err);
}

static int parse_object(const json_t *object, struct telemetry_line *line, struct err *err)
{
    int64_t version = 0;
    if (!json_is_object(object))
        return err_set(err, "want a JSON object");
    if (get_count(object, "v", &version, err) != 0)
        return -1;
    if (version != TELEMETRY_VERSION)
        return err_set(err, "v: %lld: want %d", (long long)version, TELEMETRY_VERSION);
    const char *type = json_string_value(json_object_get(object, "type"));
    if (type == NULL)
        return err_set(err, "type: want a text");
    int known = find_name(TYPE_NAMES, TELEMETRY_TYPE_MAX, type);
    line->type = known >= 0 ? (enum telemetry_type)known : TELEMETRY_TYPE_MAX;
    switch (line->type) {
    case TELEMETRY_READY:
        return parse_ready(object, line, err);
    case TELEMETRY_STATS:
        return parse_stats(object, &line->stats, err);
    case TELEMETRY_BYE:
        if (get_text(object, "reason", line->reason, sizeof line->reason, err) != 0)
            return -1;
        return get_count(object, "returned", &line->returned, err);
    case TELEMETRY_LIMIT:
        return get_gauge(object, "capacity", &line->capacity, err);
    case TELEMETRY_HIST:
        return parse_hist(object, line, err);
    case TELEMETRY_TYPE_MAX:
        break;
    }
    return 0;
}

int telemetry_parse(const char *text, size_t len, struct telemetry_line *ret_line, struct err *err)
{
    struct telemetry_line line;
    json_error_t json_error;
    if (len > TELEMETRY_LINE_MAX)
        return err_set(err, "line of %zu bytes: want at most %d", len, TELEMETRY_LINE_MAX);
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &json_error);
    if (object == NULL)
        return err_set(err, "not JSON: %s", json_error.text);
    memset(&line, 0, sizeof line);
    int rc = parse_object(object, &line, err);
    json_decref(object);
    if (rc == 0)
        *ret_line = line;
    return rc;
}

/* One complete line sits at the start of pending. */
static void reader_take(struct telemetry_reader *reader, const char *text, size_t len,
                        void (*fn)(void *arg, const struct telemetry_line *line), void *arg)
{
    struct telemetry_line line;
    if (reader->skipping) {
        reader->skipping = false;
        return;
    }
    if (len == 0)
        return;
    if (telemetry_parse(text, len, &line, NULL) != 0) {
        reader->bad_lines++;
        return;
    }
    if (line.type != TELEMETRY_TYPE_MAX)
        fn(arg, &line);
}

void telemetry_reader_feed(struct telemetry_reader *reader, const char *bytes, size_t len,
                           void (*fn)(void *arg, const struct telemetry_line *line), void *arg)
{
    struct strbuf *pending = &reader->pending;
    strbuf_append(pending, bytes, len);
    size_t start = 0;
    for (;;) {
        const char *from = pending->data + start;
        const char *newline = memchr(from, '\n', pending->len - start);
        if (newline == NULL)
            break;
        reader_take(reader, from, (size_t)(newline - from), fn, arg);
        start += (size_t)(newline - from) + 1;
    }
    strbuf_consume(pending, start);
    if (pending->len > TELEMETRY_LINE_MAX) {
        if (!reader->skipping)
            reader->bad_lines++;
        reader->skipping = true;
        strbuf_clear(pending);
    }
}

void telemetry_reader_clean_up(struct telemetry_reader *reader)
{
    strbuf_clean_up(&reader->pending);
}

/* Sends as much as the kernel takes. Returns bytes sent or negative errno (0 when it takes nothing now). */
static ssize_t send_some(int fd, const char *bytes, size_t len)
{
    ssize_t sent = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    return sent < 0 ? -errno : sent;
}

int telemetry_writer_send(struct telemetry_writer *writer, int fd, const struct telemetry_line *line)
{
    struct strbuf text = STRBUF_INIT;
    int rc = 0;
    ssize_t sent = 0;
    if (writer->rest.len > 0) {
        sent = send_some(fd, writer->rest.data, writer->rest.len);
        if (sent < 0)
            return (int)sent;
        strbuf_consume(&writer->rest, (size_t)sent);
    }
    telemetry_encode(line, &text);
    sent = writer->rest.len > 0 ? 0 : send_some(fd, text.data, text.len);
    if (sent < 0) {
        rc = (int)sent;
    } else if (sent == 0) {
        writer->dropped++;
        rc = 1;
    } else if ((size_t)sent < text.len) {
        strbuf_append(&writer->rest, text.data + sent, text.len - (size_t)sent);
    }
    strbuf_clean_up(&text);
    return rc;
}

void telemetry_writer_clean_up(struct telemetry_writer *writer)
{
    strbuf_clean_up(&writer->rest);
}
