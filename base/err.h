/*
 * An error text that travels with a failed return value. Library code fills it and returns; the program that
 * called decides whether to log it and how to go on.
 */
#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H

struct err {
    char text[512]; /* UTF-8, NUL-terminated, no newline, never a secret */
};

/* int err_set(struct err *err, const char *fmt, ...): formats a text into err (which may be NULL) and gives
 * -1, so that a caller can `return err_set(...)`. */
#define err_set(...) (err_write(__VA_ARGS__), err_failed())

/* int err_prefix(struct err *err, const char *fmt, ...): puts a formatted "where: " in front of the text that
 * err holds; gives -1. */
#define err_prefix(...) (err_write_prefix(__VA_ARGS__), err_failed())

/* What the two are made of. The -1 stands in the header, so that an analyzer of any file knows it. */
static inline int err_failed(void)
{
    return -1;
}
void err_write(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_write_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
