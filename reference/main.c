/*
 * sluice-reference: writes manual pages and shell completions out of the programs' own tables, while they are
 * built. It is not installed. usage: sluice-reference DIRECTORY DATE
 *
 * DIRECTORY gets man1/, man5/, bash/, zsh/ and fish/, each with files under the names that they are installed
 * as.
 */
#include "base/exitcode.h"
#include "base/file.h"
#include "reference/completion.h"
#include "reference/manual.h"

#include <stdio.h>
#include <string.h>

struct writer {
    const char *folder;
    const char *date;
    struct err err;
    bool failed;
};

/* Writes and clears `text`; the first error stays. */
static void write_file(struct writer *writer, const char *kind, const char *before, const char *name,
                       const char *after, struct strbuf *text)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", writer->folder, kind);
    if (!writer->failed && file_make_dirs(path, 0755, &writer->err) != 0)
        writer->failed = true;
    (void)snprintf(path, sizeof path, "%s/%s/%s%s%s", writer->folder, kind, before, name, after);
    if (!writer->failed && file_write_unsynced(path, text->data, text->len, 0644, &writer->err) != 0)
        writer->failed = true;
    strbuf_clear(text);
}

static void write_pages(struct writer *writer, const struct reference_program *programs, struct strbuf *text)
{
    manual_sluice(&programs[0], writer->date, text);
    write_file(writer, "man1", "", "sluice", ".1", text);
    for (const struct command *each = command_all(); each->spec != NULL; each++) {
        if (each->help == NULL)
            continue;
        manual_command(each, writer->date, text);
        write_file(writer, "man1", "sluice-", each->spec->name, ".1", text);
    }
    manual_worker(&programs[1], writer->date, text);
    write_file(writer, "man1", "", programs[1].name, ".1", text);
    manual_localaws(&programs[2], writer->date, text);
    write_file(writer, "man1", "", programs[2].name, ".1", text);
    manual_configuration(writer->date, text);
    write_file(writer, "man5", "", "sluice.json", ".5", text);
}

static void write_completions(struct writer *writer, const struct reference_program *program,
                              struct strbuf *text)
{
    completion_bash(program, text);
    write_file(writer, "bash", "", program->name, "", text);
    completion_zsh(program, text);
    write_file(writer, "zsh", "_", program->name, "", text);
    completion_fish(program, text);
    write_file(writer, "fish", "", program->name, ".fish", text);
}

int main(int argc, char **argv)
{
    static struct reference_program programs[REFERENCE_PROGRAMS];
    struct strbuf text = STRBUF_INIT;
    if (argc != 3 || strlen(argv[1]) > 2048) {
        (void)fprintf(stderr, "usage: sluice-reference DIRECTORY DATE\n");
        return EXIT_CODE_USAGE;
    }
    struct writer writer = {.folder = argv[1], .date = argv[2]};
    reference_programs(programs);
    write_pages(&writer, programs, &text);
    for (int i = 0; i < REFERENCE_PROGRAMS; i++)
        write_completions(&writer, &programs[i], &text);
    strbuf_clean_up(&text);
    if (writer.failed)
        (void)fprintf(stderr, "sluice-reference: %s\n", writer.err.text);
    return writer.failed ? EXIT_CODE_IO : EXIT_CODE_OK;
}
