/* From the text of an expression to its tree; see dynamodb_expression.h. */
#include "localaws/dynamodb_expression.h"

#include "base/alloc.h"
#include "localaws/slice.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_REFERENCE,
    TOKEN_VALUE,
    TOKEN_NUMBER,
    TOKEN_SYMBOL,
    TOKEN_BAD
};

struct parser {
    struct dynamodb_expression *out;
    const struct dynamodb_terms *terms;
    const char *kind;
    const char *at; /* behind the token in hand */
    const char *before;
    enum token_kind token;
    struct slice text; /* of the token */
    int depth;
    char *message;
    size_t message_size;
};

static bool has_failed(const struct parser *p)
{
    return p->message[0] != '\0';
}

static void fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct parser *p, const char *fmt, ...)
{
    va_list args;
    if (has_failed(p))
        return;
    int len = snprintf(p->message, p->message_size, "Invalid %s: ", p->kind);
    va_start(args, fmt);
    (void)vsnprintf(p->message + len, p->message_size - (size_t)len, fmt, args);
    va_end(args);
}

static void fail_syntax(struct parser *p)
{
    const char *end = p->text.at + p->text.len;
    size_t near_len = strnlen(p->before, (size_t)(end - p->before) + 10);
    if (p->token == TOKEN_END)
        fail(p, "Syntax error; token: \"<EOF>\", near: \"%.60s\"", p->before);
    else
        fail(p, "Syntax error; token: \"%.*s\", near: \"%.*s\"", (int)(p->text.len < 60 ? p->text.len : 60),
             p->text.at, (int)(near_len < 80 ? near_len : 80), p->before);
}

/* ---- tokens ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t word_len(const char *at)
{
    size_t len = 0;
    while (is_letter(at[len]) || is_digit(at[len]))
        len++;
    return len;
}

static size_t symbol_len(const char *at)
{
    if (strncmp(at, "<>", 2) == 0 || strncmp(at, "<=", 2) == 0 || strncmp(at, ">=", 2) == 0)
        return 2;
    return strchr("=<>(),.[]+-", at[0]) != NULL ? 1 : 0;
}

static void advance(struct parser *p)
{
    p->before = p->text.at == NULL ? p->at : p->text.at;
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
        p->at++;
    char c = *p->at;
    size_t len = 0;
    if (c == '\0') {
        p->token = TOKEN_END;
    } else if (c == '#' || c == ':') {
        len = 1 + word_len(p->at + 1);
        p->token = len == 1 ? TOKEN_BAD : c == '#' ? TOKEN_REFERENCE : TOKEN_VALUE;
    } else if (is_digit(c)) {
        while (is_digit(p->at[len]))
            len++;
        p->token = TOKEN_NUMBER;
    } else if (is_letter(c)) {
        len = word_len(p->at);
        p->token = TOKEN_NAME;
    } else {
        len = symbol_len(p->at);
        p->token = len == 0 ? TOKEN_BAD : TOKEN_SYMBOL;
        len = len == 0 ? 1 : len;
    }
    p->text = (struct slice){p->at, len};
    p->at += len;
}

static bool is_symbol(const struct parser *p, const char *symbol)
{
    return p->token == TOKEN_SYMBOL && slice_is(p->text, symbol);
}

static bool is_keyword(const struct parser *p, const char *word)
{
    return p->token == TOKEN_NAME && p->text.len == strlen(word) &&
           strncasecmp(p->text.at, word, p->text.len) == 0;
}

static bool take_symbol(struct parser *p, const char *symbol)
{
    if (has_failed(p) || !is_symbol(p, symbol))
        return false;
    advance(p);
    return true;
}

static void expect_symbol(struct parser *p, const char *symbol)
{
    if (!take_symbol(p, symbol))
        fail_syntax(p);
}

static bool take_keyword(struct parser *p, const char *word)
{
    if (has_failed(p) || !is_keyword(p, word))
        return false;
    advance(p);
    return true;
}

/* Whether the token in hand is the name of a function: what follows is a parenthesis. */
static bool is_function(const struct parser *p)
{
    const char *at = p->at + strspn(p->at, " \t\r\n");
    return p->token == TOKEN_NAME && *at == '(';
}

/* ---- nodes ---- */

/* The last place is never counted: who has failed may write there. */
static struct dynamodb_node *new_node(struct parser *p, enum dynamodb_node_kind kind)
{
    struct dynamodb_expression *out = p->out;
    struct dynamodb_node *node = &out->nodes[out->node_count];
    *node = (struct dynamodb_node){.kind = kind};
    if (out->node_count < DYNAMODB_NODES_MAX - 1)
        out->node_count++;
    else
        fail(p, "The expression contains too many operators; operator count: %d", DYNAMODB_NODES_MAX);
    return node;
}

static const char *keep_name(struct parser *p, struct slice name)
{
    struct dynamodb_expression *out = p->out;
    if (out->names_len + name.len + 1 > sizeof out->names)
        return ""; /* cannot be: the text is shorter */
    char *kept = out->names + out->names_len;
    memcpy(kept, name.at, name.len);
    kept[name.len] = '\0';
    out->names_len += name.len + 1;
    return kept;
}

/* "#name" or ":value": the caller's, noted as used; NULL with the failure. */
static const json_t *look_up(struct parser *p, const json_t *terms, const char *what)
{
    const char *key = keep_name(p, p->text);
    const json_t *found = json_object_get(terms, key);
    if (found == NULL)
        fail(p, "An expression attribute %s used in %s is not defined; attribute %s: %s", what,
             strcmp(what, "name") == 0 ? "the document path" : "expression", what, key);
    else
        (void)json_object_set_new(p->terms->used, key, json_true());
    return found;
}

static void add_step(struct parser *p, struct dynamodb_path *path, struct dynamodb_step step)
{
    struct dynamodb_expression *out = p->out;
    if (out->step_count == DYNAMODB_STEPS_MAX || path->count == DYNAMODB_DEPTH_MAX) {
        fail(p, "The document path has too many nesting elements; nesting levels: %zu", path->count + 1);
        return;
    }
    out->steps[out->step_count++] = step;
    path->count++;
}

static void read_name_step(struct parser *p, struct dynamodb_path *path)
{
    struct dynamodb_step step = {.name = NULL};
    if (p->token == TOKEN_REFERENCE) {
        step.name = json_string_value(look_up(p, p->terms->names, "name"));
    } else if (p->token == TOKEN_NAME) {
        step.name = keep_name(p, p->text);
        if (dynamodb_is_reserved(step.name))
            fail(p, "Attribute name is a reserved keyword; reserved keyword: %s", step.name);
    } else {
        fail_syntax(p);
    }
    if (has_failed(p))
        return;
    add_step(p, path, step);
    advance(p);
}

static struct dynamodb_path read_path(struct parser *p)
{
    struct dynamodb_path path = {.first = p->out->step_count};
    read_name_step(p, &path);
    while (!has_failed(p) && (is_symbol(p, ".") || is_symbol(p, "["))) {
        if (take_symbol(p, ".")) {
            read_name_step(p, &path);
            continue;
        }
        advance(p);
        if (p->token != TOKEN_NUMBER || p->text.len > 6) {
            fail_syntax(p);
            break;
        }
        add_step(p, &path, (struct dynamodb_step){.index = strtoul(p->text.at, NULL, 10)});
        advance(p);
        expect_symbol(p, "]");
    }
    return path;
}

static struct dynamodb_node *read_path_node(struct parser *p)
{
    struct dynamodb_node *node = new_node(p, DYNAMODB_PATH);
    node->path = read_path(p);
    return node;
}

static struct dynamodb_node *read_value(struct parser *p)
{
    struct dynamodb_node *node = new_node(p, DYNAMODB_VALUE);
    node->value = look_up(p, p->terms->values, "value");
    advance(p);
    return node;
}

static void fail_function(struct parser *p)
{
    fail(p, "Invalid function name; function: %.*s", (int)(p->text.len < 60 ? p->text.len : 60), p->text.at);
}

/* An operand of a condition. */
static struct dynamodb_node *read_operand(struct parser *p)
{
    if (p->token == TOKEN_VALUE)
        return read_value(p);
    if (!is_function(p))
        return read_path_node(p);
    if (!slice_is(p->text, "size"))
        fail_function(p);
    struct dynamodb_node *node = new_node(p, DYNAMODB_SIZE);
    advance(p);
    expect_symbol(p, "(");
    if (!has_failed(p))
        node->path = read_path(p);
    expect_symbol(p, ")");
    return node;
}

/* ---- conditions ---- */

static struct dynamodb_node *read_or(struct parser *p);

static const struct {
    const char *name;
    enum dynamodb_node_kind kind;
    bool has_operand;
} FUNCTIONS[] = {{"attribute_exists", DYNAMODB_EXISTS, false},
                 {"attribute_not_exists", DYNAMODB_NOT_EXISTS, false},
                 {"attribute_type", DYNAMODB_TYPE, true},
                 {"begins_with", DYNAMODB_BEGINS_WITH, true},
                 {"contains", DYNAMODB_CONTAINS, true}};

static struct dynamodb_node *read_function(struct parser *p)
{
    enum { COUNT = sizeof FUNCTIONS / sizeof *FUNCTIONS };
    size_t i = 0;
    while (i < COUNT && !slice_is(p->text, FUNCTIONS[i].name))
        i++;
    if (i == COUNT) {
        fail_function(p);
        return new_node(p, DYNAMODB_NOT_EXISTS);
    }
    struct dynamodb_node *node = new_node(p, FUNCTIONS[i].kind);
    advance(p);
    expect_symbol(p, "(");
    if (!has_failed(p))
        node->path = read_path(p);
    if (FUNCTIONS[i].has_operand) {
        expect_symbol(p, ",");
        if (!has_failed(p))
            node->a = read_operand(p);
    }
    expect_symbol(p, ")");
    return node;
}

static struct dynamodb_node *read_in(struct parser *p, const struct dynamodb_node *operand)
{
    struct dynamodb_node *node = new_node(p, DYNAMODB_IN);
    struct dynamodb_node *last = NULL;
    node->a = operand;
    expect_symbol(p, "(");
    do {
        if (has_failed(p))
            break;
        struct dynamodb_node *element = read_operand(p);
        if (last == NULL)
            node->b = element;
        else
            last->next = element;
        last = element;
    } while (take_symbol(p, ","));
    expect_symbol(p, ")");
    return node;
}

static struct dynamodb_node *read_comparison(struct parser *p)
{
    static const struct {
        const char *symbol;
        enum dynamodb_node_kind kind;
    } COMPARATORS[] = {{"=", DYNAMODB_EQUAL},   {"<>", DYNAMODB_NOT_EQUAL},
                       {"<", DYNAMODB_LESS},    {"<=", DYNAMODB_LESS_EQUAL},
                       {">", DYNAMODB_GREATER}, {">=", DYNAMODB_GREATER_EQUAL}};
    struct dynamodb_node *operand = read_operand(p);
    for (size_t i = 0; i < sizeof COMPARATORS / sizeof *COMPARATORS; i++) {
        if (!take_symbol(p, COMPARATORS[i].symbol))
            continue;
        struct dynamodb_node *node = new_node(p, COMPARATORS[i].kind);
        node->a = operand;
        node->b = read_operand(p);
        return node;
    }
    if (take_keyword(p, "IN"))
        return read_in(p, operand);
    struct dynamodb_node *node = new_node(p, DYNAMODB_BETWEEN);
    node->a = operand;
    if (!take_keyword(p, "BETWEEN"))
        fail_syntax(p);
    node->b = has_failed(p) ? NULL : read_operand(p);
    if (!take_keyword(p, "AND"))
        fail_syntax(p);
    node->c = has_failed(p) ? NULL : read_operand(p);
    return node;
}

static struct dynamodb_node *read_primary(struct parser *p)
{
    if (has_failed(p) || ++p->depth > DYNAMODB_PARENTHESES_MAX) {
        fail(p, "The expression has too many nested parentheses or NOTs");
        return new_node(p, DYNAMODB_NOT);
    }
    struct dynamodb_node *node = NULL;
    if (take_keyword(p, "NOT")) {
        node = new_node(p, DYNAMODB_NOT);
        node->a = read_primary(p);
    } else if (take_symbol(p, "(")) {
        node = read_or(p);
        expect_symbol(p, ")");
    } else if (is_function(p) && !slice_is(p->text, "size")) {
        node = read_function(p);
    } else {
        node = read_comparison(p);
    }
    p->depth--;
    return node;
}

static struct dynamodb_node *join(struct parser *p, enum dynamodb_node_kind kind,
                                  const struct dynamodb_node *a, const struct dynamodb_node *b)
{
    struct dynamodb_node *node = new_node(p, kind);
    node->a = a;
    node->b = b;
    return node;
}

static struct dynamodb_node *read_and(struct parser *p)
{
    struct dynamodb_node *node = read_primary(p);
    while (take_keyword(p, "AND"))
        node = join(p, DYNAMODB_AND, node, read_primary(p));
    return node;
}

static struct dynamodb_node *read_or(struct parser *p)
{
    struct dynamodb_node *node = read_and(p);
    while (take_keyword(p, "OR"))
        node = join(p, DYNAMODB_OR, node, read_and(p));
    return node;
}

/* ---- updates ---- */

static struct dynamodb_node *read_update_operand(struct parser *p)
{
    if (has_failed(p) || ++p->depth > DYNAMODB_PARENTHESES_MAX) {
        fail(p, "The expression has too many nested functions");
        return new_node(p, DYNAMODB_PLUS);
    }
    struct dynamodb_node *node = NULL;
    if (p->token == TOKEN_VALUE) {
        node = read_value(p);
    } else if (!is_function(p)) {
        node = read_path_node(p);
    } else {
        bool appends = slice_is(p->text, "list_append");
        if (!appends && !slice_is(p->text, "if_not_exists"))
            fail_function(p);
        node = new_node(p, appends ? DYNAMODB_LIST_APPEND : DYNAMODB_IF_NOT_EXISTS);
        advance(p);
        expect_symbol(p, "(");
        if (!has_failed(p) && appends)
            node->a = read_update_operand(p);
        else if (!has_failed(p))
            node->path = read_path(p);
        expect_symbol(p, ",");
        node->b = has_failed(p) ? NULL : read_update_operand(p);
        expect_symbol(p, ")");
    }
    p->depth--;
    return node;
}

static const struct dynamodb_node *read_set_value(struct parser *p)
{
    struct dynamodb_node *node = read_update_operand(p);
    if (has_failed(p) || (!is_symbol(p, "+") && !is_symbol(p, "-")))
        return node;
    enum dynamodb_node_kind kind = is_symbol(p, "+") ? DYNAMODB_PLUS : DYNAMODB_MINUS;
    advance(p);
    return join(p, kind, node, read_update_operand(p));
}

static void write_path(const struct dynamodb_expression *e, struct dynamodb_path path, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < path.count && len < size; i++) {
        const struct dynamodb_step *step = &e->steps[path.first + i];
        int n = step->name != NULL ? snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", step->name)
                                   : snprintf(out + len, size - len, ", [%zu]", step->index);
        len += (size_t)n;
    }
}

/* Whether one path begins with the other. */
static bool overlap(const struct dynamodb_expression *e, struct dynamodb_path a, struct dynamodb_path b)
{
    size_t count = a.count < b.count ? a.count : b.count;
    for (size_t i = 0; i < count; i++) {
        const struct dynamodb_step *x = &e->steps[a.first + i];
        const struct dynamodb_step *y = &e->steps[b.first + i];
        bool same = x->name != NULL && y->name != NULL ? strcmp(x->name, y->name) == 0
                                                       : x->name == y->name && x->index == y->index;
        if (!same)
            return false;
    }
    return true;
}

static void add_update(struct parser *p, const struct dynamodb_update *update)
{
    struct dynamodb_expression *out = p->out;
    char one[80];
    char two[80];
    if (has_failed(p))
        return;
    if (out->update_count == DYNAMODB_UPDATES_MAX) {
        fail(p, "The expression contains too many operators; operator count: %d", DYNAMODB_UPDATES_MAX);
        return;
    }
    for (size_t i = 0; i < out->update_count; i++) {
        if (!overlap(out, out->updates[i].path, update->path))
            continue;
        write_path(out, out->updates[i].path, one, sizeof one);
        write_path(out, update->path, two, sizeof two);
        fail(p,
             "Two document paths overlap with each other; must remove or rewrite one of these paths; path "
             "one: [%s],"
             " path two: [%s]",
             one, two);
        return;
    }
    out->updates[out->update_count++] = *update;
}

static void read_section(struct parser *p, enum dynamodb_action action)
{
    do {
        struct dynamodb_update update = {.action = action, .path = read_path(p)};
        if (action == DYNAMODB_SET) {
            expect_symbol(p, "=");
            update.operand = has_failed(p) ? NULL : read_set_value(p);
        } else if (action == DYNAMODB_ADD) {
            if (p->token != TOKEN_VALUE)
                fail_syntax(p);
            update.operand = has_failed(p) ? NULL : read_value(p);
        }
        add_update(p, &update);
    } while (take_symbol(p, ","));
}

static void read_update(struct parser *p)
{
    static const char *const SECTIONS[] = {
        [DYNAMODB_SET] = "SET", [DYNAMODB_REMOVE] = "REMOVE", [DYNAMODB_ADD] = "ADD"};
    bool seen[3] = {false, false, false};
    do {
        int i = 0;
        while (i < 3 && !is_keyword(p, SECTIONS[i]))
            i++;
        if (i < 3 && seen[i])
            fail(p, "The \"%s\" section can only be used once in an update expression;", SECTIONS[i]);
        else if (is_keyword(p, "DELETE"))
            fail(p, "DELETE, which takes elements out of sets, is not done here");
        else if (i == 3)
            fail_syntax(p);
        if (has_failed(p))
            return;
        seen[i] = true;
        advance(p);
        read_section(p, (enum dynamodb_action)i);
    } while (!has_failed(p) && p->token != TOKEN_END);
}

/* ---- all of it ---- */

struct dynamodb_expression *dynamodb_parse(enum dynamodb_expression_kind kind, const char *text,
                                           const struct dynamodb_terms *terms, char *message,
                                           size_t message_size)
{
    static const char *const KINDS[] = {[DYNAMODB_CONDITION] = "ConditionExpression",
                                        [DYNAMODB_UPDATE] = "UpdateExpression",
                                        [DYNAMODB_PROJECTION] = "ProjectionExpression"};
    struct parser p = {
        .terms = terms, .kind = KINDS[kind], .at = text, .message = message, .message_size = message_size};
    message[0] = '\0';
    size_t len = strlen(text);
    if (len == 0)
        fail(&p, "The expression can not be empty;");
    else if (len > DYNAMODB_EXPRESSION_BYTES_MAX)
        fail(&p, "Expression size has exceeded the maximum allowed size; expression size: %zu", len);
    if (has_failed(&p))
        return NULL;
    p.out = xcalloc(1, sizeof *p.out);
    advance(&p);
    if (kind == DYNAMODB_CONDITION)
        p.out->root = read_or(&p);
    else if (kind == DYNAMODB_UPDATE)
        read_update(&p);
    else
        read_section(&p, DYNAMODB_REMOVE);
    if (!has_failed(&p) && p.token != TOKEN_END)
        fail_syntax(&p);
    if (!has_failed(&p))
        return p.out;
    free(p.out);
    return NULL;
}
