/* Metrics of queues and custom ones; see metrics.h. */
#include "localaws/metrics.h"

#include "base/alloc.h"
#include "localaws/siphash.h"

#include <stdio.h>
#include <stdlib.h>

#define SEPARATOR '\x1f'
#define EQUALS '\x1e'

static const struct {
    const char *name, *unit;
} SQS_ROWS[] = {{"ApproximateAgeOfOldestMessage", "Seconds"},
                {"ApproximateNumberOfMessagesDelayed", "Count"},
                {"ApproximateNumberOfMessagesNotVisible", "Count"},
                {"ApproximateNumberOfMessagesVisible", "Count"},
                {"NumberOfEmptyReceives", "Count"},
                {"NumberOfMessagesDeleted", "Count"},
                {"NumberOfMessagesReceived", "Count"},
                {"NumberOfMessagesSent", "Count"},
                {"SentMessageSize", "Bytes"}};

enum { SQS_ROW_COUNT = sizeof SQS_ROWS / sizeof *SQS_ROWS };

const char *metrics_sqs_name(int row)
{
    return row < SQS_ROW_COUNT ? SQS_ROWS[row].name : NULL;
}

/* ---- life ---- */

void metrics_init(struct metrics *metrics, const struct metrics_settings *settings, int64_t now_ms)
{
    *metrics = (struct metrics){.settings = *settings, .minute = now_ms / METRICS_MINUTE_MS};
}

static void free_series(struct metrics_series *series)
{
    free(series->id);
    free(series->queue);
    free(series->custom);
    free(series);
}

void metrics_clean_up(struct metrics *metrics)
{
    struct strmap *const MAPS[] = {&metrics->queues, &metrics->customs};
    for (size_t i = 0; i < 2; i++) {
        size_t position = 0;
        for (struct metrics_series *series = NULL; (series = strmap_next(MAPS[i], &position)) != NULL;)
            free_series(series);
        strmap_clean_up(MAPS[i]);
    }
}

/* ---- queues ---- */

static uint32_t cut32(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* Whether the point of this queue and minute never comes: the same on every run. */
static bool is_gap(const struct metrics *metrics, const char *queue, int64_t minute)
{
    const uint64_t key[2] = {(uint64_t)minute, UINT64_C(0x676170)};
    double dice = (double)(siphash(key, queue, strlen(queue)) >> 11) / 9007199254740992.0;
    return dice < metrics->settings.gaps;
}

static void publish(struct metrics *metrics, const struct sqs_queue *queue, int64_t end_ms)
{
    const struct sqs_minute *m = &queue->minute;
    struct sqs_counts counts = sqs_queue_counts(queue);
    int64_t minute = end_ms / METRICS_MINUTE_MS - 1;
    int64_t oldest_ms = sqs_queue_oldest_ms(queue);
    bool is_empty = counts.visible + counts.in_flight + counts.delayed == 0;
    if (is_empty && end_ms - queue->called_ms > metrics->settings.active_after_ms)
        return;
    struct metrics_series *series = strmap_get(&metrics->queues, slice_of(queue->name));
    if (series == NULL) {
        series = xcalloc(1, sizeof *series);
        series->id = xstrdup(queue->name);
        series->queue = xcalloc(METRICS_MINUTES, sizeof *series->queue);
        strmap_put(&metrics->queues, slice_of(queue->name), series);
    }
    if (is_gap(metrics, queue->name, minute))
        return;
    series->latest_minute = minute;
    series->queue[minute % METRICS_MINUTES] = (struct metrics_queue_point){
        .minute = (uint32_t)minute,
        .sent = cut32(m->sent),
        .received = cut32(m->received),
        .deleted = cut32(m->deleted),
        .empty_receives = cut32(m->empty_receives),
        .visible = cut32(counts.visible),
        .in_flight = cut32(counts.in_flight),
        .delayed = cut32(counts.delayed),
        .oldest_age_s = oldest_ms >= end_ms ? 0 : cut32((uint64_t)(end_ms - oldest_ms) / 1000),
        .bytes = m->bytes,
        .bytes_min = cut32(m->bytes_min),
        .bytes_max = cut32(m->bytes_max)};
}

/* Series of queues that are gone and whose points are too old to be read. */
static void forget_old(struct metrics *metrics, const struct sqs_engine *engine)
{
    struct metrics_series *old[64];
    size_t count = 0;
    size_t position = 0;
    struct metrics_series *series = NULL;
    while (count < 64 && (series = strmap_next(&metrics->queues, &position)) != NULL)
        if (series->latest_minute < metrics->minute - METRICS_MINUTES &&
            sqs_engine_find(engine, slice_of(series->id)) == NULL)
            old[count++] = series;
    for (size_t i = 0; i < count; i++) {
        (void)strmap_remove(&metrics->queues, slice_of(old[i]->id));
        free_series(old[i]);
    }
}

void metrics_roll(struct metrics *metrics, struct sqs_engine *engine, int64_t now_ms)
{
    size_t position = 0;
    int64_t end_ms = metrics_next_ms(metrics);
    if (now_ms < end_ms)
        return;
    for (struct sqs_queue *queue = NULL; (queue = strmap_next(&engine->queues, &position)) != NULL;) {
        publish(metrics, queue, end_ms);
        queue->minute = (struct sqs_minute){.sent = 0};
    }
    metrics->minute = now_ms / METRICS_MINUTE_MS;
    forget_old(metrics, engine);
}

/* One sample a message; a minute without any is a sample of 0. */
static struct metrics_set of_events(uint32_t n)
{
    if (n == 0)
        return (struct metrics_set){.count = 1};
    return (struct metrics_set){.count = n, .sum = n, .min = 1, .max = 1};
}

static struct metrics_set of_gauge(uint32_t value)
{
    return (struct metrics_set){.count = 1, .sum = value, .min = value, .max = value};
}

/* In the order of SQS_ROWS. */
static struct metrics_set of_row(const struct metrics_queue_point *p, int row)
{
    const uint32_t gauges[] = {p->oldest_age_s, p->delayed, p->in_flight, p->visible};
    const uint32_t events[] = {p->empty_receives, p->deleted, p->received, p->sent};
    if (row < 4)
        return of_gauge(gauges[row]);
    if (row < 8)
        return of_events(events[row - 4]);
    return (struct metrics_set){
        .count = p->sent, .sum = (double)p->bytes, .min = p->bytes_min, .max = p->bytes_max};
}

/* ---- custom metrics ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct metrics_dimension *)a)->name, ((const struct metrics_dimension *)b)->name);
}

bool metrics_id_text(const struct metrics_id *id, char out[static METRICS_ID_BYTES_MAX])
{
    struct metrics_dimension sorted[METRICS_DIMENSIONS_MAX];
    memcpy(sorted, id->dimensions, id->dimension_count * sizeof *sorted);
    qsort(sorted, id->dimension_count, sizeof *sorted, by_name);
    int len = snprintf(out, METRICS_ID_BYTES_MAX, "%s%c%s", id->namespace_, SEPARATOR, id->name);
    for (size_t i = 0; i < id->dimension_count && len < METRICS_ID_BYTES_MAX; i++)
        len += snprintf(out + len, (size_t)(METRICS_ID_BYTES_MAX - len), "%c%s%c%s", SEPARATOR,
                        sorted[i].name, EQUALS, sorted[i].value);
    return len < METRICS_ID_BYTES_MAX;
}

void metrics_id_parse(char *text, struct metrics_id *ret)
{
    const char separator[] = {SEPARATOR, '\0'};
    const char equals[] = {EQUALS, '\0'};
    *ret = (struct metrics_id){.namespace_ = strsep(&text, separator)};
    ret->name = strsep(&text, separator);
    while (text != NULL && ret->dimension_count < METRICS_DIMENSIONS_MAX) {
        char *value = strsep(&text, separator);
        const char *name = strsep(&value, equals);
        ret->dimensions[ret->dimension_count++] = (struct metrics_dimension){name, value};
    }
}

void metrics_set_add(struct metrics_set *to, const struct metrics_set *set)
{
    if (set->count <= 0)
        return;
    to->min = to->count <= 0 || set->min < to->min ? set->min : to->min;
    to->max = to->count <= 0 || set->max > to->max ? set->max : to->max;
    to->count += set->count;
    to->sum += set->sum;
}

bool metrics_put(struct metrics *metrics, const struct metrics_id *id, const char *unit,
                 const struct metrics_set *set, int64_t time_ms, int64_t now_ms)
{
    char text[METRICS_ID_BYTES_MAX];
    int64_t minute = time_ms / METRICS_MINUTE_MS;
    if (!metrics_id_text(id, text))
        return false;
    struct metrics_series *series = strmap_get(&metrics->customs, slice_of(text));
    if (series == NULL) {
        if (metrics->customs.count >= METRICS_CUSTOM_MAX)
            return false;
        series = xcalloc(1, sizeof *series);
        series->id = xstrdup(text);
        series->custom = xcalloc(METRICS_MINUTES, sizeof *series->custom);
        strmap_put(&metrics->customs, slice_of(text), series);
    }
    (void)snprintf(series->unit, sizeof series->unit, "%s", unit);
    struct metrics_custom_point *point = &series->custom[minute % METRICS_MINUTES];
    if (minute <= now_ms / METRICS_MINUTE_MS - METRICS_MINUTES || minute < point->minute)
        return true;
    if (point->minute != minute)
        *point = (struct metrics_custom_point){.minute = minute};
    metrics_set_add(&point->set, set);
    if (minute > series->latest_minute)
        series->latest_minute = minute;
    return true;
}

/* ---- reading ---- */

static int sqs_row(const char *name)
{
    for (int row = 0; row < SQS_ROW_COUNT; row++)
        if (strcmp(name, SQS_ROWS[row].name) == 0)
            return row;
    return -1;
}

bool metrics_find(const struct metrics *metrics, const struct metrics_id *id, struct metrics_ref *ret)
{
    char text[METRICS_ID_BYTES_MAX];
    *ret = (struct metrics_ref){.row = -1};
    if (strcmp(id->namespace_, METRICS_SQS_NAMESPACE) == 0) {
        ret->row = sqs_row(id->name);
        if (ret->row < 0 || id->dimension_count != 1 || strcmp(id->dimensions[0].name, "QueueName") != 0)
            return false;
        ret->unit = SQS_ROWS[ret->row].unit;
        ret->series = strmap_get(&metrics->queues, slice_of(id->dimensions[0].value));
        return ret->series != NULL;
    }
    if (!metrics_id_text(id, text))
        return false;
    ret->series = strmap_get(&metrics->customs, slice_of(text));
    ret->unit = ret->series == NULL ? NULL : ret->series->unit;
    return ret->series != NULL;
}

struct metrics_set metrics_read(const struct metrics *metrics, const struct metrics_ref *ref, int64_t minute,
                                int64_t now_ms)
{
    struct metrics_set none = {.count = 0};
    if (minute < 0 || minute <= now_ms / METRICS_MINUTE_MS - METRICS_MINUTES)
        return none;
    if (ref->row < 0) {
        const struct metrics_custom_point *point = &ref->series->custom[minute % METRICS_MINUTES];
        return point->minute == minute ? point->set : none;
    }
    const struct metrics_queue_point *point = &ref->series->queue[minute % METRICS_MINUTES];
    bool is_known = (minute + 1) * METRICS_MINUTE_MS + metrics->settings.delay_ms <= now_ms;
    return is_known && point->minute == minute ? of_row(point, ref->row) : none;
}

bool metrics_has_since(const struct metrics_ref *ref, int64_t minute)
{
    return ref->series->latest_minute >= minute;
}
