/* Manual pages in man(7): text is escaped here and nowhere else. Every function appends to `out`. */
#ifndef SLUICE_REFERENCE_ROFF_H
#define SLUICE_REFERENCE_ROFF_H

#include "base/options.h"
#include "base/strbuf.h"

/* The head of a page. name: "sluice-run"; section: "1"; date: "2026-11-23"; help: one line, lower case. */
void roff_begin(const char *name, const char *section, const char *date, const char *help,
                struct strbuf *out);

/* A section or, within it, a part. */
void roff_section(const char *heading, struct strbuf *out);
void roff_part(const char *heading, struct strbuf *out);

/* Paragraphs, divided by empty lines. Line breaks within them do not count. */
void roff_text(const char *text, struct strbuf *out);

/* Lines that stay as they are. */
void roff_lines(const char *text, struct strbuf *out);

/* An entry of a list: what is to be typed, a place holder behind it (NULL: none), and what it means. */
void roff_entry(const char *typed, const char *place_holder, const char *meaning, struct strbuf *out);

/* An option of a command line, an environment variable, a key of a JSON object: meaning, range and default.
 */
void roff_option(const struct option_row *row, struct strbuf *out);
void roff_variable(const struct option_row *row, struct strbuf *out);
void roff_key(const struct option_row *row, struct strbuf *out);

#endif
