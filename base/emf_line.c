/* The frame of an embedded metric line; see emf_line.h. */
#include "base/emf_line.h"

#include <string.h>

void emf_line_open(struct jsonw *w, const char *name_space, const char *dimension, int64_t at_ms)
{
    jsonw_object(w);
    jsonw_key(w, "_aws");
    jsonw_object(w);
    jsonw_key_int(w, "Timestamp", at_ms);
    jsonw_key(w, "CloudWatchMetrics");
    jsonw_array(w);
    jsonw_object(w);
    jsonw_key_str(w, "Namespace", name_space);
    jsonw_key(w, "Dimensions");
    jsonw_array(w);
    jsonw_array(w);
    jsonw_str(w, dimension);
    jsonw_end_array(w);
    jsonw_end_array(w);
    jsonw_key(w, "Metrics");
    jsonw_array(w);
}

void emf_line_metric(struct jsonw *w, const char *name, const char *unit)
{
    jsonw_object(w);
    jsonw_key_str(w, "Name", name);
    jsonw_key_str(w, "Unit", unit);
    jsonw_end_object(w);
}

void emf_line_values(struct jsonw *w)
{
    jsonw_end_array(w);
    jsonw_end_object(w);
    jsonw_end_array(w);
    jsonw_end_object(w);
}

int emf_check_namespace(const char *label, const char *text, struct err *err)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/#:";
    size_t len = strlen(text);
    if (len == 0 || len > EMF_NAMESPACE_MAX || strspn(text, ALLOWED) != len || text[0] == ':' ||
        strncmp(text, "AWS/", 4) == 0)
        return err_set(
            err,
            "%s %.100s: want 1 to %d of A-Z a-z 0-9 . - _ / # : that begin neither with a colon nor "
            "with AWS/",
            label, text, EMF_NAMESPACE_MAX);
    return 0;
}
