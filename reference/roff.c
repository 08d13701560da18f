/* Manual pages in man(7); see roff.h. */
#include "reference/roff.h"

#include "base/version.h"

#include <ctype.h>
#include <string.h>

/* One line of text, or a part of one when is_start is false: no character of it is a command to the
 * formatter, and a hyphen can be copied as one. */
static void append_escaped(const char *text, size_t len, bool is_start, struct strbuf *out)
{
    if (is_start && len > 0 && (text[0] == '.' || text[0] == '\''))
        strbuf_append_str(out, "\\&");
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case '\\':
            strbuf_append_str(out, "\\e");
            break;
        case '-':
            strbuf_append_str(out, "\\-");
            break;
        case '\'':
            strbuf_append_str(out, "\\(aq");
            break;
        case '`':
            strbuf_append_str(out, "\\(ga");
            break;
        case '^':
            strbuf_append_str(out, "\\(ha");
            break;
        case '~':
            strbuf_append_str(out, "\\(ti");
            break;
        default:
            strbuf_append_char(out, text[i]);
        }
    }
}

static void append_text(const char *text, bool is_start, struct strbuf *out)
{
    append_escaped(text, strlen(text), is_start, out);
}

void roff_begin(const char *name, const char *section, const char *date, const char *help, struct strbuf *out)
{
    strbuf_append_str(out, ".\\\" Made from the programs' option tables.\n.TH ");
    for (const char *c = name; *c != '\0'; c++) {
        char upper[2] = {(char)toupper((unsigned char)*c), '\0'};
        append_text(upper, false, out);
    }
    strbuf_appendf(out, " %s %s \"Sluice %s\" \"Sluice\"\n.SH NAME\n", section, date, SLUICE_VERSION);
    append_text(name, true, out);
    strbuf_append_str(out, " \\- ");
    append_text(help, false, out);
    strbuf_append_char(out, '\n');
}

void roff_section(const char *heading, struct strbuf *out)
{
    strbuf_append_str(out, ".SH ");
    append_text(heading, false, out);
    strbuf_append_char(out, '\n');
}

void roff_part(const char *heading, struct strbuf *out)
{
    strbuf_append_str(out, ".SS ");
    append_text(heading, false, out);
    strbuf_append_char(out, '\n');
}

void roff_text(const char *text, struct strbuf *out)
{
    bool is_pending = false; /* a paragraph ended, the next one has not begun */
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        if (len > 0) {
            if (is_pending)
                strbuf_append_str(out, ".PP\n");
            is_pending = false;
            append_escaped(text, len, true, out);
            strbuf_append_char(out, '\n');
        } else {
            is_pending = true;
        }
        text += len + (text[len] == '\n' ? 1 : 0);
    }
}

void roff_lines(const char *text, struct strbuf *out)
{
    strbuf_append_str(out, ".nf\n");
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        append_escaped(text, len, true, out);
        strbuf_append_char(out, '\n');
        text += len + (text[len] == '\n' ? 1 : 0);
    }
    strbuf_append_str(out, ".fi\n");
}

void roff_entry(const char *typed, const char *place_holder, const char *meaning, struct strbuf *out)
{
    strbuf_append_str(out, ".TP\n\\fB");
    append_text(typed, false, out);
    strbuf_append_str(out, "\\fR");
    if (place_holder != NULL) {
        strbuf_append_str(out, " \\fI");
        append_text(place_holder, false, out);
        strbuf_append_str(out, "\\fR");
    }
    strbuf_append_char(out, '\n');
    append_text(meaning, true, out);
    strbuf_append_char(out, '\n');
}

/* "how many times as fast (a whole number from 1 to 20; default 10)". */
static void describe(const struct option_row *row, bool is_flag, struct strbuf *out)
{
    strbuf_append_str(out, row->help);
    if (is_flag && row->type == OPTION_BOOL)
        return;
    strbuf_append_str(out, " (");
    options_describe_range(row, out);
    if (row->fallback != NULL && row->fallback[0] != '\0')
        strbuf_appendf(out, "; default %s", row->fallback);
    strbuf_append_char(out, ')');
}

void roff_option(const struct option_row *row, struct strbuf *out)
{
    struct strbuf typed = STRBUF_INIT;
    struct strbuf meaning = STRBUF_INIT;
    char name[OPTIONS_FLAG_BYTES];
    options_flag_name(row, name);
    strbuf_appendf(&typed, "--%s", name);
    if (row->type == OPTION_BOOL && row->fallback != NULL && strcmp(row->fallback, "true") == 0)
        strbuf_appendf(&typed, ", --no-%s", name);
    describe(row, true, &meaning);
    roff_entry(strbuf_str(&typed), options_value_word(row), strbuf_str(&meaning), out);
    strbuf_clean_up(&typed);
    strbuf_clean_up(&meaning);
}

void roff_variable(const struct option_row *row, struct strbuf *out)
{
    char name[OPTIONS_FLAG_BYTES];
    size_t len = strnlen(row->name, sizeof name - 1);
    for (size_t i = 0; i < len; i++)
        name[i] = (char)toupper((unsigned char)row->name[i]);
    name[len] = '\0';
    roff_entry(name, NULL, row->help, out);
}

void roff_key(const struct option_row *row, struct strbuf *out)
{
    struct strbuf meaning = STRBUF_INIT;
    describe(row, false, &meaning);
    roff_entry(row->name, NULL, strbuf_str(&meaning), out);
    strbuf_clean_up(&meaning);
}
