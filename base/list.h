/*
 * Intrusive lists: the macros of BSD's <sys/queue.h> that Sluice uses, under their names there. musl has no
 * such header.
 *
 * An element belongs to whoever put it in; a list owns nothing and allocates nothing. No macro but those that
 * begin a list (_INIT, _HEAD_INITIALIZER) may meet one that was not begun; an element that is to be removed
 * must be in that list. Arguments may be evaluated more than once. FOREACH does not allow that the element at
 * hand is freed.
 *
 * LIST    doubly linked, no end: insertion in front and removal anywhere
 * TAILQ   doubly linked with an end: both ends, removal anywhere
 * STAILQ  singly linked with an end: insertion at the end, removal in front
 *
 * Source of names and meaning: the manual page queue(7) of the BSDs.
 */
#ifndef SLUICE_BASE_LIST_H
#define SLUICE_BASE_LIST_H

#include <stddef.h>

#ifdef __clang_analyzer__
/* Clang's analyzer cannot follow a list by its back pointers, and takes a freed element for one that is still
 * in; of the macros of this header alone it knows that. */
#include <sys/queue.h>
#else

/* clang-format off */

/* ---- LIST: le_prev points at whatever points at the element ---- */

#define LIST_HEAD(name, type) struct name { struct type *lh_first; }
#define LIST_HEAD_INITIALIZER(head) { NULL }
#define LIST_ENTRY(type) struct { struct type *le_next; struct type **le_prev; }

#define LIST_FIRST(head) ((head)->lh_first)
#define LIST_NEXT(element, field) ((element)->field.le_next)
#define LIST_EMPTY(head) (LIST_FIRST(head) == NULL)
#define LIST_FOREACH(at, head, field) \
    for ((at) = LIST_FIRST(head); (at) != NULL; (at) = LIST_NEXT(at, field))

#define LIST_INIT(head) do { (head)->lh_first = NULL; } while (0)

#define LIST_INSERT_HEAD(head, element, field) do { \
    (element)->field.le_next = (head)->lh_first; \
    (element)->field.le_prev = &(head)->lh_first; \
    if ((head)->lh_first != NULL) \
        (head)->lh_first->field.le_prev = &(element)->field.le_next; \
    (head)->lh_first = (element); \
} while (0)

#define LIST_REMOVE(element, field) do { \
    if ((element)->field.le_next != NULL) \
        (element)->field.le_next->field.le_prev = (element)->field.le_prev; \
    *(element)->field.le_prev = (element)->field.le_next; \
} while (0)

/* ---- TAILQ: tqh_last points at the link that ends the list, tqe_prev at the link that leads to the element ---- */

#define TAILQ_HEAD(name, type) struct name { struct type *tqh_first; struct type **tqh_last; }
#define TAILQ_HEAD_INITIALIZER(head) { NULL, &(head).tqh_first }
#define TAILQ_ENTRY(type) struct { struct type *tqe_next; struct type **tqe_prev; }

#define TAILQ_FIRST(head) ((head)->tqh_first)
#define TAILQ_NEXT(element, field) ((element)->field.tqe_next)
#define TAILQ_EMPTY(head) (TAILQ_FIRST(head) == NULL)
/* The last link stands in an element, or in the head itself, whose two members lie as those of an element do. What leads to that
 * element is the second of them. */
#define TAILQ_LAST(head, name) (*(((struct name *)(void *)((head)->tqh_last))->tqh_last))
#define TAILQ_FOREACH(at, head, field) \
    for ((at) = TAILQ_FIRST(head); (at) != NULL; (at) = TAILQ_NEXT(at, field))

#define TAILQ_INIT(head) do { \
    (head)->tqh_first = NULL; \
    (head)->tqh_last = &(head)->tqh_first; \
} while (0)

#define TAILQ_INSERT_HEAD(head, element, field) do { \
    (element)->field.tqe_next = (head)->tqh_first; \
    (element)->field.tqe_prev = &(head)->tqh_first; \
    if ((head)->tqh_first != NULL) \
        (head)->tqh_first->field.tqe_prev = &(element)->field.tqe_next; \
    else \
        (head)->tqh_last = &(element)->field.tqe_next; \
    (head)->tqh_first = (element); \
} while (0)

#define TAILQ_INSERT_TAIL(head, element, field) do { \
    (element)->field.tqe_next = NULL; \
    (element)->field.tqe_prev = (head)->tqh_last; \
    *(head)->tqh_last = (element); \
    (head)->tqh_last = &(element)->field.tqe_next; \
} while (0)

#define TAILQ_REMOVE(head, element, field) do { \
    if ((element)->field.tqe_next != NULL) \
        (element)->field.tqe_next->field.tqe_prev = (element)->field.tqe_prev; \
    else \
        (head)->tqh_last = (element)->field.tqe_prev; \
    *(element)->field.tqe_prev = (element)->field.tqe_next; \
} while (0)

/* Moves all of from to the end of to; from is empty then. */
#define TAILQ_CONCAT(to, from, field) do { \
    if (!TAILQ_EMPTY(from)) { \
        *(to)->tqh_last = (from)->tqh_first; \
        (from)->tqh_first->field.tqe_prev = (to)->tqh_last; \
        (to)->tqh_last = (from)->tqh_last; \
        TAILQ_INIT(from); \
    } \
} while (0)

/* ---- STAILQ: stqh_last points at the link that ends the list ---- */

#define STAILQ_HEAD(name, type) struct name { struct type *stqh_first; struct type **stqh_last; }
#define STAILQ_HEAD_INITIALIZER(head) { NULL, &(head).stqh_first }
#define STAILQ_ENTRY(type) struct { struct type *stqe_next; }

#define STAILQ_FIRST(head) ((head)->stqh_first)
#define STAILQ_EMPTY(head) (STAILQ_FIRST(head) == NULL)

#define STAILQ_INIT(head) do { \
    (head)->stqh_first = NULL; \
    (head)->stqh_last = &(head)->stqh_first; \
} while (0)

#define STAILQ_INSERT_TAIL(head, element, field) do { \
    (element)->field.stqe_next = NULL; \
    *(head)->stqh_last = (element); \
    (head)->stqh_last = &(element)->field.stqe_next; \
} while (0)

/* The list must not be empty. */
#define STAILQ_REMOVE_HEAD(head, field) do { \
    (head)->stqh_first = (head)->stqh_first->field.stqe_next; \
    if ((head)->stqh_first == NULL) \
        (head)->stqh_last = &(head)->stqh_first; \
} while (0)

#define STAILQ_CONCAT(to, from) do { \
    if (!STAILQ_EMPTY(from)) { \
        *(to)->stqh_last = (from)->stqh_first; \
        (to)->stqh_last = (from)->stqh_last; \
        STAILQ_INIT(from); \
    } \
} while (0)

/* clang-format on */

#endif /* __clang_analyzer__ */

#endif
