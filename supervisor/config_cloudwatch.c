/* What the configuration file says of CloudWatch: a queue's "cloudwatch" (metrics that are read) and
 * "metrics" at the top (what is published). See config.h. */
#include "supervisor/config.h"

#include "base/emf_line.h"
#include "base/options_json.h"

#include <jansson.h>
#include <stdio.h>

#define MINUTES(n) ((n)*60 * 1000.0)

enum {
    MINUTE_MS = 60000,
    MAX_AGE_PERIODS = 6,   /* the default */
    LEAST_AGE_PERIODS = 4, /* the newest closed period, a minute to settle, and the time between two rounds */
};

const char *const CONFIG_CLOUDWATCH_MODE_NAMES[] = {"off", "fallback", "on", NULL};
const char *const CONFIG_METRICS_WAY_NAMES[] = {"cloudwatch", "emf", NULL};

#define AT(field) offsetof(struct config_cloudwatch, field)

const struct option_row CONFIG_CLOUDWATCH_ROWS[] = {
    {"mode", OPTION_ENUM, AT(mode), "off", 0, 0, CONFIG_CLOUDWATCH_MODE_NAMES, NULL,
     "off: never asked; fallback: asked while the queue cannot be read; on: rates and age always, depth "
     "while "
     "the queue cannot be read"},
    {"period", OPTION_DURATION, AT(period_ms), "60s", MINUTES(1), MINUTES(60), NULL, NULL,
     "length of a metric's period, and how often it is asked for, a tenth more or less; whole minutes"},
    {"windows", OPTION_INT, AT(windows), "5", 3, 60, NULL, "N",
     "closed periods that are asked for; the newest with data counts"},
    {"max_age", OPTION_DURATION, AT(max_age_ms), NULL, MINUTES(4), MINUTES(24 * 60), NULL, NULL,
     "a depth of CloudWatch that is older is not believed; default: 6 periods"},
    OPTION_END,
};

#undef AT
#define AT(field) offsetof(struct config_metrics, field)

const struct option_row CONFIG_METRICS_ROWS[] = {
    {"namespace", OPTION_STRING, AT(name_space), "Sluice", 0, 0, NULL, NULL,
     "namespace of the metrics in CloudWatch"},
    {"every", OPTION_DURATION, AT(every_ms), "60s", MINUTES(1) / 60, MINUTES(60), NULL, NULL,
     "how often they are published"},
    OPTION_END,
};

static int refuse_duration(const json_t *object, const char *at, const char *key, const char *want,
                           struct err *err)
{
    return config_refuse_text(at, key, json_string_value(json_object_get(object, key)), want, err);
}

int config_cloudwatch_parse(const void *json, const char *at, struct config_cloudwatch *cloudwatch,
                            struct err *err)
{
    char want[96];
    options_set_defaults(CONFIG_CLOUDWATCH_ROWS, cloudwatch);
    if (json != NULL && options_set_json(CONFIG_CLOUDWATCH_ROWS, cloudwatch, json, at, NULL, err) != 0)
        return -1;
    if (cloudwatch->period_ms % MINUTE_MS != 0)
        return refuse_duration(json, at, "period", "whole minutes, as \"60s\" or \"5m\"", err);
    if (json_object_get(json, "max_age") == NULL)
        cloudwatch->max_age_ms = MAX_AGE_PERIODS * cloudwatch->period_ms;
    if (cloudwatch->max_age_ms < LEAST_AGE_PERIODS * cloudwatch->period_ms) {
        (void)snprintf(want, sizeof want, "at least %d periods: the newest closed one is as old",
                       LEAST_AGE_PERIODS);
        return refuse_duration(json, at, "max_age", want, err);
    }
    return 0;
}

static int parse_way(const json_t *object, enum config_metrics_way way, struct config_metrics *metrics,
                     struct err *err)
{
    char at[48];
    (void)snprintf(at, sizeof at, "metrics.%s", CONFIG_METRICS_WAY_NAMES[way]);
    options_set_defaults(CONFIG_METRICS_ROWS, metrics);
    metrics->enabled = true;
    if (options_set_json(CONFIG_METRICS_ROWS, metrics, object, at, NULL, err) != 0)
        return -1;
    (void)snprintf(at, sizeof at, "metrics.%s.namespace:", CONFIG_METRICS_WAY_NAMES[way]);
    return emf_check_namespace(at, metrics->name_space, err);
}

int config_metrics_parse(const void *json, struct config_metrics metrics[METRICS_WAYS], struct err *err)
{
    static const struct option_row NO_ROWS[] = {OPTION_END};
    const json_t *object = json;
    if (object == NULL)
        return 0;
    if (options_set_json(NO_ROWS, NULL, object, "metrics", CONFIG_METRICS_WAY_NAMES, err) != 0)
        return -1;
    for (int i = 0; i < METRICS_WAYS; i++) {
        const json_t *way = json_object_get(object, CONFIG_METRICS_WAY_NAMES[i]);
        if (way != NULL && parse_way(way, (enum config_metrics_way)i, &metrics[i], err) != 0)
            return -1;
    }
    return 0;
}

void config_metrics_clean_up(struct config_metrics metrics[METRICS_WAYS])
{
    for (int i = 0; i < METRICS_WAYS; i++)
        options_clean_up(CONFIG_METRICS_ROWS, &metrics[i]);
}

void config_metrics_dump(const struct config_metrics metrics[METRICS_WAYS], struct jsonw *w)
{
    jsonw_object(w);
    for (int i = 0; i < METRICS_WAYS; i++) {
        if (!metrics[i].enabled)
            continue;
        jsonw_key(w, CONFIG_METRICS_WAY_NAMES[i]);
        jsonw_object(w);
        options_dump(CONFIG_METRICS_ROWS, &metrics[i], w);
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
}
