/* Unit tests of base/list.h: the order in a list, seen from both ends, after every operation. */
#include "base/list.h"

#include "tests/unit/unit.h"

struct item {
    int value;
    LIST_ENTRY(item) in_list;
    TAILQ_ENTRY(item) in_tail;
    STAILQ_ENTRY(item) in_single;
};

LIST_HEAD(list, item);
TAILQ_HEAD(tail, item);
STAILQ_HEAD(single, item);

static struct item g_items[4] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}};

/* The values in order as one number, 1 in front: 1012 for 0, 1, 2. */
static int values_of_tail(struct tail *tail)
{
    struct item *item;
    int digits = 1;
    TAILQ_FOREACH(item, tail, in_tail)
    digits = 10 * digits + item->value;
    return digits;
}

static int values_of_list(struct list *list)
{
    struct item *item;
    int digits = 1;
    LIST_FOREACH(item, list, in_list)
    digits = 10 * digits + item->value;
    return digits;
}

START_TEST(a_list_takes_in_front_and_gives_from_anywhere)
{
    struct list list = LIST_HEAD_INITIALIZER(list);
    ck_assert(LIST_EMPTY(&list));
    for (int i = 0; i < 4; i++)
        LIST_INSERT_HEAD(&list, &g_items[i], in_list);
    ck_assert_int_eq(values_of_list(&list), 13210);
    LIST_REMOVE(&g_items[1], in_list);
    ck_assert_int_eq(values_of_list(&list), 1320);
    LIST_REMOVE(&g_items[3], in_list);
    LIST_REMOVE(&g_items[0], in_list);
    ck_assert_int_eq(values_of_list(&list), 12);
    LIST_REMOVE(&g_items[2], in_list);
    ck_assert(LIST_EMPTY(&list));
}
END_TEST

START_TEST(a_tail_queue_takes_at_both_ends_and_gives_from_anywhere)
{
    struct tail tail = TAILQ_HEAD_INITIALIZER(tail);
    TAILQ_INSERT_HEAD(&tail, &g_items[1], in_tail);
    ck_assert_ptr_eq(TAILQ_LAST(&tail, tail), &g_items[1]);
    TAILQ_INSERT_HEAD(&tail, &g_items[0], in_tail);
    TAILQ_INSERT_TAIL(&tail, &g_items[2], in_tail);
    TAILQ_INSERT_TAIL(&tail, &g_items[3], in_tail);
    ck_assert_int_eq(values_of_tail(&tail), 10123);
    ck_assert_ptr_eq(TAILQ_LAST(&tail, tail), &g_items[3]);

    TAILQ_REMOVE(&tail, &g_items[1], in_tail);
    ck_assert_int_eq(values_of_tail(&tail), 1023);
    TAILQ_REMOVE(&tail, &g_items[3], in_tail);
    ck_assert_ptr_eq(TAILQ_LAST(&tail, tail), &g_items[2]);
    TAILQ_INSERT_TAIL(&tail, &g_items[3], in_tail); /* the end is where it should be */
    TAILQ_REMOVE(&tail, &g_items[0], in_tail);
    ck_assert_int_eq(values_of_tail(&tail), 123);
    TAILQ_REMOVE(&tail, &g_items[2], in_tail);
    TAILQ_REMOVE(&tail, &g_items[3], in_tail);
    ck_assert(TAILQ_EMPTY(&tail));
    ck_assert_ptr_null(TAILQ_LAST(&tail, tail));
}
END_TEST

START_TEST(queues_that_are_joined_are_one_and_the_other_is_empty)
{
    struct tail to = TAILQ_HEAD_INITIALIZER(to);
    struct tail from = TAILQ_HEAD_INITIALIZER(from);
    TAILQ_CONCAT(&to, &from, in_tail);
    ck_assert(TAILQ_EMPTY(&to));
    TAILQ_INSERT_TAIL(&to, &g_items[0], in_tail);
    TAILQ_CONCAT(&to, &from, in_tail);
    ck_assert_ptr_eq(TAILQ_LAST(&to, tail), &g_items[0]);
    TAILQ_INSERT_TAIL(&from, &g_items[1], in_tail);
    TAILQ_INSERT_TAIL(&from, &g_items[2], in_tail);
    TAILQ_CONCAT(&to, &from, in_tail);
    ck_assert(TAILQ_EMPTY(&from));
    TAILQ_REMOVE(&to, &g_items[1], in_tail);
    TAILQ_INSERT_TAIL(&to, &g_items[3], in_tail);
    ck_assert_int_eq(values_of_tail(&to), 1023);
    TAILQ_INSERT_TAIL(&from, &g_items[1], in_tail);
    ck_assert_int_eq(values_of_tail(&from), 11);
}
END_TEST

START_TEST(a_singly_linked_queue_gives_in_the_order_of_taking)
{
    struct single queue = STAILQ_HEAD_INITIALIZER(queue);
    struct single more;
    STAILQ_INIT(&more);
    STAILQ_CONCAT(&queue, &more);
    STAILQ_INSERT_TAIL(&queue, &g_items[0], in_single);
    STAILQ_REMOVE_HEAD(&queue, in_single);
    ck_assert(STAILQ_EMPTY(&queue));
    STAILQ_INSERT_TAIL(&queue, &g_items[1], in_single);
    STAILQ_INSERT_TAIL(&more, &g_items[2], in_single);
    STAILQ_CONCAT(&queue, &more);
    ck_assert(STAILQ_EMPTY(&more));
    STAILQ_INSERT_TAIL(&queue, &g_items[3], in_single);
    for (int want = 1; want <= 3; want++) {
        ck_assert_int_eq(STAILQ_FIRST(&queue)->value, want);
        STAILQ_REMOVE_HEAD(&queue, in_single);
    }
    ck_assert(STAILQ_EMPTY(&queue));
}
END_TEST

UNIT_MAIN("list", a_list_takes_in_front_and_gives_from_anywhere,
          a_tail_queue_takes_at_both_ends_and_gives_from_anywhere,
          queues_that_are_joined_are_one_and_the_other_is_empty,
          a_singly_linked_queue_gives_in_the_order_of_taking)
