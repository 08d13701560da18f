/* Reading the members of requests, and tables of operations and errors; see rpc.h. */
#include "localaws/rpc.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const struct rpc_error RPC_SERIALIZATION = {"com.amazon.coral.service#SerializationException",
                                            "MalformedInput", 400};
const struct rpc_error RPC_UNKNOWN_OPERATION = {"com.amazon.coral.service#UnknownOperationException",
                                                "InvalidAction", 400};

const char *rpc_error_code(const struct rpc_error *error)
{
    const char *mark = strchr(error->type, '#');
    return mark == NULL ? error->type : mark + 1;
}

const char *rpc_error_query(const struct rpc_error *error)
{
    return error->query != NULL ? error->query : rpc_error_code(error);
}

int rpc_op_find(const struct rpc_service *service, struct slice name)
{
    int op = 0;
    while (op < service->op_count && !slice_is(name, service->ops[op].name))
        op++;
    return op;
}

const struct rpc_error *rpc_error_find(const struct rpc_service *service, struct slice code)
{
    for (const struct rpc_error *const *error = service->errors; *error != NULL; error++)
        if (slice_is(code, rpc_error_code(*error)) || slice_is(code, rpc_error_query(*error)))
            return *error;
    return NULL;
}

void rpc_fail(const struct rpc_call *call, const struct rpc_error *error, const char *fmt, ...)
{
    va_list args;
    if (!rpc_ok(call))
        return;
    call->failure->error = error;
    va_start(args, fmt);
    (void)vsnprintf(call->failure->message, sizeof call->failure->message, fmt, args);
    va_end(args);
}

/* ---- members ---- */

static const json_t *member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static void refuse_type(const struct rpc_call *call, const char *key, const char *wanted)
{
    rpc_fail(call, &RPC_SERIALIZATION, "%s must be %s", key, wanted);
}

const char *rpc_text(const struct rpc_call *call, const json_t *object, const char *key)
{
    const json_t *value = member(object, key);
    if (value != NULL && !json_is_string(value))
        refuse_type(call, key, "a string");
    return json_string_value(value);
}

/* Texts of all numbers in the Query protocol, and in JSON of those that JSON cannot write. */
static bool number_of_text(const struct rpc_call *call, const char *text, double *ret)
{
    char *end = NULL;
    bool is_odd = strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0;
    if (!is_odd && (!call->is_query || text[0] == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0'))
        return false;
    *ret = strtod(text, &end);
    return *end == '\0';
}

bool rpc_number(const struct rpc_call *call, const json_t *object, const char *key, double *ret)
{
    const json_t *value = member(object, key);
    if (value == NULL)
        return false;
    if (json_is_number(value)) {
        *ret = json_number_value(value);
        return true;
    }
    if (json_is_string(value) && number_of_text(call, json_string_value(value), ret))
        return true;
    refuse_type(call, key, "a number");
    return false;
}

bool rpc_bool(const struct rpc_call *call, const json_t *object, const char *key, bool *ret)
{
    const json_t *value = member(object, key);
    const char *text = json_string_value(value);
    if (value == NULL)
        return false;
    bool is_text =
        call->is_query && text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0);
    if (!json_is_boolean(value) && !is_text) {
        refuse_type(call, key, "true or false");
        return false;
    }
    *ret = is_text ? strcmp(text, "true") == 0 : json_is_true(value);
    return true;
}

bool rpc_parse_time(const char *text, int64_t *ret_ms)
{
    struct tm parts = {.tm_sec = 0};
    double second = 0;
    int n = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%lf%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
               &parts.tm_hour, &parts.tm_min, &second, &n) != 6 ||
        !(second >= 0 && second < 61))
        return false;
    const char *zone = text + n;
    if (zone[0] != '\0' && strcmp(zone, "Z") != 0 && strcmp(zone, "+00:00") != 0)
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    *ret_ms = (int64_t)timegm(&parts) * 1000 + llround(second * 1000);
    return true;
}

bool rpc_time(const struct rpc_call *call, const json_t *object, const char *key, int64_t *ret_ms)
{
    const json_t *value = member(object, key);
    double seconds = 0;
    if (value == NULL)
        return false;
    if (json_is_string(value) && rpc_parse_time(json_string_value(value), ret_ms))
        return true;
    if (!rpc_number(call, object, key, &seconds))
        return false;
    if (!(fabs(seconds) < 1e11)) {
        refuse_type(call, key, "a time");
        return false;
    }
    *ret_ms = llround(seconds * 1000);
    return true;
}

const json_t *rpc_list(const struct rpc_call *call, const json_t *object, const char *key)
{
    const json_t *value = member(object, key);
    if (call->is_query && json_is_string(value) && json_string_length(value) == 0)
        return NULL; /* an empty list comes as "Key=" */
    if (value != NULL && !json_is_array(value)) {
        refuse_type(call, key, "an array");
        return NULL;
    }
    return value;
}

const json_t *rpc_object(const struct rpc_call *call, const json_t *object, const char *key)
{
    const json_t *value = member(object, key);
    if (value != NULL && !json_is_object(value)) {
        refuse_type(call, key, "an object");
        return NULL;
    }
    return value;
}

void rpc_write_json(const json_t *value, struct strbuf *out)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        abort();
    strbuf_append_str(out, text);
    free(text);
}
