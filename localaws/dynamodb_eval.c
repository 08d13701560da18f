/* What expressions do with items; see dynamodb_expression.h. */
#include "localaws/dynamodb_expression.h"

#include "localaws/dynamodb_number.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *changeable(const json_t *value)
{
    return (json_t *)(uintptr_t)value;
}

/* ---- paths ---- */

static const json_t *step_into(const struct dynamodb_step *step, const json_t *value)
{
    if (value == NULL)
        return NULL;
    const json_t *content = dynamodb_value_content(value);
    if (step->name != NULL)
        return dynamodb_value_is(value, "M") ? json_object_get(content, step->name) : NULL;
    return dynamodb_value_is(value, "L") ? json_array_get(content, step->index) : NULL;
}

const json_t *dynamodb_at(const struct dynamodb_expression *expression, struct dynamodb_path path,
                          const json_t *item)
{
    const struct dynamodb_step *steps = &expression->steps[path.first];
    const json_t *value = path.count == 0 ? NULL : json_object_get(item, steps[0].name);
    for (size_t i = 1; i < path.count; i++)
        value = step_into(&steps[i], value);
    return value;
}

/* ---- conditions ---- */

/* The value of an operand, a new reference; NULL: there is none. */
static json_t *operand_of(const struct dynamodb_expression *e, const struct dynamodb_node *node,
                          const json_t *item)
{
    if (node->kind == DYNAMODB_VALUE)
        return json_incref(changeable(node->value));
    const json_t *value = dynamodb_at(e, node->path, item);
    if (value == NULL || node->kind != DYNAMODB_SIZE)
        return value == NULL ? NULL : json_incref(changeable(value));
    long length = dynamodb_value_length(value);
    return length < 0 ? NULL : json_pack("{s:o}", "N", json_sprintf("%ld", length));
}

/* An operand that is missing is equal to nothing, and so not equal to anything. */
static bool compares(enum dynamodb_node_kind kind, const json_t *a, const json_t *b)
{
    int order = 0;
    if (kind == DYNAMODB_EQUAL || kind == DYNAMODB_NOT_EQUAL)
        return (a != NULL && b != NULL && dynamodb_value_equal(a, b)) == (kind == DYNAMODB_EQUAL);
    if (a == NULL || b == NULL || !dynamodb_value_compare(a, b, &order))
        return false;
    return kind == DYNAMODB_LESS         ? order < 0
           : kind == DYNAMODB_LESS_EQUAL ? order <= 0
           : kind == DYNAMODB_GREATER    ? order > 0
                                         : order >= 0;
}

static bool compare_nodes(const struct dynamodb_expression *e, enum dynamodb_node_kind kind,
                          const struct dynamodb_node *x, const struct dynamodb_node *y, const json_t *item)
{
    json_t *a = operand_of(e, x, item);
    json_t *b = operand_of(e, y, item);
    bool holds = compares(kind, a, b);
    json_decref(a);
    json_decref(b);
    return holds;
}

static bool is_in(const struct dynamodb_expression *e, const struct dynamodb_node *node, const json_t *item)
{
    for (const struct dynamodb_node *element = node->b; element != NULL; element = element->next)
        if (compare_nodes(e, DYNAMODB_EQUAL, node->a, element, item))
            return true;
    return false;
}

static bool begins_with(const json_t *value, const json_t *prefix)
{
    char *a = NULL;
    char *b = NULL;
    bool begins = false;
    if (dynamodb_value_is(value, "S") && dynamodb_value_is(prefix, "S")) {
        const char *text = json_string_value(dynamodb_value_content(prefix));
        return strncmp(json_string_value(dynamodb_value_content(value)), text, strlen(text)) == 0;
    }
    if (dynamodb_value_is(value, "B") && dynamodb_value_is(prefix, "B")) {
        long a_len = dynamodb_binary(json_string_value(dynamodb_value_content(value)), &a);
        long b_len = dynamodb_binary(json_string_value(dynamodb_value_content(prefix)), &b);
        begins = b_len <= a_len && memcmp(a, b, (size_t)b_len) == 0;
    }
    free(a);
    free(b);
    return begins;
}

static bool contains(const json_t *value, const json_t *operand)
{
    const char *type = dynamodb_value_type(value);
    const json_t *content = dynamodb_value_content(value);
    if (strcmp(type, "S") == 0 && dynamodb_value_is(operand, "S"))
        return strstr(json_string_value(content), json_string_value(dynamodb_value_content(operand))) != NULL;
    for (size_t i = 0; json_is_array(content) && i < json_array_size(content); i++) {
        json_t *element = json_array_get(content, i);
        char element_type[2] = {type[0], '\0'};
        json_t *wrapped = type[0] == 'L' ? json_incref(element) : json_pack("{s:O}", element_type, element);
        bool same = dynamodb_value_equal(wrapped, operand);
        json_decref(wrapped);
        if (same)
            return true;
    }
    return false;
}

static bool function_holds(const struct dynamodb_expression *e, const struct dynamodb_node *node,
                           const json_t *item)
{
    const json_t *value = dynamodb_at(e, node->path, item);
    if (node->kind == DYNAMODB_EXISTS || node->kind == DYNAMODB_NOT_EXISTS)
        return (value != NULL) == (node->kind == DYNAMODB_EXISTS);
    json_t *operand = operand_of(e, node->a, item);
    bool holds = false;
    if (value != NULL && operand != NULL && node->kind == DYNAMODB_TYPE)
        holds = dynamodb_value_is(operand, "S") &&
                dynamodb_value_is(value, json_string_value(dynamodb_value_content(operand)));
    else if (value != NULL && operand != NULL)
        holds = node->kind == DYNAMODB_CONTAINS ? contains(value, operand) : begins_with(value, operand);
    json_decref(operand);
    return holds;
}

static bool holds(const struct dynamodb_expression *e, const struct dynamodb_node *node, const json_t *item)
{
    switch (node->kind) {
    case DYNAMODB_AND:
        return holds(e, node->a, item) && holds(e, node->b, item);
    case DYNAMODB_OR:
        return holds(e, node->a, item) || holds(e, node->b, item);
    case DYNAMODB_NOT:
        return !holds(e, node->a, item);
    case DYNAMODB_BETWEEN:
        return compare_nodes(e, DYNAMODB_GREATER_EQUAL, node->a, node->b, item) &&
               compare_nodes(e, DYNAMODB_LESS_EQUAL, node->a, node->c, item);
    case DYNAMODB_IN:
        return is_in(e, node, item);
    case DYNAMODB_EQUAL:
    case DYNAMODB_NOT_EQUAL:
    case DYNAMODB_LESS:
    case DYNAMODB_LESS_EQUAL:
    case DYNAMODB_GREATER:
    case DYNAMODB_GREATER_EQUAL:
        return compare_nodes(e, node->kind, node->a, node->b, item);
    default:
        return function_holds(e, node, item);
    }
}

bool dynamodb_holds(const struct dynamodb_expression *expression, const json_t *item)
{
    return holds(expression, expression->root, item);
}

/* ---- updates ---- */

#define MISSING_ATTRIBUTE "The provided expression refers to an attribute that does not exist in the item"
#define WRONG_TYPE "An operand in the update expression has an incorrect data type"
#define BAD_PATH "The document path provided in the update expression is invalid for update"

static json_t *sum_of(const json_t *a, const json_t *b, bool minus, const char **ret_wrong)
{
    struct dynamodb_number x;
    struct dynamodb_number y;
    struct dynamodb_number sum;
    char text[DYNAMODB_NUMBER_BYTES];
    if (!dynamodb_value_is(a, "N") || !dynamodb_value_is(b, "N") ||
        !dynamodb_number_parse(json_string_value(dynamodb_value_content(a)), &x) ||
        !dynamodb_number_parse(json_string_value(dynamodb_value_content(b)), &y)) {
        *ret_wrong = WRONG_TYPE;
        return NULL;
    }
    y.is_negative = y.digit_count > 0 && y.is_negative != minus;
    if (!dynamodb_number_add(&x, &y, &sum)) {
        *ret_wrong =
            "Number overflow. Attempting to store a number with magnitude larger than supported range";
        return NULL;
    }
    dynamodb_number_format(&sum, text);
    return json_pack("{s:s}", "N", text);
}

static json_t *joined(const json_t *a, const json_t *b, const char **ret_wrong)
{
    if (!dynamodb_value_is(a, "L") || !dynamodb_value_is(b, "L")) {
        *ret_wrong = WRONG_TYPE;
        return NULL;
    }
    json_t *list = json_deep_copy(dynamodb_value_content(a));
    (void)json_array_extend(list, changeable(dynamodb_value_content(b)));
    return json_pack("{s:o}", "L", list);
}

/* The value that SET writes, a new reference; NULL with what is wrong. */
static json_t *update_value(const struct dynamodb_expression *e, const struct dynamodb_node *node,
                            const json_t *old, const char **ret_wrong)
{
    const json_t *value = node->kind == DYNAMODB_VALUE ? node->value : dynamodb_at(e, node->path, old);
    if (node->kind == DYNAMODB_VALUE || node->kind == DYNAMODB_PATH) {
        *ret_wrong = value == NULL ? MISSING_ATTRIBUTE : *ret_wrong;
        return json_deep_copy(value);
    }
    if (node->kind == DYNAMODB_IF_NOT_EXISTS)
        return value != NULL ? json_deep_copy(value) : update_value(e, node->b, old, ret_wrong);
    json_t *a = update_value(e, node->a, old, ret_wrong);
    json_t *b = a == NULL ? NULL : update_value(e, node->b, old, ret_wrong);
    json_t *result = NULL;
    if (b != NULL)
        result = node->kind == DYNAMODB_LIST_APPEND ? joined(a, b, ret_wrong)
                                                    : sum_of(a, b, node->kind == DYNAMODB_MINUS, ret_wrong);
    json_decref(a);
    json_decref(b);
    return result;
}

/* Where the last step of a path leads: the content of a map or of a list; NULL: nowhere. */
static json_t *parent_of(const struct dynamodb_expression *e, struct dynamodb_path path, json_t *item)
{
    if (path.count == 1)
        return item;
    struct dynamodb_path above = {.first = path.first, .count = path.count - 1};
    const json_t *value = dynamodb_at(e, above, item);
    const struct dynamodb_step *last = &e->steps[path.first + path.count - 1];
    bool fits = value != NULL && dynamodb_value_is(value, last->name != NULL ? "M" : "L");
    return fits ? changeable(dynamodb_value_content(value)) : NULL;
}

/* Takes the value over. */
static const char *write_at(const struct dynamodb_expression *e, struct dynamodb_path path, json_t *item,
                            json_t *value)
{
    const struct dynamodb_step *last = &e->steps[path.first + path.count - 1];
    json_t *parent = parent_of(e, path, item);
    if (parent == NULL) {
        json_decref(value);
        return BAD_PATH;
    }
    if (last->name != NULL)
        (void)json_object_set_new(parent, last->name, value);
    else if (last->index < json_array_size(parent))
        (void)json_array_set_new(parent, last->index, value);
    else
        (void)json_array_append_new(parent, value); /* beyond the end: at the end */
    return NULL;
}

static const char *apply_set(const struct dynamodb_expression *e, const struct dynamodb_update *update,
                             const json_t *old, json_t *item)
{
    const char *wrong = NULL;
    json_t *value = update_value(e, update->operand, old, &wrong);
    return value == NULL ? wrong : write_at(e, update->path, item, value);
}

static const char *apply_add(const struct dynamodb_expression *e, const struct dynamodb_update *update,
                             const json_t *old, json_t *item)
{
    const char *wrong = NULL;
    const json_t *before = dynamodb_at(e, update->path, old);
    if (!dynamodb_value_is(update->operand->value, "N"))
        return WRONG_TYPE; /* sets: see docs */
    json_t *sum = before == NULL ? json_deep_copy(update->operand->value)
                                 : sum_of(before, update->operand->value, false, &wrong);
    return sum == NULL ? wrong : write_at(e, update->path, item, sum);
}

/* Elements of lists are taken out at the end, from the last to the first, so that indexes mean what they
 * meant. */
static const char *apply_remove(const struct dynamodb_expression *e, const struct dynamodb_update *update,
                                json_t *item)
{
    const struct dynamodb_step *last = &e->steps[update->path.first + update->path.count - 1];
    json_t *parent = parent_of(e, update->path, item);
    if (parent == NULL)
        return BAD_PATH;
    if (last->name != NULL)
        (void)json_object_del(parent, last->name);
    else if (last->index < json_array_size(parent))
        (void)json_array_set_new(parent, last->index, json_null());
    return NULL;
}

/* Takes the places that apply_remove() emptied out of all lists. */
static void close_gaps(json_t *value)
{
    const char *key = NULL;
    json_t *child = NULL;
    for (size_t i = json_is_array(value) ? json_array_size(value) : 0; i-- > 0;) {
        if (json_is_null(json_array_get(value, i)))
            (void)json_array_remove(value, i);
        else
            close_gaps(json_array_get(value, i));
    }
    json_object_foreach(value, key, child)
    {
        close_gaps(child);
    }
}

const char *dynamodb_apply(const struct dynamodb_expression *expression, const json_t *old, json_t *item)
{
    const char *wrong = NULL;
    for (size_t i = 0; wrong == NULL && i < expression->update_count; i++) {
        const struct dynamodb_update *update = &expression->updates[i];
        wrong = update->action == DYNAMODB_SET   ? apply_set(expression, update, old, item)
                : update->action == DYNAMODB_ADD ? apply_add(expression, update, old, item)
                                                 : apply_remove(expression, update, item);
    }
    if (wrong == NULL)
        close_gaps(item);
    return wrong;
}
