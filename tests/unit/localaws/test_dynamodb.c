/* DynamoDB: numbers, conditions, updates, and what the operations do and refuse. */
#include "localaws/dynamodb_expression.h"
#include "localaws/dynamodb_number.h"
#include "localaws/dynamodb_ops.h"

#include "tests/unit/unit.h"

#include <stdio.h>

static json_t *json(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, 0, &error);
    ck_assert_msg(value != NULL, "%s: %s", text, error.text);
    return value;
}

/* ---- numbers ---- */

START_TEST(numbers_are_exact)
{
    static const struct {
        const char *a, *b, *sum;
        int order;
    } CASES[] = {
        {"1", "2", "3", -1},
        {"0.1", "0.2", "0.3", -1},
        {"-5", "5", "0", -1},
        {"10", "-0.5", "9.5", 1},
        {"1.0", "1", "2", 0},
        {"1E+3", "1", "1001", 1},
        {"-0", "0", "0", 0},
        {"99999999999999999999999999999999999998", "1", "99999999999999999999999999999999999999", 1},
        {"99999999999999999999999999999999999999", "1", "100000000000000000000000000000000000000", 1},
        {"-3", "-4", "-7", 1},
        {"1000", "-999.999", "0.001", 1},
        {"1e40", "1", NULL, 1}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct dynamodb_number a;
        struct dynamodb_number b;
        struct dynamodb_number sum;
        char text[DYNAMODB_NUMBER_BYTES];
        ck_assert(dynamodb_number_parse(CASES[i].a, &a) && dynamodb_number_parse(CASES[i].b, &b));
        int order = dynamodb_number_compare(&a, &b);
        ck_assert_msg((order > 0) - (order < 0) == CASES[i].order, "%s and %s", CASES[i].a, CASES[i].b);
        ck_assert_int_eq(dynamodb_number_add(&a, &b, &sum), CASES[i].sum != NULL);
        if (CASES[i].sum == NULL)
            continue;
        dynamodb_number_format(&sum, text);
        ck_assert_str_eq(text, CASES[i].sum);
    }
    static const char *const BAD[] = {"",      "-",      "x",  "1x",
                                      "1e",    "1.2.3",  ".",  "1e126",
                                      "1e+-1", "1e-131", " 1", "123456789012345678901234567890123456789"};
    struct dynamodb_number ignored;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        ck_assert_msg(!dynamodb_number_parse(BAD[i], &ignored), "%s", BAD[i]);
}
END_TEST

/* ---- expressions ---- */

#define ITEM                                                                                                 \
    "{\"id\":{\"S\":\"lease\"},\"n\":{\"N\":\"5\"},\"f\":{\"BOOL\":false},\"z\":{\"NULL\":true},"            \
    "\"m\":{\"M\":{\"x\":{\"L\":[{\"N\":\"1\"},{\"S\":\"two\"}]}}},\"b\":{\"B\":\"aGk=\"},"                  \
    "\"s\":{\"SS\":[\"p\",\"q\"]},\"owner id\":{\"S\":\"me\"}}"
#define VALUES                                                                                               \
    "{\":five\":{\"N\":\"5.0\"},\":six\":{\"N\":\"6\"},\":lease\":{\"S\":\"lease\"},\":le\":{\"S\":\"le\"}," \
    "\":false\":{\"BOOL\":false},\":p\":{\"S\":\"p\"},\":two\":{\"S\":\"two\"},\":t\":{\"S\":\"N\"},"        \
    "\":null\":{\"NULL\":true},\":hi\":{\"B\":\"aGk=\"},\":list\":{\"L\":[{\"N\":\"9\"}]}}"
#define NAMES "{\"#o\":\"owner id\",\"#n\":\"n\"}"

struct terms {
    json_t *names, *values, *used;
};

static struct terms open_terms(void)
{
    return (struct terms){json(NAMES), json(VALUES), json_object()};
}

static void close_terms(struct terms *t)
{
    json_decref(t->names);
    json_decref(t->values);
    json_decref(t->used);
}

static struct dynamodb_expression *parse(enum dynamodb_expression_kind kind, const char *text,
                                         const struct terms *t, char *message, size_t size)
{
    struct dynamodb_terms terms = {.names = t->names, .values = t->values, .used = t->used};
    return dynamodb_parse(kind, text, &terms, message, size);
}

START_TEST(conditions_hold_or_do_not)
{
    static const struct {
        const char *text;
        bool holds, holds_for_none;
    } CASES[] = {
        {"attribute_exists(id)", true, false},
        {"attribute_not_exists(id)", false, true},
        {"attribute_not_exists(id) OR n = :five", true, true},
        {"n = :five", true, false},
        {"n <> :five", false, true},
        {"nothing <> :five", true, true},
        {"n < :six", true, false},
        {"n <= :five", true, false},
        {"n > :six", false, false},
        {"n >= :six", false, false},
        {":six > n", true, false},
        {"n = :lease", false, false},
        {"NOT n = :six", true, true},
        {"NOT (n = :five AND id = :lease)", false, true},
        {"n = :six OR n = :five AND id = :lease", true, false},
        {"(n = :five OR n = :six) AND id = :le", false, false},
        {"n BETWEEN :five AND :six", true, false},
        {"n between :six and :six", false, false},
        {"n IN (:six, :five)", true, false},
        {"n IN (:six)", false, false},
        {"begins_with(id, :le)", true, false},
        {"begins_with(b, :hi)", true, false},
        {"contains(id, :le)", true, false},
        {"contains(s, :p)", true, false},
        {"contains(m.x, :two)", true, false},
        {"attribute_type(n, :t)", true, false},
        {"attribute_type(id, :t)", false, false},
        {"size(id) = :five", true, false},
        {"size(m.x) < :five", true, false},
        {"m.x[1] = :two", true, false},
        {"m.x[2] = :two", false, false},
        {"f = :false AND z = :null", true, false},
        {"#o <> :p and #n = :five", true, false},
        {"n=:five and not id<>:lease", true, false},
    };
    struct terms t = open_terms();
    json_t *item = json(ITEM);
    char message[256];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct dynamodb_expression *e = parse(DYNAMODB_CONDITION, CASES[i].text, &t, message, sizeof message);
        ck_assert_msg(e != NULL, "%s: %s", CASES[i].text, message);
        ck_assert_msg(dynamodb_holds(e, item) == CASES[i].holds, "%s", CASES[i].text);
        ck_assert_msg(dynamodb_holds(e, NULL) == CASES[i].holds_for_none, "%s for no item", CASES[i].text);
        free(e);
    }
    json_decref(item);
    close_terms(&t);
}
END_TEST

START_TEST(bad_expressions_are_refused_with_what_is_wrong)
{
    static const struct {
        enum dynamodb_expression_kind kind;
        const char *text, *why;
    } CASES[] = {
        {DYNAMODB_CONDITION, "", "Invalid ConditionExpression: The expression can not be empty"},
        {DYNAMODB_CONDITION, "n =", "Syntax error; token: \"<EOF>\""},
        {DYNAMODB_CONDITION, "n", "Syntax error; token: \"<EOF>\""},
        {DYNAMODB_CONDITION, "n = :five )", "Syntax error; token: \")\""},
        {DYNAMODB_CONDITION, "(n = :five", "Syntax error; token: \"<EOF>\""},
        {DYNAMODB_CONDITION, "n = :nine",
         "attribute value used in expression is not defined; attribute value: :nine"},
        {DYNAMODB_CONDITION, "#x = :five", "not defined; attribute name: #x"},
        {DYNAMODB_CONDITION, "status = :five", "reserved keyword: status"},
        {DYNAMODB_CONDITION, "m.Name = :five", "reserved keyword: Name"},
        {DYNAMODB_CONDITION, "exists(n)", "Invalid function name; function: exists"},
        {DYNAMODB_CONDITION, "n == :five", "Syntax error; token: \"=\""},
        {DYNAMODB_CONDITION, "n ! :five", "Syntax error; token: \"!\""},
        {DYNAMODB_CONDITION, "n[x] = :five", "Syntax error; token: \"x\""},
        {DYNAMODB_CONDITION, "n BETWEEN :five OR :six", "Syntax error; token: \"OR\""},
        {DYNAMODB_CONDITION, "n IN ()", "Syntax error; token: \")\""},
        {DYNAMODB_UPDATE, "n = :five", "Syntax error; token: \"n\""},
        {DYNAMODB_UPDATE, "SET n = :five SET f = :five", "\"SET\" section can only be used once"},
        {DYNAMODB_UPDATE, "SET n = :five, n = :six", "paths overlap"},
        {DYNAMODB_UPDATE, "SET m.x = :five REMOVE m", "path one: [m, x], path two: [m]"},
        {DYNAMODB_UPDATE, "SET n = :five + ", "Syntax error"},
        {DYNAMODB_UPDATE, "SET n = size(id)", "Invalid function name; function: size"},
        {DYNAMODB_UPDATE, "DELETE s :p", "not done here"},
        {DYNAMODB_UPDATE, "ADD n n", "Syntax error; token: \"n\""},
        {DYNAMODB_PROJECTION, "n, ", "Invalid ProjectionExpression: Syntax error"},
    };
    struct terms t = open_terms();
    char message[256];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct dynamodb_expression *e = parse(CASES[i].kind, CASES[i].text, &t, message, sizeof message);
        ck_assert_msg(e == NULL, "\"%s\" was taken", CASES[i].text);
        ck_assert_msg(strstr(message, CASES[i].why) != NULL, "\"%s\": %s", CASES[i].text, message);
    }
    char deep[1000] = "";
    for (int i = 0; i < 100; i++)
        strcat(deep, "NOT (");
    ck_assert_ptr_null(parse(DYNAMODB_CONDITION, deep, &t, message, sizeof message));
    ck_assert_ptr_nonnull(strstr(message, "nested"));
    static char many[DYNAMODB_EXPRESSION_BYTES_MAX + 10];
    many[0] = '\0';
    while (strlen(many) < DYNAMODB_EXPRESSION_BYTES_MAX - 8)
        strcat(many, strlen(many) == 0 ? "n=:six" : " OR n=n");
    ck_assert_ptr_null(parse(DYNAMODB_CONDITION, many, &t, message, sizeof message));
    ck_assert_ptr_nonnull(strstr(message, "too many"));
    close_terms(&t);
}
END_TEST

/* Whatever the words, the parser ends with a tree or a text; the sanitizers watch. */
START_TEST(any_row_of_words_is_parsed_or_refused)
{
    static const char *const WORDS[] = {"n",
                                        "id",
                                        "#o",
                                        ":five",
                                        ":x",
                                        "=",
                                        "<>",
                                        "<",
                                        "(",
                                        ")",
                                        ",",
                                        "AND",
                                        "OR",
                                        "NOT",
                                        "IN",
                                        "BETWEEN",
                                        "size(",
                                        "contains(",
                                        "[",
                                        "]",
                                        ".",
                                        "1",
                                        "SET",
                                        "REMOVE",
                                        "ADD",
                                        "if_not_exists(",
                                        "list_append(",
                                        "+",
                                        "-",
                                        "#",
                                        ":",
                                        "\""};
    struct terms t = open_terms();
    json_t *item = json(ITEM);
    unsigned seed = 7;
    long parsed = 0;
    for (long i = 0; i < unit_steps(60000); i++) {
        char text[400] = "";
        char message[256];
        int count = 1 + rand_r(&seed) % 14;
        enum dynamodb_expression_kind kind = (enum dynamodb_expression_kind)(rand_r(&seed) % 3);
        for (int k = 0; k < count; k++) {
            strcat(text, WORDS[(size_t)rand_r(&seed) % (sizeof WORDS / sizeof *WORDS)]);
            strcat(text, rand_r(&seed) % 2 ? " " : "");
        }
        struct dynamodb_expression *e = parse(kind, text, &t, message, sizeof message);
        ck_assert_int_eq(e == NULL, message[0] != '\0');
        if (e != NULL && kind == DYNAMODB_CONDITION)
            (void)dynamodb_holds(e, item);
        if (e != NULL && kind == DYNAMODB_UPDATE) {
            json_t *changed = json_deep_copy(item);
            (void)dynamodb_apply(e, item, changed);
            json_decref(changed);
        }
        parsed += e != NULL;
        free(e);
    }
    ck_assert_int_gt(parsed, 10);
    json_decref(item);
    close_terms(&t);
}
END_TEST

/* ---- operations ---- */

static struct dynamodb g_db;

/* The reply, or NULL with the failure; both are the caller's. */
static json_t *call(enum dynamodb_op op, const char *body, struct rpc_failure *failure)
{
    json_t *in = json(body);
    json_t *out = json_object();
    *failure = (struct rpc_failure){.error = NULL};
    struct rpc_call rpc = {
        .in = in, .out = out, .failure = failure, .engine = &g_db, .now_ms = 1800000000000};
    DYNAMODB_SERVICE.ops[op].run(&rpc);
    json_decref(in);
    if (failure->error == NULL)
        return out;
    json_decref(out);
    return NULL;
}

static json_t *good(enum dynamodb_op op, const char *body)
{
    struct rpc_failure failure;
    json_t *out = call(op, body, &failure);
    ck_assert_msg(out != NULL, "%s: %s", body, failure.message);
    return out;
}

/* The operation answers with exactly this. */
static void gives(enum dynamodb_op op, const char *body, const char *reply)
{
    json_t *out = good(op, body);
    json_t *want = json(reply);
    char *text = json_dumps(out, JSON_COMPACT);
    ck_assert_msg(json_equal(out, want), "%s: %s, not %s", body, text, reply);
    free(text);
    json_decref(out);
    json_decref(want);
}

static void refuses(enum dynamodb_op op, const char *body, const char *code, const char *why)
{
    struct rpc_failure failure;
    const json_t *out = call(op, body, &failure);
    ck_assert_msg(out == NULL, "%s was taken", body);
    ck_assert_msg(strcmp(rpc_error_code(failure.error), code) == 0 && strstr(failure.message, why) != NULL,
                  "%s: %s: %s", body, rpc_error_code(failure.error), failure.message);
    json_decref(failure.extras);
}

#define KEY "\"TableName\":\"leases\",\"Key\":{\"id\":{\"S\":\"a\"}}"

static void open_table(void)
{
    dynamodb_init(&g_db, "us-east-1", "123456789012");
    json_decref(good(
        DYNAMODB_CREATE_TABLE,
        "{\"TableName\":\"leases\",\"BillingMode\":\"PAY_PER_REQUEST\",\"KeySchema\":[{\"AttributeName\":"
        "\"id\",\"KeyType\":\"HASH\"}],\"AttributeDefinitions\":[{\"AttributeName\":\"id\","
        "\"AttributeType\":\"S\"}]}"));
}

START_TEST(a_condition_that_does_not_hold_writes_nothing)
{
    struct rpc_failure failure;
    open_table();
    gives(DYNAMODB_PUT_ITEM,
          "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"},\"v\":{\"N\":\"1\"}},"
          "\"ConditionExpression\":"
          "\"attribute_not_exists(id)\"}",
          "{}");
    refuses(DYNAMODB_PUT_ITEM,
            "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"},\"v\":{\"N\":\"2\"}},"
            "\"ConditionExpression\":"
            "\"attribute_not_exists(id)\"}",
            "ConditionalCheckFailedException", "The conditional request failed");
    refuses(DYNAMODB_UPDATE_ITEM,
            "{" KEY ",\"UpdateExpression\":\"SET v = :n\",\"ConditionExpression\":\"v = :old\","
            "\"ExpressionAttributeValues\":{\":n\":{\"N\":\"9\"},\":old\":{\"N\":\"0\"}}}",
            "ConditionalCheckFailedException", "failed");
    json_t *out = call(
        DYNAMODB_DELETE_ITEM,
        "{" KEY ",\"ConditionExpression\":\"v = :old\",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\","
        "\"ExpressionAttributeValues\":{\":old\":{\"N\":\"0\"}}}",
        &failure);
    ck_assert_ptr_null(out);
    json_t *want = json("{\"Item\":{\"id\":{\"S\":\"a\"},\"v\":{\"N\":\"1\"}}}");
    ck_assert(json_equal(failure.extras, want));
    json_decref(want);
    json_decref(failure.extras);
    gives(DYNAMODB_GET_ITEM, "{" KEY ",\"ConsistentRead\":true}",
          "{\"Item\":{\"id\":{\"S\":\"a\"},\"v\":{\"N\":\"1\"}}}");
    gives(DYNAMODB_DELETE_ITEM,
          "{" KEY
          ",\"ConditionExpression\":\"v = :old\",\"ReturnValues\":\"ALL_OLD\",\"ExpressionAttributeValues\":{"
          "\":old\":{\"N\":\"1.0\"}}}",
          "{\"Attributes\":{\"id\":{\"S\":\"a\"},\"v\":{\"N\":\"1\"}}}");
    gives(DYNAMODB_GET_ITEM, "{" KEY "}", "{}");
    dynamodb_clean_up(&g_db);
}
END_TEST

START_TEST(updates_change_what_they_name)
{
    open_table();
    gives(DYNAMODB_UPDATE_ITEM,
          "{" KEY ",\"UpdateExpression\":\"SET n = if_not_exists(n, :zero) + :one, m = :map, l = "
          ":list\",\"ReturnValues\":"
          "\"UPDATED_NEW\",\"ExpressionAttributeValues\":{\":zero\":{\"N\":\"0\"},\":one\":{\"N\":\"1\"},\":"
          "map\":{\"M\":"
          "{\"x\":{\"S\":\"1\"}}},\":list\":{\"L\":[{\"S\":\"a\"},{\"S\":\"b\"},{\"S\":\"c\"}]}}}",
          "{\"Attributes\":{\"n\":{\"N\":\"1\"},\"m\":{\"M\":{\"x\":{\"S\":\"1\"}}},\"l\":{\"L\":[{\"S\":"
          "\"a\"},{\"S\":"
          "\"b\"},{\"S\":\"c\"}]}}}");
    gives(DYNAMODB_UPDATE_ITEM,
          "{" KEY ",\"UpdateExpression\":\"SET n = n + :one, was = n, m.y = :s, l[9] = :s REMOVE m.x, l[0], "
          "l[2] ADD c :one\","
          "\"ReturnValues\":\"ALL_NEW\",\"ExpressionAttributeValues\":{\":one\":{\"N\":\"1\"},\":s\":{\"S\":"
          "\"new\"}}}",
          "{\"Attributes\":{\"id\":{\"S\":\"a\"},\"n\":{\"N\":\"2\"},\"was\":{\"N\":\"1\"},\"c\":{\"N\":"
          "\"1\"},\"m\":{\"M\":"
          "{\"y\":{\"S\":\"new\"}}},\"l\":{\"L\":[{\"S\":\"b\"},{\"S\":\"new\"}]}}}");
    gives(DYNAMODB_UPDATE_ITEM,
          "{" KEY ",\"UpdateExpression\":\"SET l = list_append(l, l) REMOVE m, "
          "nothing\",\"ReturnValues\":\"UPDATED_OLD\"}",
          "{\"Attributes\":{\"l\":{\"L\":[{\"S\":\"b\"},{\"S\":\"new\"}]},\"m\":{\"M\":{\"y\":{\"S\":\"new\"}"
          "}}}}");
    gives(DYNAMODB_GET_ITEM,
          "{" KEY ",\"ProjectionExpression\":\"l, #c\",\"ExpressionAttributeNames\":{\"#c\":\"c\"}}",
          "{\"Item\":{\"c\":{\"N\":\"1\"},\"l\":{\"L\":[{\"S\":\"b\"},{\"S\":\"new\"},{\"S\":\"b\"},{\"S\":"
          "\"new\"}]}}}");

    /* what is wrong changes nothing, not even what came before it */
    static const struct {
        const char *update, *why;
    } CASES[] = {{"SET n = :one, q = nothing", "does not exist in the item"},
                 {"SET n = :one, q = l + :one", "incorrect data type"},
                 {"SET n = :one, nothing.x = :one", "invalid for update"},
                 {"SET n = :one, id = :one", "Cannot update attribute id"},
                 {"SET n = :one REMOVE c.x", "invalid for update"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char body[512];
        (void)snprintf(body, sizeof body,
                       "{" KEY
                       ",\"UpdateExpression\":\"%s\",\"ExpressionAttributeValues\":{\":one\":{\"N\":\"1\"}}}",
                       CASES[i].update);
        refuses(DYNAMODB_UPDATE_ITEM, body, "ValidationException", CASES[i].why);
    }
    gives(DYNAMODB_GET_ITEM, "{" KEY ",\"ProjectionExpression\":\"n\"}", "{\"Item\":{\"n\":{\"N\":\"2\"}}}");
    dynamodb_clean_up(&g_db);
}
END_TEST

START_TEST(bad_requests_are_refused)
{
    static const struct {
        enum dynamodb_op op;
        const char *body, *code, *why;
    } CASES[] = {
        {DYNAMODB_GET_ITEM, "{\"TableName\":\"none\",\"Key\":{}}", "ResourceNotFoundException",
         "Requested resource"},
        {DYNAMODB_DESCRIBE_TABLE, "{\"TableName\":\"none\"}", "ResourceNotFoundException",
         "Table: none not found"},
        {DYNAMODB_DESCRIBE_TABLE, "{\"TableName\":\"a\"}", "ValidationException", "between 3 and 255"},
        {DYNAMODB_GET_ITEM, "{\"TableName\":\"leases\"}", "ValidationException", "'key'"},
        {DYNAMODB_GET_ITEM, "{\"TableName\":\"leases\",\"Key\":{\"x\":{\"S\":\"a\"}}}", "ValidationException",
         "does not match the schema"},
        {DYNAMODB_GET_ITEM, "{\"TableName\":\"leases\",\"Key\":{\"id\":{\"N\":\"1\"}}}",
         "ValidationException", "does not match the schema"},
        {DYNAMODB_GET_ITEM, "{\"TableName\":\"leases\",\"Key\":{\"id\":{\"S\":\"\"}}}", "ValidationException",
         "empty string value"},
        {DYNAMODB_PUT_ITEM, "{\"TableName\":\"leases\",\"Item\":{\"x\":{\"S\":\"a\"}}}",
         "ValidationException", "Missing the key id"},
        {DYNAMODB_PUT_ITEM, "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"N\":\"1\"}}}",
         "ValidationException", "expected: S actual: N"},
        {DYNAMODB_PUT_ITEM, "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"},\"n\":{\"N\":\"x\"}}}",
         "ValidationException", "numeric"},
        {DYNAMODB_PUT_ITEM, "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"},\"n\":{}}}",
         "ValidationException", "exactly one"},
        {DYNAMODB_PUT_ITEM,
         "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"},\"n\":{\"NULL\":false}}}",
         "ValidationException", "Null"},
        {DYNAMODB_PUT_ITEM,
         "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"}},\"ExpressionAttributeValues\":{\":x\":{"
         "\"S\":\"\"}}}",
         "ValidationException", "only be specified when using expressions"},
        {DYNAMODB_PUT_ITEM,
         "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"}},\"ConditionExpression\":\"attribute_"
         "exists(id)\","
         "\"ExpressionAttributeValues\":{\":x\":{\"S\":\"\"}}}",
         "ValidationException", "unused in expressions: keys: {:x}"},
        {DYNAMODB_PUT_ITEM, "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"}},\"Expected\":{}}",
         "ValidationException", "Expected is not evaluated here"},
        {DYNAMODB_PUT_ITEM,
         "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"}},\"ReturnValues\":\"ALL_NEW\"}",
         "ValidationException", "ReturnValues"},
        {DYNAMODB_CREATE_TABLE, "{\"TableName\":\"more\"}", "ValidationException", "keySchema"},
        {DYNAMODB_CREATE_TABLE,
         "{\"TableName\":\"more\",\"KeySchema\":[{\"AttributeName\":\"id\",\"KeyType\":\"HASH\"}]}",
         "ValidationException", "not defined in AttributeDefinitions"},
        {DYNAMODB_CREATE_TABLE,
         "{\"TableName\":\"leases\",\"KeySchema\":[{\"AttributeName\":\"id\",\"KeyType\":\"HASH\"}]}",
         "ResourceInUseException", "already exists"},
    };
    open_table();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        refuses(CASES[i].op, CASES[i].body, CASES[i].code, CASES[i].why);
    ck_assert_uint_eq(dynamodb_find_table(&g_db, "leases")->items.count, 0);
    dynamodb_clean_up(&g_db);
}
END_TEST

START_TEST(items_have_a_size)
{
    open_table();
    size_t len = DYNAMODB_ITEM_BYTES_MAX;
    char *body = malloc(len + 200);
    int head =
        snprintf(body, 200, "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"},\"t\":{\"S\":\"");
    for (size_t i = 0; i < 2; i++) { /* "id", "a", "t" are four bytes */
        size_t fill = len - 4 + i;
        memset(body + head, 'x', fill);
        memcpy(body + (size_t)head + fill, "\"}}}", 5);
        if (i == 0)
            gives(DYNAMODB_PUT_ITEM, body, "{}");
        else
            refuses(DYNAMODB_PUT_ITEM, body, "ValidationException", "Item size has exceeded");
    }
    free(body);
    ck_assert_uint_eq(dynamodb_find_table(&g_db, "leases")->bytes, len);
    dynamodb_clean_up(&g_db);
}
END_TEST

START_TEST(a_read_that_is_not_consistent_may_be_old)
{
    open_table();
    json_decref(good(DYNAMODB_PUT_ITEM,
                     "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"},\"v\":{\"N\":\"1\"}}}"));
    json_decref(good(DYNAMODB_PUT_ITEM,
                     "{\"TableName\":\"leases\",\"Item\":{\"id\":{\"S\":\"a\"},\"v\":{\"N\":\"2\"}}}"));
    g_db.reads_are_stale = true;
    gives(DYNAMODB_GET_ITEM, "{" KEY "}", "{\"Item\":{\"id\":{\"S\":\"a\"},\"v\":{\"N\":\"1\"}}}");
    gives(DYNAMODB_GET_ITEM, "{" KEY ",\"ConsistentRead\":true}",
          "{\"Item\":{\"id\":{\"S\":\"a\"},\"v\":{\"N\":\"2\"}}}");
    dynamodb_clean_up(&g_db);
}
END_TEST

UNIT_MAIN("dynamodb", numbers_are_exact, conditions_hold_or_do_not,
          bad_expressions_are_refused_with_what_is_wrong, any_row_of_words_is_parsed_or_refused,
          a_condition_that_does_not_hold_writes_nothing, updates_change_what_they_name,
          bad_requests_are_refused, items_have_a_size, a_read_that_is_not_consistent_may_be_old)
