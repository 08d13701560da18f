/* Order validation; see order.h. Each object is checked by a table of its members. */
#include "worker/order.h"

#include "worker/jsonscan.h"

#include <stdbool.h>
#include <string.h>

struct member {
    const char *name;
    bool required;
    const char *want; /* what is allowed, for the error text */
    bool (*check)(const struct jsonscan_slice *value, struct order *order);
};

static bool check_order_id(const struct jsonscan_slice *value, struct order *order)
{
    static const char ALLOWED[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    /* The raw text is enough: an escape has a backslash, which is not allowed anyway. */
    if (value->type != JSONSCAN_STRING || value->len < 1 || value->len > ORDER_ID_MAX)
        return false;
    memcpy(order->order_id, value->text, value->len);
    order->order_id[value->len] = '\0';
    return strspn(order->order_id, ALLOWED) == value->len;
}

static bool check_customer_id(const struct jsonscan_slice *value, struct order *order)
{
    return jsonscan_int64(value, &order->customer_id) && order->customer_id >= 1;
}

static bool check_string(const struct jsonscan_slice *value, struct order *order)
{
    (void)order;
    return value->type == JSONSCAN_STRING;
}

static bool check_product_id(const struct jsonscan_slice *value, struct order *order)
{
    (void)order;
    return value->type == JSONSCAN_STRING && value->len > 0;
}

static bool check_quantity(const struct jsonscan_slice *value, struct order *order)
{
    (void)order;
    int64_t quantity = 0;
    return jsonscan_int64(value, &quantity) && quantity >= 1 && quantity <= ORDER_QUANTITY_MAX;
}

static bool check_price(const struct jsonscan_slice *value, struct order *order)
{
    (void)order;
    double price = -1;
    return jsonscan_double(value, &price) && price >= 0;
}

static bool check_items(const struct jsonscan_slice *value, struct order *order)
{
    (void)order;
    const char *cursor = NULL;
    struct jsonscan_slice first;
    return value->type == JSONSCAN_ARRAY && jsonscan_next(value, &cursor, NULL, &first);
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
static int check_object(const struct member *table, int rows, const struct jsonscan_slice *object,
                        struct jsonscan_slice *found, struct order *order, struct err *err)
{
    const char *cursor = NULL;
    struct jsonscan_slice key, value;
    while (jsonscan_next(object, &cursor, &key, &value)) {
        for (int i = 0; i < rows; i++) {
            if (!jsonscan_equals(&key, table[i].name))
                continue;
            if (found[i].type != JSONSCAN_NONE)
                return err_set(err, "%s: given twice", table[i].name);
            found[i] = value;
        }
    }
    for (int i = 0; i < rows; i++) {
        if (found[i].type == JSONSCAN_NONE && table[i].required)
            return err_set(err, "%s: missing, want %s", table[i].name, table[i].want);
        if (found[i].type != JSONSCAN_NONE && !table[i].check(&found[i], order))
            return err_set(err, "%s: want %s", table[i].name, table[i].want);
    }
    return 0;
}

static int check_each_item(const struct jsonscan_slice *items, struct order *order, struct err *err)
{
    const char *cursor = NULL;
    struct jsonscan_slice item;
    for (size_t i = 0; jsonscan_next(items, &cursor, NULL, &item); i++) {
        struct jsonscan_slice found[ITEM_MEMBERS] = {{.type = JSONSCAN_NONE}};
        if (item.type != JSONSCAN_OBJECT)
            return err_set(err, "items[%zu]: want an object", i);
        struct err inner;
        if (check_object(ITEM_TABLE, ITEM_MEMBERS, &item, found, order, &inner) != 0)
            return err_set(err, "items[%zu].%s", i, inner.text);
        order->item_count = i + 1;
    }
    return 0;
}

int order_parse(const char *body, size_t len, struct order *ret_order, struct err *err)
{
    struct jsonscan_slice root;
    struct jsonscan_slice found[ORDER_MEMBERS] = {{.type = JSONSCAN_NONE}};
    struct order order = {.customer_id = 0};
    if (jsonscan_validate(body, len, &root, err) != 0)
        return err_prefix(err, "not JSON");
    if (root.type != JSONSCAN_OBJECT)
        return err_set(err, "want a JSON object");
    if (check_object(ORDER_TABLE, ORDER_MEMBERS, &root, found, &order, err) != 0)
        return -1;
    if (check_each_item(&found[ORDER_ITEMS], &order, err) != 0)
        return -1;
    *ret_order = order;
    return 0;
}
