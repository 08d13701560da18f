/* Starts sluice-localaws and finds out where it listens; see local_endpoint.h. */
#include "supervisor/local_endpoint.h"

#include "base/alloc.h"
#include "base/duration.h"
#include "base/file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUT_MAX_BYTES = 1024 * 1024 };

int local_endpoint_start(struct demo_children *children, const struct sandbox *sandbox,
                         const struct local_endpoint_options *options, struct err *err)
{
    char *program = sandbox_path(sandbox->program_dir, "sluice-localaws");
    char latency[48];
    const char *argv[16] = {program,        "--listen",     "127.0.0.1:0",       "--region",
                            SANDBOX_REGION, "--redelivery", options->redelivery, "--verify-signatures"};

    if (options->task_logs != NULL) {
        const char *const ecs[] = {
            "--ecs-tasks",         "run",
            "--ecs-start-latency", duration_format(options->ecs_start_latency_ms, latency),
            "--ecs-task-logs",     options->task_logs};
        memcpy(&argv[8], ecs, sizeof ecs);
    }
    int rc = demo_children_start(children, DEMO_LOCALAWS, argv, err);

    free(program);
    return rc != 0 ? -1 : 0;
}

char *local_endpoint_url(const struct demo_children *children)
{
    struct strbuf text = STRBUF_INIT;
    char *url = NULL;

    if (file_read(children->child[DEMO_LOCALAWS].out_path, OUTPUT_MAX_BYTES, &text, NULL) == 0 &&
        text.len > 0 && strchr(text.data, '\n') != NULL) {
        json_t *line = json_loads(text.data, JSON_DISABLE_EOF_CHECK, NULL);
        const char *found = json_string_value(json_object_get(line, "url"));
        url = found != NULL ? xstrdup(found) : NULL;
        json_decref(line);
    }
    strbuf_clean_up(&text);
    return url;
}
