/* The JSON parser of base/, with its texts as slices. */
#ifndef SLUICE_LOCALAWS_JSON_SLICE_H
#define SLUICE_LOCALAWS_JSON_SLICE_H

#include "base/jsonp.h"
#include "localaws/slice.h"

/* As jsonp_string() and jsonp_next_key(). */
static inline bool json_slice_string(struct jsonp *p, struct slice *ret_text)
{
    return jsonp_string(p, &ret_text->at, &ret_text->len);
}

static inline bool json_slice_next_key(struct jsonp *p, struct slice *ret_key)
{
    const char *key = NULL;
    if (!jsonp_next_key(p, &key))
        return false;
    *ret_key = slice_of(key);
    return true;
}

#endif
