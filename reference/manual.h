/* The manual pages. Each function appends one whole page; date is "2026-11-23". */
#ifndef SLUICE_REFERENCE_MANUAL_H
#define SLUICE_REFERENCE_MANUAL_H

#include "base/strbuf.h"
#include "reference/program.h"
#include "supervisor/commands.h"

/* sluice(1): the commands. */
void manual_sluice(const struct reference_program *program, const char *date, struct strbuf *out);
/* sluice-COMMAND(1), of a command that is listed. */
void manual_command(const struct command *command, const char *date, struct strbuf *out);
/* sluice-worker(1), sluice-localaws(1) */
void manual_worker(const struct reference_program *program, const char *date, struct strbuf *out);
void manual_localaws(const struct reference_program *program, const char *date, struct strbuf *out);
/* sluice.json(5): the configuration file. */
void manual_configuration(const char *date, struct strbuf *out);

#endif
