/* One entry of "fleets" in the configuration file: tables, parsing, dump. See config.h. */
#include "supervisor/config.h"

#include "aws/client.h"
#include "aws/endpoint.h"
#include "base/alloc.h"
#include "base/duration.h"
#include "base/options_json.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS(n) ((n)*1000.0)
#define MINUTES(n) ((n)*60 * 1000.0)
#define HOURS(n) ((n)*60 * 60 * 1000.0)

static const char *const JOURNAL_NAMES[] = {"all", "changes", "off", NULL};
const char *const CONFIG_FLEET_TYPE_NAMES[] = {"local", "ecs", NULL};
static const char *const TELEMETRY_NAMES[] = {"lines", "none", NULL};
static const char *const WORKER_LOG_NAMES[] = {"capture", "inherit", "discard", NULL};

const struct option_row CONFIG_FLEET_ROWS[] = {
    {"name", OPTION_STRING, offsetof(struct config_fleet, name), NULL, 0, 0, NULL, NULL,
     "name of the fleet: 1 to 40 of a-z, 0-9 and -; required"},
    {"region", OPTION_STRING, offsetof(struct config_fleet, region), NULL, 0, 0, NULL, NULL,
     "AWS region of this fleet's queue; default: the file's"},
    {"endpoint_url", OPTION_STRING, offsetof(struct config_fleet, endpoint_url), NULL, 0, 0, NULL, "URL",
     "AWS endpoint of this fleet; default: the file's"},
    {"journal", OPTION_ENUM, offsetof(struct config_fleet, journal), "all", 0, 0, JOURNAL_NAMES, NULL,
     "which decisions go to the journal: all, those that change something, or none"},
    OPTION_END,
};

const struct option_row CONFIG_QUEUE_ROWS[] = {
    {"url", OPTION_STRING, offsetof(struct config_queue, url), NULL, 0, 0, NULL, "URL",
     "URL of the queue; either this or name"},
    {"name", OPTION_STRING, offsetof(struct config_queue, name), NULL, 0, 0, NULL, NULL,
     "name of the queue, looked up with GetQueueUrl; either this or url"},
    {"poll", OPTION_DURATION, offsetof(struct config_queue, poll_ms), "5s", 200, MINUTES(10), NULL, NULL,
     "how often the queue's counts are read and a decision is made"},
    {"poll_max", OPTION_DURATION, offsetof(struct config_queue, poll_max_ms), NULL, 200, MINUTES(10), NULL,
     NULL, "how seldom while nothing happens; default: poll, a fixed interval"},
    OPTION_END,
};

const struct option_row CONFIG_BUDGET_ROWS[] = {
    {"calls_per_minute", OPTION_DOUBLE, offsetof(struct config_budget, calls_per_minute), "0", 0, 1e9, NULL,
     NULL, "API calls that polling may make in a minute of product time; 0: any number"},
    {"usd_per_month", OPTION_DOUBLE, offsetof(struct config_budget, usd_per_month), "0", 0, 1e9, NULL, NULL,
     "what these may cost in a month, free requests not counted; 0: any sum"},
    OPTION_END,
};

const struct option_row CONFIG_LOCAL_ROWS[] = {
    {"type", OPTION_ENUM, offsetof(struct config_local, type), "local", 0, 0, CONFIG_FLEET_TYPE_NAMES, NULL,
     "where workers run: as processes of this host"},
    {"start_grace", OPTION_DURATION, offsetof(struct config_local, start_grace_ms), "30s", SECONDS(1),
     HOURS(1), NULL, NULL,
     "a worker that is not ready after this time (at least 5 s of real time) is killed and started again"},
    {"stop_grace", OPTION_DURATION, offsetof(struct config_local, stop_grace_ms), "30s", SECONDS(1),
     HOURS(12), NULL, NULL,
     "how long a worker may drain after TERM (at least 2 s of real time) before it is killed"},
    {"hung_after", OPTION_DURATION, offsetof(struct config_local, hung_after_ms), "15s", SECONDS(3), HOURS(1),
     NULL, NULL,
     "a ready worker without telemetry for this time (at least 5 s of real time) is killed and replaced"},
    {"healthy_after", OPTION_DURATION, offsetof(struct config_local, healthy_after_ms), "1m", SECONDS(1),
     HOURS(1), NULL, NULL, "a worker that was ready for this time has its earlier failures forgiven"},
    {"restart_min", OPTION_DURATION, offsetof(struct config_local, restart_min_ms), "1s", 100, HOURS(1), NULL,
     NULL, "shortest wait before a failed worker is started again"},
    {"restart_max", OPTION_DURATION, offsetof(struct config_local, restart_max_ms), "1m", 100, HOURS(1), NULL,
     NULL, "longest wait before a failed worker is started again"},
    {"telemetry", OPTION_ENUM, offsetof(struct config_local, telemetry), "lines", 0, 0, TELEMETRY_NAMES, NULL,
     "lines: workers keep the telemetry contract; none: ready after start_grace, never judged hung"},
    {"log", OPTION_ENUM, offsetof(struct config_local, log), "capture", 0, 0, WORKER_LOG_NAMES, NULL,
     "the workers' output: written into the supervisor's log, left on its stdout and stderr, or thrown away"},
    {"log_lines_per_s", OPTION_INT, offsetof(struct config_local, log_lines_per_s), "500", 1, 100000, NULL,
     "N",
     "lines a worker may write into the supervisor's log each second of real time; more are dropped and "
     "counted"},
    OPTION_END,
};

/* Set by the supervisor itself for each worker. */
static const char *const RESERVED_ENV[] = {"SQS_QUEUE_URL",     "SLUICE_WORKER_NAME", "SLUICE_TELEMETRY_FD",
                                           "SLUICE_STOP_GRACE", "SLUICE_TIME_SCALE",  NULL};

/* path.key: "value": want ... */
int config_refuse_text(const char *at, const char *key, const char *value, const char *want, struct err *err)
{
    json_t *quoted = json_string(value);
    char *text = json_dumps(quoted, JSON_ENCODE_ANY);
    (void)err_set(err, "%s%s%s: %.120s: want %s", at, *at != '\0' ? "." : "", key, text != NULL ? text : "?",
                  want);
    free(text);
    json_decref(quoted);
    return -1;
}

static bool is_fleet_name(const char *name)
{
    size_t len = strlen(name);
    return len >= 1 && len <= CONFIG_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool is_queue_name(const char *name)
{
    size_t len = strlen(name);
    if (len < 1 || len > 80)
        return false;
    const char *end = len > 5 && strcmp(name + len - 5, ".fifo") == 0 ? name + len - 5 : name + len;
    for (const char *c = name; c < end; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
            return false;
    return true;
}

/* http(s)://host/... without spaces and controls; the AWS client looks closer. */
static bool is_url(const char *url, bool want_path)
{
    const char *host = NULL;
    if (strncmp(url, "http://", 7) == 0)
        host = url + 7;
    else if (strncmp(url, "https://", 8) == 0)
        host = url + 8;
    if (host == NULL || *host == '\0' || *host == '/')
        return false;
    for (const char *c = host; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == '@')
            return false;
    const char *slash = strchr(host, '/');
    return !want_path || (slash != NULL && slash[1] != '\0');
}

int config_check_url(const char *at, const char *key, const char *url, bool want_path, const char *want,
                     struct err *err)
{
    char shown[128];
    if (is_url(url, want_path))
        return 0;
    return config_refuse_text(at, key, aws_url_without_userinfo(url, shown, sizeof shown), want, err);
}

static int check_queue(struct config_queue *queue, const char *at, struct err *err)
{
    if ((queue->url == NULL) == (queue->name == NULL))
        return err_set(err, "%s: %s: want exactly one of url and name", at,
                       queue->url == NULL ? "neither url nor name" : "both url and name");
    const char *given = queue->url != NULL ? queue->url : queue->name;
    const char *key = queue->url != NULL ? "url" : "name";
    if (queue->url != NULL &&
        config_check_url(at, key, given, true,
                         "a queue URL such as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME", err) != 0)
        return -1;
    if (queue->name != NULL && !is_queue_name(queue->name))
        return config_refuse_text(at, key, given,
                                  "1 to 80 letters, digits, - or _, at the end .fifo for a FIFO queue", err);
    struct aws_queue_url parts;
    if (queue->url != NULL && aws_queue_url_parse(queue->url, &parts, err) == 0)
        memcpy(queue->region, parts.region, sizeof queue->region);
    return 0;
}

static int parse_queue(const json_t *object, const char *at, struct config_queue *queue, struct err *err)
{
    static const char *const ALSO_KNOWN[] = {"cloudwatch", NULL};
    char path[96];
    options_set_defaults(CONFIG_QUEUE_ROWS, queue);
    if (object == NULL)
        return err_set(err, "%s: missing: want an object with url or name", at);
    if (options_set_json(CONFIG_QUEUE_ROWS, queue, object, at, ALSO_KNOWN, err) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "%s.cloudwatch", at);
    if (config_cloudwatch_parse(json_object_get(object, "cloudwatch"), path, &queue->cloudwatch, err) != 0)
        return -1;
    if (json_object_get(object, "poll_max") == NULL)
        queue->poll_max_ms = queue->poll_ms;
    if (queue->poll_max_ms < queue->poll_ms) {
        char least[48];
        char most[48];
        return err_set(err, "%s.poll_max: \"%s\": want poll, \"%s\", or more", at,
                       duration_format(queue->poll_max_ms, most), duration_format(queue->poll_ms, least));
    }
    return check_queue(queue, at, err);
}

static int parse_command(const json_t *array, const char *at, struct config_local *local, struct err *err)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count < 1 || count > CONFIG_COMMAND_MAX)
        return err_set(err, "%s.command: %s: want an array of 1 to %d words, the program first", at,
                       config_array_fault(array), CONFIG_COMMAND_MAX);
    local->command = xcalloc(count + 1, sizeof *local->command);
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_array_get(array, i));
        if (word == NULL || (i == 0 && *word == '\0'))
            return err_set(err, "%s.command[%zu]: want a %sstring", at, i, i == 0 ? "non-empty " : "");
        local->command[i] = xstrdup(word);
    }
    return 0;
}

static bool is_env_name(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    return true;
}

static int check_env(const char *at, const char *name, const json_t *value, struct err *err)
{
    if (!is_env_name(name))
        return err_set(err, "%s.env.%s: want a name of letters, digits and _, not starting with a digit", at,
                       name);
    for (const char *const *reserved = RESERVED_ENV; *reserved != NULL; reserved++)
        if (strcmp(*reserved, name) == 0)
            return err_set(err, "%s.env.%s: the supervisor sets this itself", at, name);
    if (!json_is_string(value))
        return err_set(err, "%s.env.%s: want a string, in quotes also for a number", at, name);
    return 0;
}

static int parse_env(const json_t *object, const char *at, struct config_local *local, struct err *err)
{
    size_t used = 0;
    const char *name = NULL;
    json_t *value = NULL;
    if (object != NULL && (!json_is_object(object) || json_object_size(object) > CONFIG_ENV_MAX))
        return err_set(err, "%s.env: want an object of at most %d names and strings", at, CONFIG_ENV_MAX);
    local->env = xcalloc(json_object_size(object) + 1, sizeof *local->env);
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (check_env(at, name, value, err) != 0)
            return -1;
        struct strbuf entry = STRBUF_INIT;
        strbuf_appendf(&entry, "%s=", name);
        strbuf_append_str(&entry, json_string_value(value));
        local->env[used++] = strbuf_take(&entry);
    }
    return 0;
}

static int parse_local(const json_t *object, const char *at, struct config_local *local, struct err *err)
{
    static const char *const ALSO_KNOWN[] = {"command", "env", NULL};
    options_set_defaults(CONFIG_LOCAL_ROWS, local);
    if (options_set_json(CONFIG_LOCAL_ROWS, local, object, at, ALSO_KNOWN, err) != 0)
        return -1;
    if (local->restart_min_ms > local->restart_max_ms) {
        char least[48];
        char most[48];
        return err_set(err, "%s.restart_min: \"%s\": want at most restart_max, \"%s\"", at,
                       duration_format(local->restart_min_ms, least),
                       duration_format(local->restart_max_ms, most));
    }
    if (parse_command(json_object_get(object, "command"), at, local, err) != 0)
        return -1;
    return parse_env(json_object_get(object, "env"), at, local, err);
}

/* "fleet": its type first, since the keys of another type would only be called unknown. */
static int parse_workers(const json_t *object, const char *at, struct config_fleet *fleet, struct err *err)
{
    if (object == NULL)
        return err_set(err, "%s: missing: want an object with type, and command or cluster and service", at);
    const json_t *type = json_object_get(object, "type");
    json_t *type_alone = json_pack("{s:O?}", "type", type);
    int rc = type != NULL ? options_set_json(CONFIG_LOCAL_ROWS, &fleet->local, type_alone, at, NULL, err) : 0;
    json_decref(type_alone);
    if (rc != 0)
        return -1;
    fleet->type = fleet->local.type;
    return fleet->type == FLEET_ECS ? config_ecs_parse(object, at, &fleet->ecs, err)
                                    : parse_local(object, at, &fleet->local, err);
}

int config_budget_parse(const void *json, const char *at, struct config_budget *budget, struct err *err)
{
    options_set_defaults(CONFIG_BUDGET_ROWS, budget);
    return json == NULL ? 0 : options_set_json(CONFIG_BUDGET_ROWS, budget, json, at, NULL, err);
}

/* One that is given stays as it is however slow the polls are: they must fit into it. */
static int check_stale_after(const struct config_fleet *fleet, const char *at, struct err *err)
{
    char given[48];
    char most[48];
    if (fleet->controller.stale_after_follows || fleet->controller.stale_after_ms >= fleet->queue.poll_max_ms)
        return 0;
    return err_set(err, "%s.policy.stale_after: \"%s\": want queue.poll_max, \"%s\", or more", at,
                   duration_format(fleet->controller.stale_after_ms, given),
                   duration_format(fleet->queue.poll_max_ms, most));
}

int config_fleet_parse(const void *json, const char *at, struct config_fleet *fleet, struct err *err)
{
    static const char *const ALSO_KNOWN[] = {"queue", "api_budget", "capacity", "policy", "fleet", NULL};
    const json_t *object = json;
    char path[64];
    options_set_defaults(CONFIG_FLEET_ROWS, fleet);
    if (options_set_json(CONFIG_FLEET_ROWS, fleet, object, at, ALSO_KNOWN, err) != 0)
        return -1;
    if (fleet->name == NULL)
        return err_set(err, "%s.name: missing: want 1 to %d of a-z, 0-9 and -", at, CONFIG_NAME_MAX);
    if (!is_fleet_name(fleet->name))
        return config_refuse_text(at, "name", fleet->name, "1 to 40 of a-z, 0-9 and -", err);
    if (fleet->endpoint_url != NULL &&
        config_check_url(at, "endpoint_url", fleet->endpoint_url, false, CONFIG_ENDPOINT_WANT, err) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "%s.queue", at);
    if (parse_queue(json_object_get(object, "queue"), path, &fleet->queue, err) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "%s.api_budget", at);
    if (config_budget_parse(json_object_get(object, "api_budget"), path, &fleet->api_budget, err) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "%s.fleet", at);
    if (parse_workers(json_object_get(object, "fleet"), path, fleet, err) != 0)
        return -1;
    if (controller_config_parse(json_object_get(object, "capacity"), json_object_get(object, "policy"),
                                fleet->queue.poll_ms, at, &fleet->controller, err) != 0)
        return -1;
    return check_stale_after(fleet, at, err);
}

static void free_words(char **words)
{
    for (char **word = words; word != NULL && *word != NULL; word++)
        free(*word);
    free(words);
}

void config_fleet_clean_up(struct config_fleet *fleet)
{
    options_clean_up(CONFIG_FLEET_ROWS, fleet);
    options_clean_up(CONFIG_QUEUE_ROWS, &fleet->queue);
    options_clean_up(CONFIG_LOCAL_ROWS, &fleet->local);
    options_clean_up(CONFIG_ECS_ROWS, &fleet->ecs);
    free_words(fleet->local.command);
    free_words(fleet->local.env);
    controller_config_clean_up(&fleet->controller);
    fleet->local.command = NULL;
    fleet->local.env = NULL;
}

static void dump_local(const struct config_local *local, struct jsonw *w)
{
    jsonw_object(w);
    options_dump(CONFIG_LOCAL_ROWS, local, w);
    jsonw_key(w, "command");
    jsonw_array(w);
    for (char **word = local->command; *word != NULL; word++)
        jsonw_str(w, *word);
    jsonw_end_array(w);
    jsonw_key(w, "env_names");
    jsonw_array(w);
    for (char **entry = local->env; *entry != NULL; entry++)
        jsonw_strn(w, *entry, strcspn(*entry, "="));
    jsonw_end_array(w);
    jsonw_end_object(w);
}

void config_fleet_dump(const struct config_fleet *fleet, struct jsonw *w)
{
    jsonw_object(w);
    options_dump(CONFIG_FLEET_ROWS, fleet, w);
    jsonw_key(w, "queue");
    jsonw_object(w);
    options_dump(CONFIG_QUEUE_ROWS, &fleet->queue, w);
    jsonw_key(w, "cloudwatch");
    jsonw_object(w);
    options_dump(CONFIG_CLOUDWATCH_ROWS, &fleet->queue.cloudwatch, w);
    jsonw_end_object(w);
    jsonw_end_object(w);
    jsonw_key(w, "api_budget");
    jsonw_object(w);
    options_dump(CONFIG_BUDGET_ROWS, &fleet->api_budget, w);
    jsonw_end_object(w);
    jsonw_key(w, "controller");
    controller_config_dump(&fleet->controller, w);
    jsonw_key(w, "fleet");
    if (fleet->type == FLEET_ECS) {
        jsonw_object(w);
        options_dump(CONFIG_ECS_ROWS, &fleet->ecs, w);
        jsonw_end_object(w);
    } else {
        dump_local(&fleet->local, w);
    }
    jsonw_end_object(w);
}

bool config_queue_is_fifo(const struct config_queue *queue)
{
    const char *name = queue->url != NULL ? queue->url : queue->name;
    size_t len = strlen(name);
    return len > 5 && strcmp(name + len - 5, ".fifo") == 0;
}

const char *config_fleet_env(const struct config_fleet *fleet, const char *name)
{
    size_t len = strlen(name);
    for (char **entry = fleet->local.env; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return *entry + len + 1;
    return NULL;
}
