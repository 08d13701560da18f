/* Order validation; see order.h. Each object is checked by a table of its members. */
#include "worker/order.h"

#include "base/jsonp.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <string.h>

/* A member's value as it stands in the text. */
struct value {
    enum jsonp_type type; /* JSONP_NONE: the member is missing */
    char *text;
    size_t len;
};

struct member {
    const char *name;
    bool required;
    const char *want; /* what is allowed, for the error text */
    bool (*check)(const struct value *value, struct order *order);
};

/* Orders may hold any text that is JSON. */
static struct jsonp parser_of(char *text, size_t len)
{
    struct jsonp p = jsonp_start(text, len);
    p.mends = true;
    return p;
}

static bool take_value(struct jsonp *p, struct value *ret_value)
{
    ret_value->type = jsonp_peek(p);
    return jsonp_raw(p, &ret_value->text, &ret_value->len);
}

static int parser_error(const struct jsonp *p, struct err *err)
{
    size_t offset = 0;
    const char *problem = jsonp_problem(p, &offset);
    return err_set(err, "byte %zu: %s", offset, problem);
}

static bool check_order_id(const struct value *value, struct order *order)
{
    static const char ALLOWED[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    /* The raw text is enough: an escape has a backslash, which is not allowed anyway. */
    if (value->type != JSONP_STRING || value->len < 2 + 1 || value->len > 2 + ORDER_ID_MAX)
        return false;
    size_t len = value->len - 2; /* without the quotes */
    memcpy(order->order_id, value->text + 1, len);
    order->order_id[len] = '\0';
    return strspn(order->order_id, ALLOWED) == len;
}

static bool check_customer_id(const struct value *value, struct order *order)
{
    struct jsonp p = parser_of(value->text, value->len);
    return jsonp_int(&p, &order->customer_id) && order->customer_id >= 1;
}

static bool check_string(const struct value *value, struct order *order)
{
    (void)order;
    return value->type == JSONP_STRING;
}

static bool check_product_id(const struct value *value, struct order *order)
{
    (void)order;
    return value->type == JSONP_STRING && value->len > 2; /* the quotes */
}

static bool check_quantity(const struct value *value, struct order *order)
{
    (void)order;
    int64_t quantity = 0;
    struct jsonp p = parser_of(value->text, value->len);
    return jsonp_int(&p, &quantity) && quantity >= 1 && quantity <= ORDER_QUANTITY_MAX;
}

static bool check_price(const struct value *value, struct order *order)
{
    (void)order;
    double price = -1;
    struct jsonp p = parser_of(value->text, value->len);
    return jsonp_double(&p, &price) && price >= 0;
}

static bool check_items(const struct value *value, struct order *order)
{
    (void)order;
    struct jsonp p = parser_of(value->text, value->len);
    return jsonp_array(&p) && jsonp_next_element(&p);
}

enum { ORDER_ITEMS = 2, ORDER_MEMBERS = 5, ITEM_MEMBERS = 3 };

static const struct member ORDER_TABLE[ORDER_MEMBERS] = {
    {"order_id", true, "1 to 64 letters, digits, '_' or '-'", check_order_id},
    {"customer_id", true, "an integer from 1", check_customer_id},
    [ORDER_ITEMS] = {"items", true, "a list of at least one item", check_items},
    {"status", false, "a string", check_string},
    {"created_at", false, "a string", check_string},
};

static const struct member ITEM_TABLE[ITEM_MEMBERS] = {
    {"product_id", true, "a string that is not empty", check_product_id},
    {"quantity", true, "an integer from 1 to 1000", check_quantity},
    {"price", true, "a number from 0", check_price},
};

/* Finds and checks the table's members of one object; found[i] is the value of row i. */
static int check_object(const struct member *table, int rows, const struct value *object, struct value *found,
                        struct order *order, struct err *err)
{
    const char *key = NULL;
    struct value value;
    struct jsonp p = parser_of(object->text, object->len);
    (void)jsonp_object(&p);
    while (jsonp_next_key(&p, &key) && take_value(&p, &value)) {
        for (int i = 0; i < rows; i++) {
            if (strcmp(key, table[i].name) != 0)
                continue;
            if (found[i].type != JSONP_NONE)
                return err_set(err, "%s: given twice", table[i].name);
            found[i] = value;
        }
    }
    if (!jsonp_finish(&p)) /* it was JSON, so this is a key with a NUL */
        return parser_error(&p, err);
    for (int i = 0; i < rows; i++) {
        if (found[i].type == JSONP_NONE && table[i].required)
            return err_set(err, "%s: missing, want %s", table[i].name, table[i].want);
        if (found[i].type != JSONP_NONE && !table[i].check(&found[i], order))
            return err_set(err, "%s: want %s", table[i].name, table[i].want);
    }
    return 0;
}

static int check_each_item(const struct value *items, struct order *order, struct err *err)
{
    struct value item;
    struct jsonp p = parser_of(items->text, items->len);
    (void)jsonp_array(&p);
    for (size_t i = 0; jsonp_next_element(&p) && take_value(&p, &item); i++) {
        struct value found[ITEM_MEMBERS] = {{.type = JSONP_NONE}};
        if (item.type != JSONP_OBJECT)
            return err_set(err, "items[%zu]: want an object", i);
        struct err inner;
        if (check_object(ITEM_TABLE, ITEM_MEMBERS, &item, found, order, &inner) != 0)
            return err_set(err, "items[%zu].%s", i, inner.text);
        order->item_count = i + 1;
    }
    return 0;
}

static int parse(char *text, size_t len, struct order *order, struct err *err)
{
    struct value root = {.type = JSONP_NONE};
    struct value found[ORDER_MEMBERS] = {{.type = JSONP_NONE}};
    struct jsonp p = parser_of(text, len);
    if (!take_value(&p, &root) || !jsonp_finish(&p)) {
        (void)parser_error(&p, err);
        return err_prefix(err, "not JSON");
    }
    if (root.type != JSONP_OBJECT)
        return err_set(err, "want a JSON object");
    if (check_object(ORDER_TABLE, ORDER_MEMBERS, &root, found, order, err) != 0)
        return -1;
    return check_each_item(&found[ORDER_ITEMS], order, err);
}

int order_parse(const char *body, size_t len, struct order *ret_order, struct err *err)
{
    struct order order = {.customer_id = 0};
    struct strbuf copy = STRBUF_INIT; /* the parser works in place */
    strbuf_append(&copy, body, len);
    int result = parse(copy.data, len, &order, err);
    strbuf_clean_up(&copy);
    if (result == 0)
        *ret_order = order;
    return result;
}
