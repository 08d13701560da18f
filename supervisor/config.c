/* The configuration file as a whole: reading, JSON, the top level, fleets in order. See config.h. */
#include "supervisor/config.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/host_port.h"
#include "base/log.h"
#include "base/options_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* Index 0 stands for "not set"; the rest is the enum of base/log.h plus one. */
static const char *const LEVEL_NAMES[] = {"from-environment", "debug", "info", "warning", "error", NULL};
static const char *const FORMAT_NAMES[] = {"from-environment", "plain", "json", NULL};

const struct option_row CONFIG_TOP_ROWS[] = {
    {"region", OPTION_STRING, offsetof(struct config, region), NULL, 0, 0, NULL, NULL,
     "AWS region; default: what a queue's URL names, AWS_REGION, AWS_DEFAULT_REGION or the profile"},
    {"endpoint_url", OPTION_STRING, offsetof(struct config, endpoint_url), NULL, 0, 0, NULL, "URL",
     "AWS endpoint; default: AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL or the region's own"},
    {"state_dir", OPTION_STRING, offsetof(struct config, state_dir), CONFIG_STATE_DIR_DEFAULT, 0, 0, NULL,
     "FOLDER", "folder for the lock, state files, journals and worker records; created with mode 0700"},
    OPTION_END,
};

const struct option_row CONFIG_ADMIN_ROWS[] = {
    {"socket", OPTION_STRING, offsetof(struct config, admin.socket), NULL, 0, 0, NULL, "PATH",
     "unix socket for sluice status; default: admin.sock in state_dir"},
    {"listen", OPTION_STRING, offsetof(struct config, admin.listen), NULL, 0, 0, NULL, "HOST:PORT",
     "TCP address for /healthz, /readyz, /metrics and what else the socket shows; read-only; port 0: any "
     "free "
     "one; default: none"},
    {"ready_share", OPTION_DOUBLE, offsetof(struct config, admin.ready_share), "1", 0, 1, NULL, NULL,
     "part of the fleets that must have fresh data for /readyz to say ready"},
    OPTION_END,
};

const struct option_row CONFIG_TELEMETRY_ROWS[] = {
    {"listen", OPTION_STRING, offsetof(struct config, telemetry.listen), NULL, 0, 0, NULL, "HOST:PORT",
     "where workers of ECS fleets POST their telemetry, port 0 for any free one; default: nowhere"},
    {"token_file", OPTION_STRING, offsetof(struct config, telemetry.token_file), NULL, 0, 0, NULL, "PATH",
     "file with the token that they must bear, 16 to 512 printable characters; this or token_env is required "
     "unless listen is a loopback address"},
    {"token_env", OPTION_STRING, offsetof(struct config, telemetry.token_env), NULL, 0, 0, NULL, "NAME",
     "environment variable that holds the token instead, as a container's secret does"},
    {"stale_after", OPTION_DURATION, offsetof(struct config, telemetry.stale_after_ms), "10s", 2000, 600000,
     NULL, NULL,
     "a worker that is silent for this time (at least 2 s of real time) is unknown, no longer idle or busy"},
    OPTION_END,
};

const struct option_row CONFIG_LOG_ROWS[] = {
    {"level", OPTION_ENUM, offsetof(struct config, log.level), "from-environment", 0, 0, LEVEL_NAMES, NULL,
     "least level that is written; SLUICE_LOG_LEVEL or info unless set"},
    {"format", OPTION_ENUM, offsetof(struct config, log.format), "from-environment", 0, 0, FORMAT_NAMES, NULL,
     "form of the lines; SLUICE_LOG_FORMAT, else plain on a terminal and json elsewhere, unless set"},
    OPTION_END,
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static int parse_section(const json_t *root, const char *key, const struct option_row *rows,
                         struct config *config, struct err *err)
{
    const json_t *section = json_object_get(root, key);
    return section == NULL ? 0 : options_set_json(rows, config, section, key, NULL, err);
}

static int check_paths(const struct config *config, struct err *err)
{
    struct host_port at;
    if (config->admin.listen != NULL && host_port_parse("admin.listen", config->admin.listen, &at, err) != 0)
        return -1;
    struct sockaddr_un address;
    if (config->state_dir[0] != '/')
        return err_set(err, "state_dir: \"%s\": want an absolute path", config->state_dir);
    if (config->admin.socket[0] != '/')
        return err_set(err, "admin.socket: \"%s\": want an absolute path", config->admin.socket);
    if (strlen(config->admin.socket) >= sizeof address.sun_path)
        return err_set(err, "admin.socket: \"%.200s\": want a path of at most %zu bytes",
                       config->admin.socket, sizeof address.sun_path - 1);
    return 0;
}

static int check_telemetry(const struct config *config, struct err *err)
{
    struct host_port at;
    const char *token_file = config->telemetry.token_file;
    const char *token_env = config->telemetry.token_env;
    if (token_file != NULL && token_env != NULL)
        return err_set(err, "telemetry.token_env: \"%.200s\": want this or token_file, not both", token_env);
    if (config->telemetry.listen == NULL && token_file != NULL)
        return err_set(err, "telemetry.token_file: \"%.200s\": want telemetry.listen, too", token_file);
    if (config->telemetry.listen == NULL)
        return token_env == NULL
                   ? 0
                   : err_set(err, "telemetry.token_env: \"%.200s\": want telemetry.listen, too", token_env);
    if (host_port_parse("telemetry.listen", config->telemetry.listen, &at, err) != 0)
        return -1;
    if (token_file != NULL && token_file[0] != '/')
        return err_set(err, "telemetry.token_file: \"%.200s\": want an absolute path", token_file);
    if (token_file == NULL && token_env == NULL && strncmp(at.host, "127.", 4) != 0 &&
        strcmp(at.host, "::1") != 0)
        return err_set(err,
                       "telemetry.listen: \"%s\": want a loopback address, or telemetry.token_file or "
                       "token_env: whoever "
                       "can POST decides what is busy",
                       config->telemetry.listen);
    return 0;
}

static int parse_top(const json_t *root, struct config *config, struct err *err)
{
    static const char *const ALSO_KNOWN[] = {"admin",      "telemetry", "log",    "ha",
                                             "api_budget", "metrics",   "fleets", NULL};
    options_set_defaults(CONFIG_TOP_ROWS, config);
    options_set_defaults(CONFIG_ADMIN_ROWS, config);
    options_set_defaults(CONFIG_TELEMETRY_ROWS, config);
    options_set_defaults(CONFIG_LOG_ROWS, config);
    if (options_set_json(CONFIG_TOP_ROWS, config, root, "", ALSO_KNOWN, err) != 0 ||
        parse_section(root, "admin", CONFIG_ADMIN_ROWS, config, err) != 0 ||
        parse_section(root, "telemetry", CONFIG_TELEMETRY_ROWS, config, err) != 0 ||
        parse_section(root, "log", CONFIG_LOG_ROWS, config, err) != 0 ||
        config_ha_parse(json_object_get(root, "ha"), "ha", &config->ha, err) != 0 ||
        config_metrics_parse(json_object_get(root, "metrics"), config->metrics, err) != 0 ||
        config_budget_parse(json_object_get(root, "api_budget"), "api_budget", &config->api_budget, err) != 0)
        return -1;
    if (config->endpoint_url != NULL &&
        config_check_url("", "endpoint_url", config->endpoint_url, false, CONFIG_ENDPOINT_WANT, err) != 0)
        return -1;
    config->log.level -= 1;
    config->log.format -= 1;
    if (config->admin.socket == NULL) {
        struct strbuf path = STRBUF_INIT;
        strbuf_appendf(&path, "%s/admin.sock", config->state_dir);
        config->admin.socket = strbuf_take(&path);
    }
    return check_paths(config, err) == 0 ? check_telemetry(config, err) : -1;
}

/* Two fleets on one service would write over each other. */
static int check_service_unique(const struct config *config, size_t index, struct err *err)
{
    const struct config_fleet *fleet = &config->fleets[index];
    for (size_t i = 0; i < index && fleet->type == FLEET_ECS; i++) {
        const struct config_fleet *other = &config->fleets[i];
        if (other->type == FLEET_ECS && strcmp(other->ecs.cluster, fleet->ecs.cluster) == 0 &&
            strcmp(other->ecs.service, fleet->ecs.service) == 0 &&
            same_text(config_fleet_region(config, other), config_fleet_region(config, fleet)) &&
            same_text(config_fleet_endpoint(config, other), config_fleet_endpoint(config, fleet)))
            return err_set(err,
                           "fleets[%zu].fleet.service: \"%s\": want a service of its own, fleets[%zu] has it",
                           index, fleet->ecs.service, i);
    }
    return 0;
}

static int check_unique(const struct config *config, size_t index, struct err *err)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(config->fleets[i].name, config->fleets[index].name) == 0)
            return err_set(err, "fleets[%zu].name: \"%s\": want a name of its own, fleets[%zu] has it", index,
                           config->fleets[index].name, i);
    return check_service_unique(config, index, err);
}

const char *config_array_fault(const void *json)
{
    if (json == NULL)
        return "missing";
    if (!json_is_array((const json_t *)json))
        return "no array";
    return json_array_size(json) == 0 ? "empty" : "too many";
}

static int parse_fleets(const json_t *array, struct config *config, struct err *err)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count < 1 || count > CONFIG_FLEETS_MAX)
        return err_set(err, "fleets: %s: want an array of 1 to %d fleets", config_array_fault(array),
                       CONFIG_FLEETS_MAX);
    config->fleets = xcalloc(count, sizeof *config->fleets);
    for (size_t i = 0; i < count; i++) {
        char at[32];
        (void)snprintf(at, sizeof at, "fleets[%zu]", i);
        config->fleet_count = i + 1;
        if (config_fleet_parse(json_array_get(array, i), at, &config->fleets[i], err) != 0 ||
            check_unique(config, i, err) != 0)
            return -1;
    }
    return 0;
}

int config_parse(const char *path, const char *text, size_t len, struct config *ret_config, struct err *err)
{
    struct config config = {.path = xstrdup(path)};
    json_error_t where;
    int rc = -1;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL) {
        /* What jansson found "near" the place may be a secret of somebody's env. */
        char *near = strstr(where.text, " near ");
        if (near != NULL && strcmp(near, " near end of file") != 0)
            *near = '\0';
        (void)err_set(err, "%s:%d:%d: %s", path, where.line, where.column, where.text);
        goto done;
    }
    if (!json_is_object(root))
        (void)err_set(err, "%s: top level: want an object", path);
    else if (parse_top(root, &config, err) != 0 ||
             parse_fleets(json_object_get(root, "fleets"), &config, err) != 0)
        (void)err_prefix(err, "%s", path);
    else
        rc = 0;
done:
    json_decref(root);
    if (rc == 0)
        *ret_config = config;
    else
        config_clean_up(&config);
    return rc;
}

/* "env:NAME": a container without a shell has no other way to be given a file. */
static int load_variable(const char *path, struct config *ret_config, struct err *err)
{
    const char *name = path + strlen(CONFIG_ENV_PREFIX);
    const char *text = getenv(name);
    if (*name == '\0' || text == NULL || *text == '\0')
        return err_set(err, "%s: the environment variable \"%s\" is %s: want it to hold the configuration",
                       path, name, text == NULL ? "not set" : "empty");
    return config_parse(path, text, strlen(text), ret_config, err);
}

int config_load(const char *path, struct config *ret_config, struct err *err)
{
    if (strncmp(path, CONFIG_ENV_PREFIX, strlen(CONFIG_ENV_PREFIX)) == 0)
        return load_variable(path, ret_config, err);
    struct strbuf text = STRBUF_INIT;
    int rc = file_read(path, CONFIG_FILE_MAX_BYTES, &text, err) == 0 ? 0 : -1;
    if (rc == 0)
        rc = config_parse(path, strbuf_str(&text), text.len, ret_config, err);
    strbuf_clean_up(&text);
    return rc;
}

void config_clean_up(struct config *config)
{
    for (size_t i = 0; i < config->fleet_count; i++)
        config_fleet_clean_up(&config->fleets[i]);
    free(config->fleets);
    free(config->path);
    options_clean_up(CONFIG_TOP_ROWS, config);
    options_clean_up(CONFIG_ADMIN_ROWS, config);
    options_clean_up(CONFIG_HA_ROWS, &config->ha);
    config_metrics_clean_up(config->metrics);
    options_clean_up(CONFIG_TELEMETRY_ROWS, config);
    *config = (struct config){.path = NULL};
}

const char *config_fleet_region(const struct config *config, const struct config_fleet *fleet)
{
    const char *region = fleet->region != NULL ? fleet->region : config->region;
    return region != NULL || fleet->queue.region[0] == '\0' ? region : fleet->queue.region;
}

const char *config_fleet_endpoint(const struct config *config, const struct config_fleet *fleet)
{
    return fleet->endpoint_url != NULL ? fleet->endpoint_url : config->endpoint_url;
}

void config_dump(const struct config *config, struct jsonw *w)
{
    static const char *const LEVELS[] = {"debug", "info", "warning", "error"};
    jsonw_object(w);
    options_dump(CONFIG_TOP_ROWS, config, w);
    jsonw_key(w, "admin");
    jsonw_object(w);
    options_dump(CONFIG_ADMIN_ROWS, config, w);
    jsonw_end_object(w);
    jsonw_key(w, "telemetry");
    jsonw_object(w);
    options_dump(CONFIG_TELEMETRY_ROWS, config, w);
    jsonw_end_object(w);
    jsonw_key(w, "log");
    jsonw_object(w);
    jsonw_key_str(w, "level", config->log.level < 0 ? NULL : LEVELS[config->log.level]);
    jsonw_key_str(w, "format",
                  config->log.format < 0 ? NULL : (config->log.format == LOG_JSON ? "json" : "plain"));
    jsonw_end_object(w);
    jsonw_key(w, "ha");
    jsonw_object(w);
    options_dump(CONFIG_HA_ROWS, &config->ha, w);
    jsonw_end_object(w);
    jsonw_key(w, "api_budget");
    jsonw_object(w);
    options_dump(CONFIG_BUDGET_ROWS, &config->api_budget, w);
    jsonw_end_object(w);
    jsonw_key(w, "metrics");
    config_metrics_dump(config->metrics, w);
    jsonw_key(w, "fleets");
    jsonw_array(w);
    for (size_t i = 0; i < config->fleet_count; i++)
        config_fleet_dump(&config->fleets[i], w);
    jsonw_end_array(w);
    jsonw_end_object(w);
}
