/*
 * A piece of text that somebody else owns: parsers hand out slices of the request's bytes, so that a small
 * request is answered without an allocation. `at` NULL means "was not given", which differs from an empty
 * text.
 */
#ifndef SLUICE_LOCALAWS_SLICE_H
#define SLUICE_LOCALAWS_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *at; /* not owned, not NUL-terminated; NULL: absent */
    size_t len;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){.at = text, .len = text == NULL ? 0 : strlen(text)};
}

static inline bool slice_is(struct slice s, const char *text)
{
    return s.at != NULL && strlen(text) == s.len && memcmp(s.at, text, s.len) == 0;
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool slice_starts_with(struct slice s, const char *prefix)
{
    size_t len = strlen(prefix);
    return s.at != NULL && s.len >= len && memcmp(s.at, prefix, len) == 0;
}

/* Cuts the part before the next '.' off a path such as "Attribute.1.Name", and the dot; the last part is the
 * whole rest, and "" follows. */
static inline struct slice slice_cut_part(struct slice *path)
{
    const char *dot = path->len == 0 ? NULL : memchr(path->at, '.', path->len);
    struct slice part = {path->at, dot == NULL ? path->len : (size_t)(dot - path->at)};
    size_t used = part.len + (dot == NULL ? 0 : 1);
    path->at += used;
    path->len -= used;
    return part;
}

#endif
