/* "fleet" of type ecs in the configuration file: table, parsing, dump. See config.h. */
#include "supervisor/config.h"

#include "base/options_json.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

#define SECONDS(n) ((n)*1000.0)
#define MINUTES(n) ((n)*60 * 1000.0)
#define HOURS(n) ((n)*60 * 60 * 1000.0)

static const char *const ON_DRIFT_NAMES[] = {"adopt", "reassert", NULL};

const struct option_row CONFIG_ECS_ROWS[] = {
    {"type", OPTION_ENUM, offsetof(struct config_ecs, type), "local", 0, 0, CONFIG_FLEET_TYPE_NAMES, NULL,
     "where workers run: as tasks of an ECS service"},
    {"cluster", OPTION_STRING, offsetof(struct config_ecs, cluster), NULL, 0, 0, NULL, NULL,
     "name of the ECS cluster; required"},
    {"service", OPTION_STRING, offsetof(struct config_ecs, service), NULL, 0, 0, NULL, NULL,
     "name of the ECS service; required"},
    {"on_drift", OPTION_ENUM, offsetof(struct config_ecs, on_drift), "adopt", 0, 0, ON_DRIFT_NAMES, NULL,
     "a desired count that somebody else has set: adopt it as the new base, or reassert ours once per "
     "cooldown"},
    {"allow_autoscaling", OPTION_BOOL, offsetof(struct config_ecs, allow_autoscaling), "false", 0, 0, NULL,
     NULL, "scale the service although Application Auto Scaling does, too; refused otherwise"},
    {"describe", OPTION_DURATION, offsetof(struct config_ecs, describe_ms), "10s", SECONDS(1), MINUTES(10),
     NULL, NULL,
     "how often the service is looked at (DescribeServices, up to ten services a call), a tenth more or "
     "less"},
    {"missing_grace", OPTION_DURATION, offsetof(struct config_ecs, missing_grace_ms), "2m", SECONDS(1),
     HOURS(1), NULL, NULL,
     "how long the service may be MISSING, as a new one is at first, before that is an error"},
    {"start_grace", OPTION_DURATION, offsetof(struct config_ecs, start_grace_ms), "10m", SECONDS(10),
     HOURS(12), NULL, NULL,
     "when no further task runs for this time though more are ordered, they are taken to fail and growth "
     "stops"},
    {"protect_busy", OPTION_BOOL, offsetof(struct config_ecs, protect_busy), "true", 0, 0, NULL, NULL,
     "before the desired count falls, ask ECS to protect the tasks whose telemetry says that they are busy"},
    {"protect_for", OPTION_DURATION, offsetof(struct config_ecs, protect_for_ms), "5m", MINUTES(1), HOURS(48),
     NULL, NULL, "when that protection ends by itself unless it is renewed, whole minutes"},
    {"protect_wait", OPTION_DURATION, offsetof(struct config_ecs, protect_wait_ms), "1m", 0, HOURS(1), NULL,
     NULL,
     "how long a lower desired count waits for busy tasks that cannot be protected; then it falls by the "
     "idle "
     "ones alone"},
    OPTION_END,
};

/* Letters, digits, - and _, at most 255 (ECS API reference, CreateCluster and CreateService). */
static bool is_ecs_name(const char *name)
{
    size_t len = strlen(name);
    if (len < 1 || len > 255)
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
            return false;
    return true;
}

static int check_name(const char *at, const char *key, const char *name, struct err *err)
{
    static const char WANT[] = "a name of 1 to 255 letters, digits, - or _ (no ARN)";
    if (name == NULL)
        return err_set(err, "%s.%s: missing: want %s", at, key, WANT);
    return is_ecs_name(name) ? 0 : config_refuse_text(at, key, name, WANT, err);
}

int config_ecs_parse(const void *json, const char *at, struct config_ecs *ecs, struct err *err)
{
    options_set_defaults(CONFIG_ECS_ROWS, ecs);
    if (options_set_json(CONFIG_ECS_ROWS, ecs, json, at, NULL, err) != 0 ||
        check_name(at, "cluster", ecs->cluster, err) != 0)
        return -1;
    if (ecs->protect_for_ms % 60000 != 0)
        return err_set(err, "%s.protect_for: want whole minutes, ECS knows no less", at);
    return check_name(at, "service", ecs->service, err);
}
