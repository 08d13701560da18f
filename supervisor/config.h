/*
 * The configuration file of the supervisor (docs/configuration.md): read and checked whole into one struct,
 * or not at all. Settings are option tables; those of capacity and policy belong to policies/. Nothing here
 * looks at the host or the network; see preflight.h for that.
 */
#ifndef SLUICE_SUPERVISOR_CONFIG_H
#define SLUICE_SUPERVISOR_CONFIG_H

#include "aws/endpoint.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "base/options.h"
#include "policies/controller.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_STATE_DIR_DEFAULT "/var/lib/sluice"
#define CONFIG_ENV_PREFIX "env:" /* of a --config that names an environment variable */
#define CONFIG_ENDPOINT_WANT "a URL such as http://127.0.0.1:4566"

enum {
    CONFIG_FLEETS_MAX = 10000,
    CONFIG_FILE_MAX_BYTES = 32 * 1024 * 1024,
    CONFIG_NAME_MAX = 40,
    CONFIG_COMMAND_MAX = 64, /* words of a worker's command */
    CONFIG_ENV_MAX = 256,
    CONFIG_HA_KEY_MAX = 200, /* bytes */
};

enum config_fleet_type { FLEET_LOCAL, FLEET_ECS };
enum config_journal { JOURNAL_ALL, JOURNAL_CHANGES, JOURNAL_OFF };
enum config_telemetry { TELEMETRY_LINES, TELEMETRY_NONE };
enum config_worker_log { WORKER_LOG_CAPTURE, WORKER_LOG_INHERIT, WORKER_LOG_DISCARD };

enum config_cloudwatch_mode { CLOUDWATCH_OFF, CLOUDWATCH_FALLBACK, CLOUDWATCH_ON };

/* "cloudwatch" of a queue (docs/sensors.md). Durations are product ms. */
struct config_cloudwatch {
    int mode; /* enum config_cloudwatch_mode */
    int64_t period_ms;
    int64_t windows;
    int64_t max_age_ms;
};

/* "metrics": what is published of Sluice itself, and how. */
enum config_metrics_way { METRICS_CLOUDWATCH, METRICS_EMF, METRICS_WAYS };
struct config_metrics {
    bool enabled;
    char *name_space;
    int64_t every_ms;
};

/* "queue" of a fleet: exactly one of url and name is set. Product ms. */
struct config_queue {
    char *url;
    char *name;
    int64_t poll_ms;               /* while something happens */
    int64_t poll_max_ms;           /* while nothing does; >= poll_ms, equal: polls come at a fixed interval */
    char region[AWS_REGION_BYTES]; /* that the URL names, "" when none */
    struct config_cloudwatch cloudwatch;
};

/* "api_budget" of the file (all fleets together) or of a fleet: what polling may take. 0: no limit. */
struct config_budget {
    double calls_per_minute;
    double usd_per_month;
};

/* "fleet" of a fleet, type local. Durations are product ms. */
struct config_local {
    int type;       /* enum config_fleet_type */
    char **command; /* owned, NULL-terminated, at least one word */
    char **env;     /* owned, NULL-terminated "K=V", sorted as in the file */
    int64_t start_grace_ms;
    int64_t stop_grace_ms;
    int64_t hung_after_ms;
    int64_t healthy_after_ms;
    int64_t restart_min_ms, restart_max_ms;
    int telemetry;           /* enum config_telemetry */
    int log;                 /* enum config_worker_log */
    int64_t log_lines_per_s; /* real seconds */
};

/* "fleet" of a fleet, type ecs. Durations are product ms. */
struct config_ecs {
    int type;      /* enum config_fleet_type */
    char *cluster; /* names, never NULL once parsed */
    char *service;
    int on_drift; /* enum ecs_on_drift */
    bool allow_autoscaling;
    int64_t describe_ms;
    int64_t missing_grace_ms;
    int64_t start_grace_ms;
    bool protect_busy;
    int64_t protect_for_ms; /* whole minutes */
    int64_t protect_wait_ms;
};

struct config_fleet {
    char *name;
    char *region;       /* NULL: the file's, else the queue URL's, else the environment's */
    char *endpoint_url; /* likewise */
    int journal;        /* enum config_journal */
    struct config_queue queue;
    struct config_budget api_budget;
    int type; /* enum config_fleet_type: which of the next two is filled in */
    struct config_local local;
    struct config_ecs ecs;
    struct controller_config controller;
};

enum config_ha_type { HA_NONE, HA_LOCK_FILE, HA_DYNAMODB };

/* "ha". The lease and its heartbeat are real ms, whatever the time scale: two hosts fix them. */
struct config_ha {
    int type;    /* enum config_ha_type */
    char *table; /* set for HA_DYNAMODB alone */
    char *key;   /* never NULL once parsed */
    int64_t lease_ms;
    int64_t heartbeat_ms;
    int64_t save_ms; /* product */
    char *region;    /* NULL: the file's */
    char *endpoint_url;
};

struct config {
    char *path; /* as given, for messages */
    char *region;
    char *endpoint_url;
    char *state_dir;
    struct {
        char *socket;       /* never NULL: default state_dir/admin.sock */
        char *listen;       /* HOST:PORT; NULL: no TCP */
        double ready_share; /* 0..1 of the fleets must have fresh data for /readyz */
    } admin;
    struct {
        char *listen;           /* HOST:PORT, NULL: none */
        char *token_file;       /* at most one of the two; both NULL: no token, then listen is loopback */
        char *token_env;        /* a variable's name */
        int64_t stale_after_ms; /* product */
    } telemetry;
    struct {
        int level;  /* enum log_level, or -1: the environment's */
        int format; /* enum log_format, or -1 */
    } log;
    struct config_budget api_budget;
    struct config_ha ha;
    struct config_metrics metrics[METRICS_WAYS];
    struct config_fleet *fleets;
    size_t fleet_count; /* 1..CONFIG_FLEETS_MAX */
};

/* Reads and checks a file, or with the path "env:NAME" what that environment variable holds (a file of such a
 * name is "./env:NAME"). Returns 0, and the caller cleans up; or -1 with err "FILE:LINE:COLUMN: ..." when
 * it is no JSON, "FILE: path.key: value: want ..." when something in it is wrong; *ret_config is untouched
 * then. */
int config_load(const char *path, struct config *ret_config, struct err *err)
    __attribute__((warn_unused_result));

/* The same for a text in memory; `path` is for messages. */
int config_parse(const char *path, const char *text, size_t len, struct config *ret_config, struct err *err)
    __attribute__((warn_unused_result));

void config_clean_up(struct config *config); /* safe on a zeroed struct */

/* Whether the queue is a FIFO queue, by its name. */
bool config_queue_is_fifo(const struct config_queue *queue);

/* Region and endpoint of a fleet: its own or the file's, the region else the one that the queue's URL names
 * (SQS takes no signature for another one); NULL when nothing says. */
const char *config_fleet_region(const struct config *config, const struct config_fleet *fleet);
const char *config_fleet_endpoint(const struct config *config, const struct config_fleet *fleet);

/* Value of a name in the fleet's env, or NULL; an ECS fleet has none, its task definition has. */
const char *config_fleet_env(const struct config_fleet *fleet, const char *name);

/* Writes the configuration as one JSON object, every default filled in; of env the names alone, since values
 * may be secrets. */
void config_dump(const struct config *config, struct jsonw *w);

/* The tables, for the reference page and its test. */
extern const struct option_row CONFIG_TOP_ROWS[];
extern const struct option_row CONFIG_ADMIN_ROWS[];
extern const struct option_row CONFIG_TELEMETRY_ROWS[];
extern const struct option_row CONFIG_LOG_ROWS[];
extern const struct option_row CONFIG_HA_ROWS[];
extern const struct option_row CONFIG_FLEET_ROWS[];
extern const struct option_row CONFIG_QUEUE_ROWS[];
extern const struct option_row CONFIG_BUDGET_ROWS[];
extern const struct option_row CONFIG_LOCAL_ROWS[];
extern const struct option_row CONFIG_ECS_ROWS[];
extern const struct option_row CONFIG_CLOUDWATCH_ROWS[];
extern const struct option_row CONFIG_METRICS_ROWS[];
extern const char *const CONFIG_CLOUDWATCH_MODE_NAMES[]; /* by enum config_cloudwatch_mode */
extern const char *const CONFIG_METRICS_WAY_NAMES[];     /* by enum config_metrics_way */

/* ---- between the files of this module ---- */

extern const char *const CONFIG_FLEET_TYPE_NAMES[]; /* by enum config_fleet_type */

/* Sets err to "PATH.KEY: "VALUE": want ...". Returns -1. */
int config_refuse_text(const char *at, const char *key, const char *value, const char *want, struct err *err);

/* Reads "fleet" of type ecs into a zeroed struct; `at` is its path. On failure the caller cleans the struct
 * up. */
int config_ecs_parse(const void *json, const char *at, struct config_ecs *ecs, struct err *err);

/* Reads "ha" (NULL: absent) into a zeroed struct; `at` is its path. On failure the caller cleans the struct
 * up. */
int config_ha_parse(const void *json, const char *at, struct config_ha *ha, struct err *err);

/* Reads a queue's "cloudwatch" into a zeroed struct, NULL gives the defaults; `at` is its path. Returns 0 or
 * -1 with err. */
int config_cloudwatch_parse(const void *json, const char *at, struct config_cloudwatch *cloudwatch,
                            struct err *err);
/* Reads "metrics" at the top, NULL: nothing is published. On failure the caller cleans up. */
int config_metrics_parse(const void *json, struct config_metrics metrics[METRICS_WAYS], struct err *err);
void config_metrics_clean_up(struct config_metrics metrics[METRICS_WAYS]);
void config_metrics_dump(const struct config_metrics metrics[METRICS_WAYS], struct jsonw *w);

/* "missing", "no array", "empty" or "too many": why a JSON value is not the array that is wanted. */
const char *config_array_fault(const void *json);

/* Reads "api_budget" (NULL: all defaults); `at` is its path. Returns 0 or -1. */
int config_budget_parse(const void *json, const char *at, struct config_budget *budget, struct err *err);

/* Reads one entry of "fleets" into a zeroed struct; `at` is its path ("fleets[0]"). On failure the caller
 * cleans the struct up. */
int config_fleet_parse(const void *json, const char *at, struct config_fleet *fleet, struct err *err);
/* Sets err to "PATH.KEY: VALUE: want ..." unless the text is a URL without user name and password, which are
 * never repeated; `at` may be "". Returns 0 or -1. */
int config_check_url(const char *at, const char *key, const char *url, bool want_path, const char *want,
                     struct err *err);
void config_fleet_clean_up(struct config_fleet *fleet);
void config_fleet_dump(const struct config_fleet *fleet, struct jsonw *w);

#endif
