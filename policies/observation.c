/* Observations: the field table, freshness, and JSON out and in. Pure. */
#include "policies/observation.h"

#include <string.h>

const struct observation_field OBSERVATION_TABLE[] = {
#define X(name, unit, help) {#name, unit, help, offsetof(struct observation, name)},
    OBSERVATION_FIELDS(X)
#undef X
};
const size_t OBSERVATION_TABLE_COUNT = sizeof OBSERVATION_TABLE / sizeof OBSERVATION_TABLE[0];

static const struct reading *const_reading_of(const struct observation_field *field,
                                              const struct observation *obs)
{
    return (const struct reading *)(const void *)((const char *)obs + field->offset);
}

static struct reading *reading_of(const struct observation_field *field, struct observation *obs)
{
    return (struct reading *)(void *)((char *)obs + field->offset);
}

void observation_init(struct observation *obs)
{
    memset(obs, 0, sizeof *obs);
}

void reading_set(struct reading *reading, int64_t value, int64_t at_ms)
{
    reading->known = true;
    reading->value = value;
    reading->at_ms = at_ms;
}

int64_t reading_age_ms(const struct reading *reading, int64_t now_ms)
{
    int64_t age = 0;
    if (__builtin_sub_overflow(now_ms, reading->at_ms, &age))
        return now_ms > reading->at_ms ? INT64_MAX : INT64_MIN;
    return age;
}

bool reading_fresh(const struct reading *reading, int64_t now_ms, int64_t max_age_ms)
{
    if (!reading->known || reading->value < 0)
        return false;
    int64_t age_ms = reading_age_ms(reading, now_ms);
    return age_ms >= 0 && age_ms <= max_age_ms;
}

static int64_t depth_source_of(const struct observation *obs)
{
    return obs->depth_source.known ? obs->depth_source.value : DEPTH_SOURCE_SQS;
}

int64_t observation_depth_max_age_ms(const struct observation *obs, int64_t stale_after_ms)
{
    bool is_told = depth_source_of(obs) != DEPTH_SOURCE_SQS && obs->depth_max_age_ms.known;
    return is_told ? obs->depth_max_age_ms.value : stale_after_ms;
}

bool observation_may_shrink(const struct observation *obs)
{
    return depth_source_of(obs) == DEPTH_SOURCE_SQS;
}

void observation_encode_json(const struct observation *obs, int64_t now_ms, struct jsonw *w)
{
    jsonw_object(w);
    for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i++) {
        const struct reading *reading = const_reading_of(&OBSERVATION_TABLE[i], obs);
        jsonw_key(w, OBSERVATION_TABLE[i].name);
        if (!reading->known) {
            jsonw_null(w);
            continue;
        }
        jsonw_object(w);
        jsonw_key_int(w, "value", reading->value);
        jsonw_key_int(w, "age_ms", reading_age_ms(reading, now_ms));
        jsonw_end_object(w);
    }
    jsonw_end_object(w);
}

/* One {"value":..,"age_ms":..}. Returns 0 or -1 with err. */
static int parse_reading(const json_t *json, const char *name, int64_t now_ms, struct reading *ret,
                         struct err *err)
{
    const json_t *value = json_object_get(json, "value");
    const json_t *age = json_object_get(json, "age_ms");
    int64_t at_ms = 0;
    if (!json_is_integer(value) || !json_is_integer(age))
        return err_set(err, "obs.%s: want null or an object with whole numbers value and age_ms", name);
    if (__builtin_sub_overflow(now_ms, (int64_t)json_integer_value(age), &at_ms))
        return err_set(err, "obs.%s.age_ms: %" JSON_INTEGER_FORMAT ": out of range", name,
                       json_integer_value(age));
    reading_set(ret, json_integer_value(value), at_ms);
    return 0;
}

int observation_parse_json(const json_t *object, int64_t now_ms, struct observation *ret_obs, struct err *err)
{
    struct observation obs;
    observation_init(&obs);
    if (!json_is_object(object))
        return err_set(err, "obs: want an object");
    for (size_t i = 0; i < OBSERVATION_TABLE_COUNT; i++) {
        const struct observation_field *field = &OBSERVATION_TABLE[i];
        const json_t *json = json_object_get(object, field->name);
        if (json == NULL || json_is_null(json))
            continue;
        if (parse_reading(json, field->name, now_ms, reading_of(field, &obs), err) != 0)
            return -1;
    }
    *ret_obs = obs;
    return 0;
}
