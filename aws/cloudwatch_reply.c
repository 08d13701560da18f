/* Reading replies to GetMetricData in place; see cloudwatch_internal.h. */
#include "aws/cloudwatch_internal.h"

#include "aws/json_reply.h"
#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of one result: Timestamps and Values come in either order and are paired at its end. */
struct numbers {
    double *list; /* owned */
    size_t count, room;
};

static void take_numbers(struct jsonp *p, struct numbers *numbers)
{
    if (!aws_take_array(p))
        return;
    while (jsonp_next_element(p)) {
        double value = 0;
        if (numbers->count == CLOUDWATCH_POINTS_MAX) {
            (void)jsonp_refuse(p, "more points than a reply may have");
            return;
        }
        if (numbers->count == numbers->room) {
            numbers->room = numbers->room * 2 + 16;
            numbers->list = xrealloc(numbers->list, numbers->room * sizeof *numbers->list);
        }
        if (jsonp_double(p, &value))
            numbers->list[numbers->count++] = value;
    }
}

/* "q12" of ours. */
static bool take_id(struct jsonp *p, size_t query_count, size_t *ret_query)
{
    const char *text = NULL;
    size_t len = 0;
    if (!jsonp_string(p, &text, &len))
        return false;
    if (text[0] != 'q' || len < 2 || len > 4 || strspn(text + 1, "0123456789") != len - 1)
        return jsonp_refuse(p, "a result has an Id that was not asked for");
    *ret_query = (size_t)strtoul(text + 1, NULL, 10);
    return *ret_query < query_count || jsonp_refuse(p, "a result has an Id that was not asked for");
}

static enum cloudwatch_status take_status(struct jsonp *p)
{
    static const char *const WORDS[] = {
        [CLOUDWATCH_COMPLETE] = "Complete",
        [CLOUDWATCH_PARTIAL] = "PartialData",
        [CLOUDWATCH_FORBIDDEN] = "Forbidden",
    };
    const char *text = NULL;
    size_t len = 0;
    if (!aws_take_text(p, &text, &len) || text == NULL)
        return CLOUDWATCH_COMPLETE; /* optional, like every member of a reply */
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (strcmp(WORDS[i], text) == 0)
            return (enum cloudwatch_status)i;
    return CLOUDWATCH_FAILED;
}

static void add_point(struct cloudwatch_reply *reply, double seconds, double value)
{
    if (reply->point_count == reply->point_room) {
        reply->point_room = reply->point_room * 2 + 64;
        reply->points = xrealloc(reply->points, reply->point_room * sizeof *reply->points);
    }
    reply->points[reply->point_count++] =
        (struct cloudwatch_point){.at_ms = (int64_t)llround(seconds * 1000), .value = value};
}

static void pair_points(struct jsonp *p, const struct numbers *times, const struct numbers *values,
                        struct cloudwatch_reply *reply, struct cloudwatch_series *series)
{
    if (times->count != values->count) {
        (void)jsonp_refuse(p, "a result has not as many values as timestamps");
        return;
    }
    if (reply->point_count + times->count > CLOUDWATCH_POINTS_MAX) {
        (void)jsonp_refuse(p, "more points than a reply may have");
        return;
    }
    for (size_t i = 0; i < times->count; i++) {
        if (times->list[i] < 0 || times->list[i] > 1e11) {
            (void)jsonp_refuse(p, "a timestamp is out of range");
            return;
        }
        add_point(reply, times->list[i], values->list[i]);
    }
    series->point_count = times->count;
}

static void take_result(struct jsonp *p, size_t query_count, struct cloudwatch_reply *reply)
{
    struct cloudwatch_series *series = &reply->series[reply->count];
    struct numbers times = {NULL, 0, 0};
    struct numbers values = {NULL, 0, 0};
    const char *key = NULL;
    bool has_id = false;
    if (!aws_take_object(p))
        return;
    while (jsonp_next_key(p, &key)) {
        if (strcmp(key, "Id") == 0)
            has_id = take_id(p, query_count, &series->query);
        else if (strcmp(key, "StatusCode") == 0)
            series->status = take_status(p);
        else if (strcmp(key, "Timestamps") == 0)
            take_numbers(p, &times);
        else if (strcmp(key, "Values") == 0)
            take_numbers(p, &values);
        else
            (void)jsonp_skip(p);
    }
    if (!has_id)
        (void)jsonp_refuse(p, "a result lacks its Id");
    pair_points(p, &times, &values, reply, series);
    free(times.list);
    free(values.list);
    reply->count++;
}

static void take_results(struct jsonp *p, size_t query_count, struct cloudwatch_reply *reply)
{
    if (!aws_take_array(p))
        return;
    while (jsonp_next_element(p)) {
        if (reply->count == CLOUDWATCH_QUERIES_MAX)
            (void)jsonp_refuse(p, "more results than a call may ask for");
        else
            take_result(p, query_count, reply);
    }
}

/* The points stay where they are from now on. */
static void place_points(struct cloudwatch_reply *reply)
{
    size_t at = 0;
    for (size_t i = 0; i < reply->count; i++) {
        reply->series[i].points = reply->points != NULL ? reply->points + at : NULL;
        at += reply->series[i].point_count;
    }
}

bool cloudwatch_reply_parse(struct strbuf *body, size_t query_count, struct cloudwatch_reply *reply,
                            const char **ret_problem)
{
    struct jsonp p = jsonp_start(body->data, body->len);
    const char *key = NULL;
    size_t offset = 0;
    bool has_answer = false;
    reply->next_token = "";
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key)) {
        if (strcmp(key, "MetricDataResults") == 0 && !has_answer) {
            has_answer = true;
            take_results(&p, query_count, reply);
        } else if (strcmp(key, "NextToken") == 0) {
            const char *text = NULL;
            size_t len = 0;
            if (aws_take_text(&p, &text, &len) && text != NULL)
                reply->next_token = text;
        } else {
            (void)jsonp_skip(&p);
        }
    }
    bool good = jsonp_finish(&p);
    *ret_problem = good ? "the reply lacks MetricDataResults" : jsonp_problem(&p, &offset);
    place_points(reply);
    return good && has_answer;
}

void cloudwatch_reply_clean_up(struct cloudwatch_reply *reply)
{
    free(reply->points);
    reply->points = NULL;
}
