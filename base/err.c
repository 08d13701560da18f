/* Error texts: formatting only. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void err_write(struct err *err, const char *fmt, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
    }
}

void err_write_prefix(struct err *err, const char *fmt, ...)
{
    if (err != NULL) {
        struct err old = *err;
        va_list args;
        va_start(args, fmt);
        int used = vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
        if (used >= 0 && (size_t)used < sizeof err->text)
            (void)snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s", old.text);
    }
}
