/* What the three shells' writers share, and the one for bash; see completion.h. */
#include "reference/completion.h"

#include <string.h>

enum completion_value completion_value_of(const struct option_row *row)
{
    const char *word = options_value_word(row);
    if (word == NULL)
        return COMPLETION_NONE;
    if (row->type == OPTION_ENUM)
        return COMPLETION_CHOICE;
    if (strcmp(word, "DIRECTORY") == 0)
        return COMPLETION_DIRECTORY;
    return strncmp(word, "FILE", 4) == 0 || strncmp(word, "SOCKET", 6) == 0 || strncmp(word, "PATH", 4) == 0
               ? COMPLETION_FILE
               : COMPLETION_ANY;
}

bool completion_is_cleared(const struct option_row *row)
{
    return row->type == OPTION_BOOL && row->fallback != NULL && strcmp(row->fallback, "true") == 0;
}

/* ---- bash: without the package bash-completion, which need not be there ---- */

/* One arm of the case over "COMMAND OPTION" that completes a value. */
static void bash_value(const char *command, const struct option_row *row, struct strbuf *out)
{
    char name[OPTIONS_FLAG_BYTES];
    enum completion_value value = completion_value_of(row);
    if (value == COMPLETION_NONE)
        return;
    options_flag_name(row, name);
    strbuf_appendf(out, "        '%s --%s')", command, name);
    if (value == COMPLETION_CHOICE) {
        strbuf_append_str(out, " _sluice_words '");
        for (int i = 0; row->choices[i] != NULL; i++)
            strbuf_appendf(out, "%s%s", i > 0 ? " " : "", row->choices[i]);
        strbuf_append_str(out, "' ;;\n");
    } else if (value == COMPLETION_ANY) {
        strbuf_append_str(out, " ;;\n");
    } else {
        strbuf_appendf(out, " _sluice_files %s ;;\n", value == COMPLETION_FILE ? "-f" : "-d");
    }
}

static void bash_options(const struct reference_command *command, struct strbuf *out)
{
    strbuf_appendf(out, "        '%s') _sluice_words '", command->name != NULL ? command->name : "");
    for (size_t i = 0; i < command->table_count; i++)
        for (const struct option_row *row = command->tables[i].rows; row->name != NULL; row++) {
            char name[OPTIONS_FLAG_BYTES];
            options_flag_name(row, name);
            strbuf_appendf(out, "--%s ", name);
            if (completion_is_cleared(row))
                strbuf_appendf(out, "--no-%s ", name);
        }
    strbuf_appendf(out, "%s--help' ;;\n", command->has_version ? "--version " : "");
}

static const char BASH_HELPERS[] = "_sluice_words()\n"
                                   "{\n"
                                   "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\")\n"
                                   "}\n\n"
                                   "_sluice_files()\n"
                                   "{\n"
                                   "    compopt -o filenames 2>/dev/null\n"
                                   "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n"
                                   "}\n\n";

/* Finds the word before the one to complete; bash takes --name=value for three words. */
static const char BASH_WORDS[] =
    "    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command='' i\n"
    "    COMPREPLY=()\n"
    "    if [ \"$cur\" = = ]; then\n"
    "        cur=''\n"
    "    elif [ \"$previous\" = = ]; then\n"
    "        previous=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        if [ \"${COMP_WORDS[i]}\" = -- ]; then\n"
    "            _sluice_files -f\n"
    "            return\n"
    "        fi\n"
    "    done\n";

static void bash_commands(const struct reference_program *program, struct strbuf *out)
{
    strbuf_append_str(out, "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        _sluice_words '");
    for (size_t i = 0; i < program->command_count; i++)
        strbuf_appendf(out, "%s ", program->commands[i].name);
    strbuf_append_str(out, "--help --version'\n"
                           "        return\n"
                           "    fi\n"
                           "    command=${COMP_WORDS[1]}\n");
}

void completion_bash(const struct reference_program *program, struct strbuf *out)
{
    char function[OPTIONS_FLAG_BYTES] = "_";
    strncat(function, program->name, sizeof function - 2);
    for (char *c = function; *c != '\0'; c++)
        if (*c == '-')
            *c = '_';
    strbuf_appendf(
        out, "# bash completion of %s, made from its option tables. -*- shell-script -*-\n\n%s%s()\n{\n%s",
        program->name, BASH_HELPERS, function, BASH_WORDS);
    if (program->commands[0].name != NULL)
        bash_commands(program, out);
    strbuf_append_str(out, "    case \"$command $previous\" in\n");
    for (size_t i = 0; i < program->command_count; i++) {
        const struct reference_command *command = &program->commands[i];
        for (size_t t = 0; t < command->table_count; t++)
            for (const struct option_row *row = command->tables[t].rows; row->name != NULL; row++)
                bash_value(command->name != NULL ? command->name : "", row, out);
    }
    strbuf_append_str(out, "        *) case \"$command\" in\n");
    for (size_t i = 0; i < program->command_count; i++)
        bash_options(&program->commands[i], out);
    strbuf_appendf(out, "        esac ;;\n    esac\n}\n\ncomplete -F %s %s\n", function, program->name);
}
