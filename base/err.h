/*
 * An error text that travels with a failed return value. Library code fills it and returns; the program that
 * called decides whether to log it and how to go on.
 */
#ifndef SLUICE_BASE_ERR_H
#define SLUICE_BASE_ERR_H

struct err {
    char text[512]; /* UTF-8, NUL-terminated, no newline, never a secret */
};

/* Formats a text into err (which may be NULL) and returns -1, so that a caller can `return err_set(...)`. */
int err_set(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts a formatted "where: " in front of the text that err holds; returns -1. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
