/* Completions for zsh and fish; see completion.h. */
#include "reference/completion.h"

#include <string.h>

/* Text within single quotes, with `escaped` characters behind a backslash and a quote as `quote`. */
static void append_quoted(const char *text, const char *escaped, const char *quote, struct strbuf *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            strbuf_append_str(out, quote);
            continue;
        }
        if (strchr(escaped, *text) != NULL)
            strbuf_append_char(out, '\\');
        strbuf_append_char(out, *text);
    }
}

/* ---- zsh ---- */

static void zsh_text(const char *text, struct strbuf *out)
{
    append_quoted(text, "[]:\\", "'\\''", out);
}

static void zsh_value(const struct option_row *row, struct strbuf *out)
{
    static const char *const ACTIONS[] = {
        [COMPLETION_ANY] = " ", [COMPLETION_FILE] = "_files", [COMPLETION_DIRECTORY] = "_files -/"};
    enum completion_value value = completion_value_of(row);
    if (value == COMPLETION_NONE)
        return;
    strbuf_append_char(out, ':');
    zsh_text(options_value_word(row), out);
    strbuf_append_char(out, ':');
    if (value != COMPLETION_CHOICE) {
        strbuf_append_str(out, ACTIONS[value]);
        return;
    }
    strbuf_append_char(out, '(');
    for (int i = 0; row->choices[i] != NULL; i++)
        strbuf_appendf(out, "%s%s", i > 0 ? " " : "", row->choices[i]);
    strbuf_append_char(out, ')');
}

static void zsh_option(const struct option_row *row, const char *indent, struct strbuf *out)
{
    char name[OPTIONS_FLAG_BYTES];
    bool is_cleared = completion_is_cleared(row);
    options_flag_name(row, name);
    for (int no = 0; no <= (is_cleared ? 1 : 0); no++) {
        strbuf_appendf(out, "%s'--%s%s%s[", indent, no ? "no-" : "", name,
                       options_value_word(row) != NULL ? "=" : "");
        strbuf_append_str(out, no ? "not so: " : "");
        zsh_text(row->help, out);
        strbuf_append_char(out, ']');
        zsh_value(row, out);
        strbuf_append_str(out, "' \\\n");
    }
}

static void zsh_arguments(const struct reference_command *command, const char *indent, struct strbuf *out)
{
    for (size_t t = 0; t < command->table_count; t++)
        for (const struct option_row *row = command->tables[t].rows; row->name != NULL; row++)
            zsh_option(row, indent, out);
    if (command->has_version)
        strbuf_appendf(out, "%s'--version[print the version]' \\\n", indent);
    strbuf_appendf(out, "%s'--help[show help]'", indent);
    if (command->operands != NULL)
        strbuf_appendf(out, " \\\n%s'*: :_default'", indent);
    strbuf_append_char(out, '\n');
}

void completion_zsh(const struct reference_program *program, struct strbuf *out)
{
    strbuf_appendf(out, "#compdef %s\n# Made from the option tables of %s.\n\n", program->name,
                   program->name);
    if (program->commands[0].name == NULL) {
        strbuf_append_str(out, "_arguments -s -S \\\n");
        zsh_arguments(&program->commands[0], "    ", out);
        return;
    }
    strbuf_append_str(out, "local -a commands\ncommands=(\n");
    for (size_t i = 0; i < program->command_count; i++) {
        strbuf_appendf(out, "    '%s:", program->commands[i].name);
        append_quoted(program->commands[i].help, ":\\", "'\\''", out);
        strbuf_append_str(out, "'\n");
    }
    strbuf_append_str(out, ")\nif ((CURRENT == 2)); then\n"
                           "    _describe command commands\n"
                           "    _arguments '--help[show help]' '--version[show the version]'\n"
                           "    return\nfi\nlocal command=$words[2]\n"
                           "shift words\n((CURRENT--))\ncase $command in\n");
    for (size_t i = 0; i < program->command_count; i++) {
        strbuf_appendf(out, "%s)\n    _arguments -S \\\n", program->commands[i].name);
        zsh_arguments(&program->commands[i], "        ", out);
        strbuf_append_str(out, "    ;;\n");
    }
    strbuf_append_str(out, "esac\n");
}

/* ---- fish ---- */

static void fish_text(const char *text, struct strbuf *out)
{
    strbuf_append_char(out, '\'');
    append_quoted(text, "\\", "\\'", out);
    strbuf_append_char(out, '\'');
}

static void fish_start(const struct reference_program *program, const struct reference_command *command,
                       struct strbuf *out)
{
    strbuf_appendf(out, "complete -c %s", program->name);
    if (command->name != NULL)
        strbuf_appendf(out, " -n '__fish_seen_subcommand_from %s'", command->name);
}

static void fish_option(const struct reference_program *program, const struct reference_command *command,
                        const struct option_row *row, struct strbuf *out)
{
    static const char *const HOW[] = {[COMPLETION_NONE] = "",
                                      [COMPLETION_ANY] = " -x",
                                      [COMPLETION_CHOICE] = " -x -a '",
                                      [COMPLETION_FILE] = " -r -F",
                                      [COMPLETION_DIRECTORY] = " -x -a '(__fish_complete_directories)'"};
    char name[OPTIONS_FLAG_BYTES];
    enum completion_value value = completion_value_of(row);
    options_flag_name(row, name);
    fish_start(program, command, out);
    strbuf_appendf(out, " -l %s%s", name, HOW[value]);
    for (int i = 0; value == COMPLETION_CHOICE && row->choices[i] != NULL; i++)
        strbuf_appendf(out, "%s%s", i > 0 ? " " : "", row->choices[i]);
    strbuf_append_str(out, value == COMPLETION_CHOICE ? "' -d " : " -d ");
    fish_text(row->help, out);
    strbuf_append_char(out, '\n');
    if (completion_is_cleared(row)) {
        fish_start(program, command, out);
        strbuf_appendf(out, " -l no-%s\n", name);
    }
}

void completion_fish(const struct reference_program *program, struct strbuf *out)
{
    strbuf_appendf(out, "# fish completion of %s, made from its option tables.\ncomplete -c %s -f\n",
                   program->name, program->name);
    for (size_t i = 0; i < program->command_count; i++) {
        const struct reference_command *command = &program->commands[i];
        if (command->name != NULL) {
            strbuf_appendf(out, "complete -c %s -n __fish_use_subcommand -a %s -d ", program->name,
                           command->name);
            fish_text(command->help, out);
            strbuf_append_char(out, '\n');
        }
        for (size_t t = 0; t < command->table_count; t++)
            for (const struct option_row *row = command->tables[t].rows; row->name != NULL; row++)
                fish_option(program, command, row, out);
        fish_start(program, command, out);
        strbuf_append_str(out, " -l help -d 'show help'\n");
        if (command->has_version)
            strbuf_appendf(out, "complete -c %s -l version -d 'print the version'\n", program->name);
    }
    if (program->commands[0].name != NULL)
        strbuf_appendf(out,
                       "complete -c %s -n __fish_use_subcommand -l help -d 'show help'\n"
                       "complete -c %s -n __fish_use_subcommand -l version -d 'show the version'\n",
                       program->name, program->name);
}
