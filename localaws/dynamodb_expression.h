/*
 * DynamoDB's expressions: conditions, updates and lists of paths, from text to a tree, and what the tree does
 * with an item. Pure.
 *
 *   condition: or of ands of [NOT] ( ... ) | a = b, <>, <, <=, >, >= | a BETWEEN b AND c | a IN (b, c) |
 *              attribute_exists(p), attribute_not_exists(p), attribute_type(p, :t), begins_with(p, b),
 * contains(p, b) operand:   path | :value | size(path) path:      name or #name, then .name, .#name and
 * [index] update:    SET p = a, p = a + b, p = a - b (a: also if_not_exists(p, a), list_append(a, b)) |
 * REMOVE p, p | ADD p :n
 *
 * Source: "Expressions in DynamoDB" of the developer guide. Limits: 4 KB of text, 300 operators.
 */
#ifndef SLUICE_LOCALAWS_DYNAMODB_EXPRESSION_H
#define SLUICE_LOCALAWS_DYNAMODB_EXPRESSION_H

#include "localaws/dynamodb_value.h"

enum {
    DYNAMODB_EXPRESSION_BYTES_MAX = 4096,
    DYNAMODB_NODES_MAX = 900,
    DYNAMODB_STEPS_MAX = 600,
    DYNAMODB_UPDATES_MAX = 300,
    DYNAMODB_PARENTHESES_MAX = 64,
};

/* One step of a path: into a map by name, or into a list by index. */
struct dynamodb_step {
    const char *name; /* NULL: an index */
    size_t index;
};

struct dynamodb_path {
    size_t first, count; /* in the expression's steps */
};

enum dynamodb_node_kind {
    DYNAMODB_PATH,
    DYNAMODB_VALUE,
    DYNAMODB_SIZE, /* of a path */
    DYNAMODB_IF_NOT_EXISTS,
    DYNAMODB_LIST_APPEND,
    DYNAMODB_PLUS,
    DYNAMODB_MINUS,
    DYNAMODB_EQUAL, /* from here on true or false */
    DYNAMODB_NOT_EQUAL,
    DYNAMODB_LESS,
    DYNAMODB_LESS_EQUAL,
    DYNAMODB_GREATER,
    DYNAMODB_GREATER_EQUAL,
    DYNAMODB_BETWEEN,
    DYNAMODB_IN, /* a in the chain that begins at b */
    DYNAMODB_EXISTS,
    DYNAMODB_NOT_EXISTS,
    DYNAMODB_TYPE,
    DYNAMODB_BEGINS_WITH,
    DYNAMODB_CONTAINS,
    DYNAMODB_AND,
    DYNAMODB_OR,
    DYNAMODB_NOT,
};

struct dynamodb_node {
    enum dynamodb_node_kind kind;
    const struct dynamodb_node *a, *b, *c;
    struct dynamodb_node *next; /* in a list of IN */
    struct dynamodb_path path;
    const json_t *value; /* the caller's */
};

enum dynamodb_action { DYNAMODB_SET, DYNAMODB_REMOVE, DYNAMODB_ADD };

struct dynamodb_update {
    enum dynamodb_action action;
    struct dynamodb_path path;
    const struct dynamodb_node *operand; /* REMOVE: NULL */
};

/* A parsed expression. */
struct dynamodb_expression {
    struct dynamodb_node nodes[DYNAMODB_NODES_MAX];
    size_t node_count;
    struct dynamodb_step steps[DYNAMODB_STEPS_MAX];
    size_t step_count;
    struct dynamodb_update updates[DYNAMODB_UPDATES_MAX]; /* of an update; REMOVE for a list of paths */
    size_t update_count;
    const struct dynamodb_node *root; /* of a condition */
    char names[2 * DYNAMODB_EXPRESSION_BYTES_MAX];
    size_t names_len;
};

/* ExpressionAttributeNames and -Values (NULL: none), which must outlive the expression, and those that were
 * used. */
struct dynamodb_terms {
    const json_t *names, *values;
    json_t *used; /* an object with their keys; the caller's */
};

enum dynamodb_expression_kind { DYNAMODB_CONDITION, DYNAMODB_UPDATE, DYNAMODB_PROJECTION };

/* Parses; NULL with a text such as "Invalid ConditionExpression: Syntax error; ...". Free it with free(). */
struct dynamodb_expression *dynamodb_parse(enum dynamodb_expression_kind kind, const char *text,
                                           const struct dynamodb_terms *terms, char *message,
                                           size_t message_size);
bool dynamodb_is_reserved(const char *word);

/* ---- dynamodb_eval.c ---- */

/* Whether the condition holds for an item (NULL: there is none). */
bool dynamodb_holds(const struct dynamodb_expression *expression, const json_t *item);
/* The value at a path, or NULL. */
const json_t *dynamodb_at(const struct dynamodb_expression *expression, struct dynamodb_path path,
                          const json_t *item);
/* Applies an update to `item`, a copy of `old`; operands are taken from `old`. Returns NULL, or what is
 * wrong, a literal; item is then of no use. */
const char *dynamodb_apply(const struct dynamodb_expression *expression, const json_t *old, json_t *item);

#endif
