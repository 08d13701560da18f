/*
 * A binary min-heap of deadlines whose nodes sit inside their owners, so that any of them can be taken out or
 * moved in O(log n). Equal deadlines leave in the order in which they were pushed. Pure; one thread.
 */
#ifndef SLUICE_LOCALAWS_HEAP_H
#define SLUICE_LOCALAWS_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    size_t place; /* 1 + index in the heap; 0: in none. A zeroed node is ready for use */
};

struct heap_entry {
    int64_t key;
    uint64_t order;
    struct heap_node *node; /* not owned */
};

struct heap {
    struct heap_entry *entries; /* owned */
    size_t count;
    size_t capacity;
    uint64_t pushes; /* source of `order` */
    uint64_t moves;  /* entries moved so far; tests bound the work with it */
};

/* The struct that holds `node` as its member `member`. */
#define HEAP_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void heap_clean_up(struct heap *heap);
void heap_push(struct heap *heap, struct heap_node *node, int64_t key);
/* Takes a node out; one that is in no heap is left alone. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* The node with the least key, or NULL. */
struct heap_node *heap_top(const struct heap *heap);
/* Its key; INT64_MAX when the heap is empty. */
int64_t heap_top_key(const struct heap *heap);
bool heap_holds(const struct heap_node *node);

#endif
