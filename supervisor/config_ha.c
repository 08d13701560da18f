/* "ha" in the configuration file: two supervisors, of which one leads. Table, parsing, dump. See config.h. */
#include "supervisor/config.h"

#include "base/options_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define SECONDS(n) ((n)*1000.0)
#define MINUTES(n) ((n)*60 * 1000.0)

static const char *const TYPE_NAMES[] = {"none", "lock_file", "dynamodb", NULL};

const struct option_row CONFIG_HA_ROWS[] = {
    {"type", OPTION_ENUM, offsetof(struct config_ha, type), "none", 0, 0, TYPE_NAMES, NULL,
     "how two supervisors agree on which one leads: none, a second one leaves with 75; lock_file, on one "
     "host, "
     "it waits; dynamodb, on any hosts, by a lease in a table"},
    {"table", OPTION_STRING, offsetof(struct config_ha, table), NULL, 0, 0, NULL, NULL,
     "name of the DynamoDB table, with a partition key called id of type string; required for dynamodb"},
    {"key", OPTION_STRING, offsetof(struct config_ha, key), "sluice", 0, 0, NULL, NULL,
     "partition key of the lease; supervisors with the same one share their fleets"},
    {"lease", OPTION_DURATION, offsetof(struct config_ha, lease_ms), "10s", SECONDS(1), MINUTES(10), NULL,
     NULL, "real time that a follower watches an unchanged lease before it takes over (dynamodb)"},
    {"heartbeat", OPTION_DURATION, offsetof(struct config_ha, heartbeat_ms), "2s", SECONDS(0.1), MINUTES(3),
     NULL, NULL,
     "real time between two renewals, and between two looks of a follower at lease or lock; at most a third "
     "of "
     "the lease"},
    {"save", OPTION_DURATION, offsetof(struct config_ha, save_ms), "10s", SECONDS(1), MINUTES(10), NULL, NULL,
     "how often each fleet's state is written into the table besides every change of desired (dynamodb)"},
    {"region", OPTION_STRING, offsetof(struct config_ha, region), NULL, 0, 0, NULL, NULL,
     "AWS region of the table; default: the file's, else the environment's"},
    {"endpoint_url", OPTION_STRING, offsetof(struct config_ha, endpoint_url), NULL, 0, 0, NULL, "URL",
     "endpoint of DynamoDB; default: the file's, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL or the region's "
     "own"},
    OPTION_END,
};

/* Letters, digits, _, - and . (DynamoDB API reference, CreateTable). */
static bool is_table_name(const char *name)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t len = strlen(name);
    return len >= 3 && len <= 255 && strspn(name, ALLOWED) == len;
}

static int check_names(const char *at, const struct config_ha *ha, struct err *err)
{
    static const char TABLE[] = "the name of a DynamoDB table: 3 to 255 letters, digits, _, - or .";
    if (ha->type != HA_DYNAMODB && ha->table != NULL)
        return config_refuse_text(at, "table", ha->table, "none, unless type is dynamodb", err);
    if (ha->type == HA_DYNAMODB && ha->table == NULL)
        return err_set(err, "%s.table: missing: want %s", at, TABLE);
    if (ha->table != NULL && !is_table_name(ha->table))
        return config_refuse_text(at, "table", ha->table, TABLE, err);
    if (ha->key[0] == '\0' || strlen(ha->key) > CONFIG_HA_KEY_MAX)
        return config_refuse_text(at, "key", ha->key, "a text of 1 to 200 bytes", err);
    return ha->endpoint_url == NULL
               ? 0
               : config_check_url(at, "endpoint_url", ha->endpoint_url, false, CONFIG_ENDPOINT_WANT, err);
}

int config_ha_parse(const void *json, const char *at, struct config_ha *ha, struct err *err)
{
    options_set_defaults(CONFIG_HA_ROWS, ha);
    if (json == NULL)
        return 0;
    if (options_set_json(CONFIG_HA_ROWS, ha, json, at, NULL, err) != 0 || check_names(at, ha, err) != 0)
        return -1;
    if (ha->type == HA_DYNAMODB && ha->heartbeat_ms > ha->lease_ms / 3)
        return err_set(err,
                       "%s.heartbeat: %" PRId64 "ms: want at most a third of the lease, %" PRId64
                       "ms, so that a leader can try again before it loses it",
                       at, ha->heartbeat_ms, ha->lease_ms / 3);
    return 0;
}
