/* Attribute values; see dynamodb_value.h. */
#include "localaws/dynamodb_value.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "localaws/dynamodb_number.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long dynamodb_binary(const char *base64, char **ret_bytes)
{
    size_t len = strlen(base64);
    *ret_bytes = xmalloc(len + 1);
    return (long)base64_decode(base64, len, *ret_bytes);
}

const char *dynamodb_value_type(const json_t *value)
{
    return json_object_iter_key(json_object_iter((json_t *)(uintptr_t)value));
}

const json_t *dynamodb_value_content(const json_t *value)
{
    return json_object_iter_value(json_object_iter((json_t *)(uintptr_t)value));
}

bool dynamodb_value_is(const json_t *value, const char *type)
{
    return value != NULL && strcmp(dynamodb_value_type(value), type) == 0;
}

/* ---- checks ---- */

static bool object(char *text, size_t text_size, const char *message)
{
    (void)snprintf(text, text_size, "%s", message);
    return false;
}

static bool is_base64(const json_t *content)
{
    char *bytes = NULL;
    bool good = json_is_string(content) && dynamodb_binary(json_string_value(content), &bytes) >= 0;
    free(bytes);
    return good;
}

static bool is_number(const json_t *content)
{
    struct dynamodb_number ignored;
    return json_is_string(content) && dynamodb_number_parse(json_string_value(content), &ignored);
}

static bool check_set(const json_t *content, const char *type, char *text, size_t text_size)
{
    if (!json_is_array(content) || json_array_size(content) == 0)
        return object(text, text_size, "One or more parameter values were invalid: An set  may not be empty");
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *element = json_array_get(content, i);
        bool good = type[0] == 'S'   ? json_is_string(element)
                    : type[0] == 'N' ? is_number(element)
                                     : is_base64(element);
        if (!good)
            return object(text, text_size, "A set holds an element of another type");
        for (size_t k = 0; k < i; k++)
            if (strcmp(json_string_value(element), json_string_value(json_array_get(content, k))) == 0)
                return object(
                    text, text_size,
                    "One or more parameter values were invalid: Input collection contains duplicates");
    }
    return true;
}

static bool check(const json_t *value, int depth, char *text, size_t text_size);

static bool check_nested(const json_t *content, int depth, char *text, size_t text_size)
{
    const char *key = NULL;
    json_t *child = NULL;
    if (depth >= DYNAMODB_DEPTH_MAX)
        return object(text, text_size, "Nesting Levels have exceeded supported limits");
    if (json_is_array(content)) {
        for (size_t i = 0; i < json_array_size(content); i++)
            if (!check(json_array_get(content, i), depth + 1, text, text_size))
                return false;
        return true;
    }
    json_object_foreach((json_t *)(uintptr_t)content, key, child)
    {
        if (!check(child, depth + 1, text, text_size))
            return false;
    }
    return true;
}

static bool check(const json_t *value, int depth, char *text, size_t text_size)
{
    if (!json_is_object(value) || json_object_size(value) != 1)
        return object(
            text, text_size,
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
    const char *type = dynamodb_value_type(value);
    const json_t *content = dynamodb_value_content(value);
    if (strcmp(type, "N") == 0 && json_is_string(content) && !is_number(content))
        return object(
            text, text_size,
            "The parameter cannot be converted to a numeric value, has more than 38 significant digits, or"
            " is out of range");
    if (strcmp(type, "NULL") == 0 && json_is_false(content))
        return object(
            text, text_size,
            "One or more parameter values were invalid: Null attribute value types must have the value of"
            " true");
    if (strcmp(type, "SS") == 0 || strcmp(type, "NS") == 0 || strcmp(type, "BS") == 0)
        return check_set(content, type, text, text_size);
    bool is_map = strcmp(type, "M") == 0 && json_is_object(content);
    bool is_list = strcmp(type, "L") == 0 && json_is_array(content);
    if (is_map || is_list)
        return check_nested(content, depth, text, text_size);
    if ((strcmp(type, "S") == 0 && json_is_string(content)) ||
        (strcmp(type, "N") == 0 && is_number(content)) || (strcmp(type, "B") == 0 && is_base64(content)) ||
        (strcmp(type, "BOOL") == 0 && json_is_boolean(content)) ||
        (strcmp(type, "NULL") == 0 && json_is_true(content)))
        return true;
    return object(text, text_size,
                  "Supplied AttributeValue has an unknown type or a content that is not of its type");
}

bool dynamodb_value_check(const json_t *value, char *text, size_t text_size)
{
    return check(value, 0, text, text_size);
}

bool dynamodb_item_check(const json_t *item, char *text, size_t text_size)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)item, name, value)
    {
        if (!check(value, 0, text, text_size))
            return false;
    }
    return true;
}

/* ---- comparing ---- */

static int compare_binaries(const char *a, const char *b)
{
    char *x = NULL;
    char *y = NULL;
    long x_len = dynamodb_binary(a, &x);
    long y_len = dynamodb_binary(b, &y);
    int order = memcmp(x, y, (size_t)(x_len < y_len ? x_len : y_len));
    free(x);
    free(y);
    return order != 0 ? order : (x_len > y_len) - (x_len < y_len);
}

bool dynamodb_value_compare(const json_t *a, const json_t *b, int *ret)
{
    struct dynamodb_number x;
    struct dynamodb_number y;
    const char *type = dynamodb_value_type(a);
    if (strcmp(type, dynamodb_value_type(b)) != 0)
        return false;
    const char *from = json_string_value(dynamodb_value_content(a));
    const char *to = json_string_value(dynamodb_value_content(b));
    if (strcmp(type, "S") == 0) {
        *ret = strcmp(from, to);
        return true;
    }
    if (strcmp(type, "B") == 0) {
        *ret = compare_binaries(from, to);
        return true;
    }
    if (strcmp(type, "N") != 0 || !dynamodb_number_parse(from, &x) || !dynamodb_number_parse(to, &y))
        return false;
    *ret = dynamodb_number_compare(&x, &y);
    return true;
}

/* Two sets of one type: each element in the other. */
static bool sets_equal(const char *type, const json_t *a, const json_t *b)
{
    char element_type[2] = {type[0], '\0'};
    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++) {
        bool found = false;
        for (size_t k = 0; k < json_array_size(b) && !found; k++) {
            int order = 1;
            json_t *x = json_pack("{s:O}", element_type, json_array_get(a, i));
            json_t *y = json_pack("{s:O}", element_type, json_array_get(b, k));
            found = dynamodb_value_compare(x, y, &order) && order == 0;
            json_decref(x);
            json_decref(y);
        }
        if (!found)
            return false;
    }
    return true;
}

static bool nested_equal(const json_t *a, const json_t *b)
{
    const char *key = NULL;
    json_t *child = NULL;
    if (json_is_array(a)) {
        bool same = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; same && i < json_array_size(a); i++)
            same = dynamodb_value_equal(json_array_get(a, i), json_array_get(b, i));
        return same;
    }
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_foreach((json_t *)(uintptr_t)a, key, child)
    {
        const json_t *other = json_object_get(b, key);
        if (other == NULL || !dynamodb_value_equal(child, other))
            return false;
    }
    return true;
}

bool dynamodb_value_equal(const json_t *a, const json_t *b)
{
    int order = 0;
    const char *type = dynamodb_value_type(a);
    const json_t *x = dynamodb_value_content(a);
    const json_t *y = dynamodb_value_content(b);
    if (strcmp(type, dynamodb_value_type(b)) != 0)
        return false;
    if (dynamodb_value_compare(a, b, &order))
        return order == 0;
    if (type[1] == 'S' && type[2] == '\0')
        return sets_equal(type, x, y);
    if (strcmp(type, "M") == 0 || strcmp(type, "L") == 0)
        return nested_equal(x, y);
    return json_equal(x, y);
}

/* ---- sizes ---- */

long dynamodb_value_length(const json_t *value)
{
    const char *type = dynamodb_value_type(value);
    const json_t *content = dynamodb_value_content(value);
    if (strcmp(type, "S") == 0)
        return (long)json_string_length(content);
    if (strcmp(type, "B") == 0) {
        char *bytes = NULL;
        long len = dynamodb_binary(json_string_value(content), &bytes);
        free(bytes);
        return len;
    }
    if (json_is_object(content))
        return (long)json_object_size(content);
    return json_is_array(content) ? (long)json_array_size(content) : -1;
}

static size_t value_bytes(const json_t *value);

static size_t content_bytes(const char *type, const json_t *content)
{
    const char *key = NULL;
    json_t *child = NULL;
    size_t bytes = 0;
    if (json_is_string(content)) {
        size_t len = json_string_length(content);
        return type[0] == 'N' ? (len + 1) / 2 + 1 : type[0] == 'B' ? len / 4 * 3 : len;
    }
    if (json_is_boolean(content))
        return 1;
    bytes = type[1] == 'S' ? 0 : 3;
    for (size_t i = 0; json_is_array(content) && i < json_array_size(content); i++) {
        const json_t *element = json_array_get(content, i);
        bytes += json_is_object(element) ? 1 + value_bytes(element) : content_bytes(type, element);
    }
    json_object_foreach((json_t *)(uintptr_t)content, key, child)
    {
        bytes += 1 + strlen(key) + value_bytes(child);
    }
    return bytes;
}

static size_t value_bytes(const json_t *value)
{
    return content_bytes(dynamodb_value_type(value), dynamodb_value_content(value));
}

size_t dynamodb_item_bytes(const json_t *item)
{
    const char *name = NULL;
    json_t *value = NULL;
    size_t bytes = 0;
    json_object_foreach((json_t *)(uintptr_t)item, name, value)
    {
        bytes += strlen(name) + value_bytes(value);
    }
    return bytes;
}
