/* Indexed binary heap; see heap.h. */
#include "localaws/heap.h"

#include "base/alloc.h"

#include <stdlib.h>

void heap_clean_up(struct heap *heap)
{
    free(heap->entries);
    *heap = (struct heap){.entries = NULL};
}

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void place(struct heap *heap, size_t index, struct heap_entry entry)
{
    heap->entries[index] = entry;
    entry.node->place = index + 1;
    heap->moves++;
}

static void sift_up(struct heap *heap, size_t index, struct heap_entry entry)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!before(&entry, &heap->entries[parent]))
            break;
        place(heap, index, heap->entries[parent]);
        index = parent;
    }
    place(heap, index, entry);
}

static void sift_down(struct heap *heap, size_t index, struct heap_entry entry)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!before(&heap->entries[child], &entry))
            break;
        place(heap, index, heap->entries[child]);
        index = child;
    }
    place(heap, index, entry);
}

void heap_push(struct heap *heap, struct heap_node *node, int64_t key)
{
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity == 0 ? 16 : heap->capacity * 2;
        heap->entries = xrealloc(heap->entries, heap->capacity * sizeof *heap->entries);
    }
    struct heap_entry entry = {.key = key, .order = heap->pushes++, .node = node};
    sift_up(heap, heap->count++, entry);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (node->place == 0)
        return;
    size_t index = node->place - 1;
    node->place = 0;
    struct heap_entry last = heap->entries[--heap->count];
    if (index == heap->count)
        return;
    if (index > 0 && before(&last, &heap->entries[(index - 1) / 2]))
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}

struct heap_node *heap_top(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->entries[0].node;
}

int64_t heap_top_key(const struct heap *heap)
{
    return heap->count == 0 ? INT64_MAX : heap->entries[0].key;
}

bool heap_holds(const struct heap_node *node)
{
    return node->place != 0;
}
