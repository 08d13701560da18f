/* sluice-worker: receives, handles and deletes messages of one queue. Options, then runtime.c. */
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/process.h"
#include "base/version.h"
#include "worker/runtime.h"
#include "worker/settings.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

static bool wants_version(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--version") == 0)
            return true;
    return false;
}

static int print_help(void)
{
    struct strbuf text = STRBUF_INIT;
    settings_help(&text);
    int written = fputs(strbuf_str(&text), stdout);
    strbuf_clean_up(&text);
    return written >= 0 && fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_IO;
}

static int usage(const struct err *err)
{
    (void)fprintf(stderr, "sluice-worker: %s\nTry sluice-worker --help.\n", err->text);
    return EXIT_CODE_USAGE;
}

int main(int argc, char **argv)
{
    struct err err;
    struct settings settings = {.telemetry_fd = -1};
    int code = EXIT_CODE_OK;
    process_init();
    if (wants_version(argc, argv))
        return printf("sluice-worker %s\n", SLUICE_VERSION) > 0 ? EXIT_CODE_OK : EXIT_CODE_IO;
    if (clock_init(&err) != 0 || log_init_from_env("sluice-worker", &err) != 0) {
        (void)fprintf(stderr, "sluice-worker: %s\n", err.text);
        return EXIT_CODE_CONFIG;
    }
#ifdef M_ARENA_MAX /* glibc: an arena for each of 100 threads would cost more memory than their messages */
    (void)mallopt(M_ARENA_MAX, 2);
#endif
    runtime_block_signals();
    switch (settings_load(&settings, argc, argv, &err)) {
    case SETTINGS_HELP:
        code = print_help();
        break;
    case SETTINGS_WRONG:
        code = usage(&err);
        break;
    case SETTINGS_OK:
        log_set_context("worker", settings.worker);
        code = runtime_run(&settings);
        break;
    }
    settings_clean_up(&settings);
    return code;
}
