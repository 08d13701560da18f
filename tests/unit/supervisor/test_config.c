/* The configuration file: what is taken, and the exact words in which everything else is refused. */
#include "tests/unit/unit.h"

#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "supervisor/config.h"

#include <stdio.h>
#include <unistd.h>

#define QUEUE "\"queue\":{\"url\":\"https://sqs.us-west-2.amazonaws.com/123456789012/orders\"}"
#define LOCAL "\"fleet\":{\"type\":\"local\",\"command\":[\"sluice-worker\"]}"
#define FLEET "{\"name\":\"orders\"," QUEUE "," LOCAL "}"
#define HA(members) "{\"ha\":{" members "},\"fleets\":[" FLEET "]}"
#define FILE_WITH(members) "{\"fleets\":[{\"name\":\"orders\"," members "}]}"

static int parse(const char *text, struct config *config, struct err *err)
{
    return config_parse("f.json", text, strlen(text), config, err);
}

struct refusal {
    const char *text;
    const char *error;
};

static const struct refusal REFUSED[] = {
    /* JSON itself: line and column */
    {"", "f.json:1:0: '[' or '{' expected near end of file"},
    {"{\n  \"region\": us\n}", "f.json:2:14: invalid token"},
    {"{\"region\":\"a\",\n\"region\":\"b\"}", "f.json:2:8: duplicate object key"},
    {"{\"env\":{\"KEY\":secret}}", "f.json:1:20: invalid token"},
    {"{\"env\":{\"KEY\":\"secret\n\"}}", "f.json:1:21: unexpected newline"},
    {"[]", "f.json: top level: want an object"},
    /* top level */
    {"{}", "f.json: fleets: missing: want an array of 1 to 10000 fleets"},
    {"{\"fleets\":{}}", "f.json: fleets: no array: want an array of 1 to 10000 fleets"},
    {"{\"fleets\":[]}", "f.json: fleets: empty: want an array of 1 to 10000 fleets"},
    {"{\"fleet\":[]}", "f.json: fleet: unknown key"},
    {"{\"region\":5,\"fleets\":[" FLEET "]}", "f.json: region: 5: want text"},
    {"{\"state_dir\":\"state\",\"fleets\":[" FLEET "]}",
     "f.json: state_dir: \"state\": want an absolute path"},
    {"{\"admin\":{\"socket\":\"a.sock\"},\"fleets\":[" FLEET "]}",
     "f.json: admin.socket: \"a.sock\": want an absolute path"},
    {"{\"telemetry\":{\"token_env\":\"TOKEN\"},\"fleets\":[" FLEET "]}",
     "f.json: telemetry.token_env: \"TOKEN\": want telemetry.listen, too"},
    {"{\"telemetry\":{\"listen\":\"0.0.0.0:1\",\"token_env\":\"A\",\"token_file\":\"/b\"},\"fleets\":[" FLEET
     "]}",
     "f.json: telemetry.token_env: \"A\": want this or token_file, not both"},
    {"{\"telemetry\":{\"listen\":\"0.0.0.0:1\"},\"fleets\":[" FLEET "]}",
     "f.json: telemetry.listen: \"0.0.0.0:1\": want a loopback address, or telemetry.token_file or "
     "token_env: "
     "whoever can POST decides what is busy"},
    {"{\"admin\":{\"port\":1},\"fleets\":[" FLEET "]}", "f.json: admin.port: unknown key"},
    {"{\"log\":{\"level\":\"loud\"},\"fleets\":[" FLEET "]}",
     "f.json: log.level: \"loud\": want one of from-environment, debug, info, warning, error"},
    {"{\"endpoint_url\":\"127.0.0.1\",\"fleets\":[" FLEET "]}",
     "f.json: endpoint_url: \"127.0.0.1\": want a URL such as http://127.0.0.1:4566"},
    /* user names and passwords are never repeated */
    {"{\"endpoint_url\":\"http://me:secret@a:1\",\"fleets\":[" FLEET "]}",
     "f.json: endpoint_url: \"http://***@a:1\": want a URL such as http://127.0.0.1:4566"},
    {"{\"endpoint_url\":\"http://a b\",\"fleets\":[" FLEET "]}",
     "f.json: endpoint_url: \"http://a b\": want a URL such as http://127.0.0.1:4566"},
    {FILE_WITH("\"endpoint_url\":\"https://me:secret@a:1\"," QUEUE "," LOCAL),
     "f.json: fleets[0].endpoint_url: \"https://***@a:1\": want a URL such as http://127.0.0.1:4566"},
    {FILE_WITH("\"queue\":{\"url\":\"http://me:secret@a/1/b\"}," LOCAL),
     "f.json: fleets[0].queue.url: \"http://***@a/1/b\": want a queue URL such as "
     "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"},
    /* ha */
    {HA("\"type\":\"etcd\""), "f.json: ha.type: \"etcd\": want one of none, lock_file, dynamodb"},
    {HA("\"type\":\"dynamodb\""),
     "f.json: ha.table: missing: want the name of a DynamoDB table: 3 to 255 letters, digits, _, - or ."},
    {HA("\"type\":\"dynamodb\",\"table\":\"a b\""),
     "f.json: ha.table: \"a b\": want the name of a DynamoDB table: 3 to 255 letters, digits, _, - or ."},
    {HA("\"type\":\"lock_file\",\"table\":\"sluice\""),
     "f.json: ha.table: \"sluice\": want none, unless type is dynamodb"},
    {HA("\"type\":\"dynamodb\",\"table\":\"sluice\",\"key\":\"\""),
     "f.json: ha.key: \"\": want a text of 1 to 200 bytes"},
    {HA("\"type\":\"dynamodb\",\"table\":\"sluice\",\"heartbeat\":\"4s\""),
     "f.json: ha.heartbeat: 4000ms: want at most a third of the lease, 3333ms, so that a leader can try "
     "again "
     "before it loses it"},
    {HA("\"type\":\"dynamodb\",\"table\":\"sluice\",\"endpoint_url\":\"x\""),
     "f.json: ha.endpoint_url: \"x\": want a URL such as http://127.0.0.1:4566"},
    {HA("\"leases\":1"), "f.json: ha.leases: unknown key"},
    {"{\"metrics\":{\"statsd\":{}},\"fleets\":[" FLEET "]}", "f.json: metrics.statsd: unknown key"},
    {"{\"metrics\":{\"cloudwatch\":true},\"fleets\":[" FLEET "]}",
     "f.json: metrics.cloudwatch: want an object"},
    {"{\"metrics\":{\"emf\":{\"every\":\"10ms\"}},\"fleets\":[" FLEET "]}",
     "f.json: metrics.emf.every: \"10ms\": want a duration with a unit such as \"60s\" or \"5m\", from 1s to "
     "1h"},
    {"{\"metrics\":{\"cloudwatch\":{\"namespace\":\"AWS/SQS\"}},\"fleets\":[" FLEET "]}",
     "f.json: metrics.cloudwatch.namespace: AWS/SQS: want 1 to 255 of A-Z a-z 0-9 . - _ / # : that begin "
     "neither with a colon nor with AWS/"},
    /* a queue's CloudWatch */
    {FILE_WITH("\"queue\":{\"name\":\"q\",\"cloudwatch\":{\"mode\":\"maybe\"}}," LOCAL),
     "f.json: fleets[0].queue.cloudwatch.mode: \"maybe\": want one of off, fallback, on"},
    {FILE_WITH("\"queue\":{\"name\":\"q\",\"cloudwatch\":\"on\"}," LOCAL),
     "f.json: fleets[0].queue.cloudwatch: want an object"},
    {FILE_WITH("\"queue\":{\"name\":\"q\",\"cloudwatch\":{\"period\":\"90s\"}}," LOCAL),
     "f.json: fleets[0].queue.cloudwatch.period: \"90s\": want whole minutes, as \"60s\" or \"5m\""},
    {FILE_WITH("\"queue\":{\"name\":\"q\",\"cloudwatch\":{\"windows\":2}}," LOCAL),
     "f.json: fleets[0].queue.cloudwatch.windows: 2: want a whole number from 3 to 60"},
    {FILE_WITH("\"queue\":{\"name\":\"q\",\"cloudwatch\":{\"period\":\"5m\",\"max_age\":\"10m\"}}," LOCAL),
     "f.json: fleets[0].queue.cloudwatch.max_age: \"10m\": want at least 4 periods: the newest closed one is "
     "as old"},
    /* fleets */
    {"{\"fleets\":[" FLEET ",7]}", "f.json: fleets[1]: want an object"},
    {"{\"fleets\":[" FLEET "," FLEET "]}",
     "f.json: fleets[1].name: \"orders\": want a name of its own, fleets[0] has it"},
    {"{\"fleets\":[{" QUEUE "," LOCAL "}]}",
     "f.json: fleets[0].name: missing: want 1 to 40 of a-z, 0-9 and -"},
    {"{\"fleets\":[{\"name\":\"Orders!\"," QUEUE "," LOCAL "}]}",
     "f.json: fleets[0].name: \"Orders!\": want 1 to 40 of a-z, 0-9 and -"},
    {"{\"fleets\":[{\"name\":\"../x\"," QUEUE "," LOCAL "}]}",
     "f.json: fleets[0].name: \"../x\": want 1 to 40 of a-z, 0-9 and -"},
    {FILE_WITH(QUEUE "," LOCAL ",\"colour\":1"), "f.json: fleets[0].colour: unknown key"},
    {FILE_WITH(QUEUE "," LOCAL ",\"journal\":\"some\""),
     "f.json: fleets[0].journal: \"some\": want one of all, changes, off"},
    /* queue */
    {FILE_WITH(LOCAL), "f.json: fleets[0].queue: missing: want an object with url or name"},
    {FILE_WITH("\"queue\":{}," LOCAL),
     "f.json: fleets[0].queue: neither url nor name: want exactly one of url and name"},
    {FILE_WITH("\"queue\":{\"url\":\"http://a/1/b\",\"name\":\"b\"}," LOCAL),
     "f.json: fleets[0].queue: both url and name: want exactly one of url and name"},
    {FILE_WITH("\"queue\":{\"url\":\"orders\"}," LOCAL),
     "f.json: fleets[0].queue.url: \"orders\": want a queue URL such as "
     "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"},
    {FILE_WITH("\"queue\":{\"name\":\"a b\"}," LOCAL),
     "f.json: fleets[0].queue.name: \"a b\": want 1 to 80 letters, digits, - or _, at the end .fifo for a "
     "FIFO queue"},
    {FILE_WITH("\"queue\":{\"name\":\"or.fifo.x\"}," LOCAL),
     "f.json: fleets[0].queue.name: \"or.fifo.x\": want 1 to 80 letters, digits, - or _, at the end .fifo "
     "for a "
     "FIFO queue"},
    {FILE_WITH("\"queue\":{\"name\":\"orders\",\"poll\":5}," LOCAL),
     "f.json: fleets[0].queue.poll: 5: want a duration with a unit such as \"60s\" or \"5m\", from 200ms to "
     "10m"},
    {FILE_WITH("\"queue\":{\"name\":\"orders\",\"poll\":\"5\"}," LOCAL),
     "f.json: fleets[0].queue.poll: \"5\": want a duration with a unit such as \"60s\" or \"5m\", from 200ms "
     "to 10m"},
    {FILE_WITH("\"queue\":{\"name\":\"orders\",\"poll\":\"1h\"}," LOCAL),
     "f.json: fleets[0].queue.poll: \"1h\": want a duration with a unit such as \"60s\" or \"5m\", from "
     "200ms to 10m"},
    /* fleet */
    {FILE_WITH(QUEUE),
     "f.json: fleets[0].fleet: missing: want an object with type, and command or cluster and service"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"type\":\"eks\",\"cluster\":\"flash-sale\"}"),
     "f.json: fleets[0].fleet.type: \"eks\": want one of local, ecs"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"type\":\"ecs\",\"cluster\":\"flash-sale\"}"),
     "f.json: fleets[0].fleet.service: missing: want a name of 1 to 255 letters, digits, - or _ (no ARN)"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"type\":\"ecs\",\"service\":\"w\"}"),
     "f.json: fleets[0].fleet.cluster: missing: want a name of 1 to 255 letters, digits, - or _ (no ARN)"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"type\":\"ecs\",\"cluster\":\"c\",\"service\":\"arn:aws:ecs:x\"}"),
     "f.json: fleets[0].fleet.service: \"arn:aws:ecs:x\": want a name of 1 to 255 letters, digits, - or _ "
     "(no ARN)"},
    {FILE_WITH(QUEUE
               ",\"fleet\":{\"type\":\"ecs\",\"cluster\":\"c\",\"service\":\"w\",\"on_drift\":\"fight\"}"),
     "f.json: fleets[0].fleet.on_drift: \"fight\": want one of adopt, reassert"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"type\":\"ecs\",\"cluster\":\"c\",\"service\":\"w\",\"command\":[\"x\"]}"),
     "f.json: fleets[0].fleet.command: unknown key"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"type\":\"local\",\"cluster\":\"flash-sale\"}"),
     "f.json: fleets[0].fleet.cluster: unknown key"},
    {FILE_WITH(QUEUE ",\"fleet\":{}"),
     "f.json: fleets[0].fleet.command: missing: want an array of 1 to 64 words, the "
     "program first"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":\"sluice-worker\"}"),
     "f.json: fleets[0].fleet.command: no array: want an array of 1 to 64 words, the program first"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[]}"),
     "f.json: fleets[0].fleet.command: empty: want an array of 1 to 64 words, the program first"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"\"]}"),
     "f.json: fleets[0].fleet.command[0]: want a non-empty string"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\",1]}"),
     "f.json: fleets[0].fleet.command[1]: want a string"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\"],\"env\":[]}"),
     "f.json: fleets[0].fleet.env: want an object of at most 256 names and strings"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\"],\"env\":{\"NUM_WORKERS\":100}}"),
     "f.json: fleets[0].fleet.env.NUM_WORKERS: want a string, in quotes also for a number"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\"],\"env\":{\"1A\":\"x\"}}"),
     "f.json: fleets[0].fleet.env.1A: want a name of letters, digits and _, not starting with a digit"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\"],\"env\":{\"SQS_QUEUE_URL\":\"x\"}}"),
     "f.json: fleets[0].fleet.env.SQS_QUEUE_URL: the supervisor sets this itself"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\"],\"env\":{\"SLUICE_TIME_SCALE\":\"x\"}}"),
     "f.json: fleets[0].fleet.env.SLUICE_TIME_SCALE: the supervisor sets this itself"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\"],\"stop_grace\":30}"),
     "f.json: fleets[0].fleet.stop_grace: 30: want a duration with a unit such as \"60s\" or \"5m\", from 1s "
     "to 12h"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\"],\"telemetry\":false}"),
     "f.json: fleets[0].fleet.telemetry: false: want one of lines, none"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\"],\"log_lines_per_s\":0}"),
     "f.json: fleets[0].fleet.log_lines_per_s: 0: want a whole number from 1 to 100000"},
    {FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"a\"],\"restart_min\":\"2m\"}"),
     "f.json: fleets[0].fleet.restart_min: \"2m\": want at most restart_max, \"1m\""},
};

START_TEST(what_is_wrong_is_refused_with_file_key_value_and_what_is_allowed)
{
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        struct config config = {.path = NULL};
        struct err err = {.text = ""};
        ck_assert_msg(parse(REFUSED[i].text, &config, &err) == -1, "was taken: %s", REFUSED[i].text);
        ck_assert_str_eq(err.text, REFUSED[i].error);
        ck_assert_ptr_null(config.path);
    }
}
END_TEST

/* Capacity and policy are refused by their own module; here only that file and fleet stand in front. */
START_TEST(errors_of_capacity_and_policy_name_file_and_fleet)
{
    static const char *const TEXTS[] = {
        FILE_WITH(QUEUE "," LOCAL ",\"capacity\":{\"min\":9,\"max\":3}"),
        FILE_WITH(QUEUE "," LOCAL ",\"capacity\":{\"minimum\":9}"),
        FILE_WITH(QUEUE "," LOCAL ",\"policy\":{\"type\":\"magic\"}"),
        FILE_WITH(QUEUE "," LOCAL ",\"policy\":{\"cooldown\":60}"),
    };
    static const char *const STARTS[] = {"f.json: fleets[0].capacity.", "f.json: fleets[0].capacity.minimum",
                                         "f.json: fleets[0].policy.type",
                                         "f.json: fleets[0].policy.cooldown: 60"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct config config = {.path = NULL};
        struct err err = {.text = ""};
        ck_assert_int_eq(parse(TEXTS[i], &config, &err), -1);
        ck_assert_msg(strncmp(err.text, STARTS[i], strlen(STARTS[i])) == 0, "%s", err.text);
    }
}
END_TEST

START_TEST(a_small_file_gets_all_defaults)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    ck_assert_msg(parse("{\"fleets\":[" FLEET "]}", &config, &err) == 0, "%s", err.text);
    ck_assert_str_eq(config.state_dir, "/var/lib/sluice");
    ck_assert_str_eq(config.admin.socket, "/var/lib/sluice/admin.sock");
    ck_assert_int_eq(config.log.level, -1);
    ck_assert_int_eq(config.log.format, -1);
    ck_assert_uint_eq(config.fleet_count, 1);
    const struct config_fleet *fleet = &config.fleets[0];
    ck_assert_int_eq(fleet->queue.poll_ms, 5000);
    ck_assert_int_eq(fleet->local.stop_grace_ms, 30000);
    ck_assert_int_eq(fleet->local.hung_after_ms, 15000);
    ck_assert_int_eq(fleet->local.telemetry, TELEMETRY_LINES);
    ck_assert_int_eq(fleet->local.log, WORKER_LOG_CAPTURE);
    ck_assert_int_eq(fleet->journal, JOURNAL_ALL);
    ck_assert_ptr_null(fleet->local.env[0]);
    ck_assert_str_eq(fleet->local.command[0], "sluice-worker");
    ck_assert_ptr_null(fleet->local.command[1]);
    ck_assert_str_eq(config_fleet_region(&config, fleet), "us-west-2"); /* the URL's */
    ck_assert_str_eq(fleet->controller.policy->name, "threshold");
    config_clean_up(&config);
}
END_TEST

static const char FULL[] =
    "{\"region\":\"us-west-2\",\"endpoint_url\":\"http://127.0.0.1:4566\",\"state_dir\":\"/tmp/s\","
    "\"admin\":{\"socket\":\"/run/sluice/admin.sock\"},\"log\":{\"level\":\"debug\",\"format\":\"json\"},"
    "\"fleets\":[{\"name\":\"a-1\",\"journal\":\"changes\",\"region\":\"eu-central-1\","
    "\"queue\":{\"name\":\"orders\",\"poll\":\"500ms\"},\"capacity\":{\"min\":1,\"max\":4},"
    "\"policy\":{\"type\":\"threshold\",\"scale_out_above\":7},"
    "\"fleet\":{\"type\":\"local\",\"command\":[\"w\",\"--x\",\"\"],\"env\":{\"NUM_WORKERS\":\"20\",\"E\":"
    "\"\"},"
    "\"start_grace\":\"10s\",\"stop_grace\":\"1m\",\"hung_after\":\"20s\",\"healthy_after\":\"2m\","
    "\"restart_min\":\"2s\",\"restart_max\":\"30s\",\"telemetry\":\"none\",\"log\":\"discard\","
    "\"log_lines_per_s\":9}}," FLEET "]}";

START_TEST(a_full_file_is_taken_as_it_stands)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    ck_assert_msg(parse(FULL, &config, &err) == 0, "%s", err.text);
    ck_assert_int_eq(config.log.level, LOG_DEBUG);
    ck_assert_int_eq(config.log.format, LOG_JSON);
    ck_assert_uint_eq(config.fleet_count, 2);
    const struct config_fleet *fleet = &config.fleets[0];
    ck_assert_str_eq(config_fleet_region(&config, fleet), "eu-central-1");
    ck_assert_str_eq(config_fleet_region(&config, &config.fleets[1]), "us-west-2");
    ck_assert_str_eq(config_fleet_endpoint(&config, fleet), "http://127.0.0.1:4566");
    ck_assert_str_eq(config_fleet_env(fleet, "NUM_WORKERS"), "20");
    ck_assert_str_eq(config_fleet_env(fleet, "E"), "");
    ck_assert_ptr_null(config_fleet_env(fleet, "NUM"));
    ck_assert_str_eq(fleet->local.command[2], "");
    ck_assert_int_eq(fleet->local.restart_max_ms, 30000);
    ck_assert_int_eq(fleet->local.telemetry, TELEMETRY_NONE);
    ck_assert_int_eq(fleet->local.log, WORKER_LOG_DISCARD);
    ck_assert_int_eq(fleet->controller.capacity.max, 4);
    ck_assert_int_eq(fleet->controller.poll_ms, 500);
    config_clean_up(&config);
}
END_TEST

START_TEST(a_dump_has_every_key_but_no_value_of_the_environment)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    struct strbuf out = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&out);
    static const char TEXT[] =
        FILE_WITH(QUEUE ",\"fleet\":{\"command\":[\"w\"],\"env\":{\"TOKEN\":\"hush-hush\"}}");
    ck_assert_int_eq(parse(TEXT, &config, &err), 0);
    config_dump(&config, &w);
    ck_assert_ptr_null(strstr(strbuf_str(&out), "hush-hush"));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&out), "\"env_names\":[\"TOKEN\"]"));
    const struct option_row *const tables[] = {
        CONFIG_TOP_ROWS,   CONFIG_ADMIN_ROWS, CONFIG_LOG_ROWS, CONFIG_TELEMETRY_ROWS, CONFIG_FLEET_ROWS,
        CONFIG_QUEUE_ROWS, CONFIG_LOCAL_ROWS, CONFIG_HA_ROWS,  CONFIG_CLOUDWATCH_ROWS};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct option_row *row = tables[i]; row->name != NULL; row++) {
            char key[80];
            (void)snprintf(key, sizeof key, "\"%s\":", row->name);
            ck_assert_msg(strstr(strbuf_str(&out), key) != NULL, "%s is missing", key);
        }
    strbuf_clean_up(&out);
    config_clean_up(&config);
}
END_TEST

START_TEST(what_is_said_of_cloudwatch_is_taken_with_its_defaults)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    const struct config_cloudwatch *cloudwatch = NULL;
    ck_assert_msg(parse("{\"metrics\":{\"cloudwatch\":{\"every\":\"2m\"},\"emf\":{}},\"fleets\":[{\"name\":"
                        "\"a\",\"queue\":{\"name\":\"qa\",\"cloudwatch\":{\"mode\":\"fallback\",\"period\":"
                        "\"5m\"}}," LOCAL "},{\"name\":\"b\",\"queue\":{\"name\":\"qb\"}," LOCAL "}]}",
                        &config, &err) == 0,
                  "%s", err.text);
    cloudwatch = &config.fleets[0].queue.cloudwatch;
    ck_assert_int_eq(cloudwatch->mode, CLOUDWATCH_FALLBACK);
    ck_assert(cloudwatch->period_ms == 300000 && cloudwatch->windows == 5);
    ck_assert_int_eq(cloudwatch->max_age_ms, 1800000);
    cloudwatch = &config.fleets[1].queue.cloudwatch;
    ck_assert(cloudwatch->mode == CLOUDWATCH_OFF && cloudwatch->max_age_ms == 360000);
    const struct config_metrics *metrics = config.metrics;
    ck_assert(metrics[METRICS_CLOUDWATCH].enabled && metrics[METRICS_CLOUDWATCH].every_ms == 120000);
    ck_assert(metrics[METRICS_EMF].enabled && metrics[METRICS_EMF].every_ms == 60000);
    ck_assert_str_eq(metrics[METRICS_EMF].name_space, "Sluice");
    config_clean_up(&config);
    ck_assert_int_eq(parse("{\"fleets\":[" FLEET "]}", &config, &err), 0);
    ck_assert(!config.metrics[METRICS_CLOUDWATCH].enabled && !config.metrics[METRICS_EMF].enabled);
    config_clean_up(&config);
}
END_TEST

static const char ECS[] =
    "{\"fleets\":[{\"name\":\"a\",\"queue\":{\"name\":\"qa\"},"
    "\"fleet\":{\"type\":\"ecs\",\"cluster\":\"sale\",\"service\":\"%s\",\"on_drift\":\"reassert\","
    "\"allow_autoscaling\":true,\"describe\":\"30s\"}},{\"name\":\"b\",\"region\":\"%s\","
    "\"queue\":{\"name\":\"qb\"},\"fleet\":{\"type\":\"ecs\",\"cluster\":\"sale\",\"service\":\"w\"}}]}";

static int parse_ecs(const char *service, const char *region, struct config *config, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    strbuf_appendf(&text, ECS, service, region);
    int rc = config_parse("f.json", text.data, text.len, config, err);
    strbuf_clean_up(&text);
    return rc;
}

START_TEST(an_ecs_fleet_is_taken_as_it_stands_and_has_a_service_of_its_own)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    ck_assert_msg(parse_ecs("v", "us-west-2", &config, &err) == 0, "%s", err.text);
    const struct config_fleet *a = &config.fleets[0];
    const struct config_fleet *b = &config.fleets[1];
    ck_assert_int_eq(a->type, FLEET_ECS);
    ck_assert_str_eq(a->ecs.cluster, "sale");
    ck_assert_str_eq(a->ecs.service, "v");
    ck_assert_int_eq(a->ecs.on_drift, 1);
    ck_assert(a->ecs.allow_autoscaling && !b->ecs.allow_autoscaling);
    ck_assert_int_eq(a->ecs.describe_ms, 30000);
    ck_assert_int_eq(b->ecs.describe_ms, 10000);
    ck_assert_int_eq(b->ecs.missing_grace_ms, 120000);
    ck_assert_int_eq(b->ecs.start_grace_ms, 600000);
    ck_assert_ptr_null(config_fleet_env(a, "NUM_WORKERS"));
    struct strbuf dump = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&dump);
    config_dump(&config, &w);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&dump), "\"on_drift\":\"reassert\""));
    strbuf_clean_up(&dump);
    config_clean_up(&config);
    /* The same service in another region is another one. */
    ck_assert_msg(parse_ecs("w", "us-west-2", &config, &err) == 0, "%s", err.text);
    config_clean_up(&config);
}
END_TEST

START_TEST(two_fleets_on_one_service_are_refused)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    static const char SAME[] =
        "{\"fleets\":[{\"name\":\"a\",\"queue\":{\"name\":\"qa\"},\"fleet\":{\"type\":\"ecs\","
        "\"cluster\":\"sale\",\"service\":\"w\"}},{\"name\":\"b\",\"queue\":{\"name\":\"qb\"},"
        "\"fleet\":{\"type\":\"ecs\",\"cluster\":\"sale\",\"service\":\"w\"}}]}";
    ck_assert_int_eq(config_parse("f.json", SAME, sizeof SAME - 1, &config, &err), -1);
    ck_assert_str_eq(err.text,
                     "f.json: fleets[1].fleet.service: \"w\": want a service of its own, fleets[0] has it");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    ck_assert_int_eq(config_load("/nonexistent/f.json", &config, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/f.json: No such file or directory"));
}
END_TEST

START_TEST(a_variable_is_taken_for_a_file)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    (void)setenv("SLUICE_CONFIG", "{\"fleets\":[" FLEET "]}", 1);
    ck_assert_msg(config_load("env:SLUICE_CONFIG", &config, &err) == 0, "%s", err.text);
    ck_assert_str_eq(config.path, "env:SLUICE_CONFIG");
    ck_assert_uint_eq(config.fleet_count, 1);
    config_clean_up(&config);
    (void)setenv("SLUICE_CONFIG", "{", 1);
    ck_assert_int_eq(config_load("env:SLUICE_CONFIG", &config, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "env:SLUICE_CONFIG:1:1: "));
    (void)setenv("SLUICE_CONFIG", "", 1);
    ck_assert_int_eq(config_load("env:SLUICE_CONFIG", &config, &err), -1);
    ck_assert_str_eq(err.text,
                     "env:SLUICE_CONFIG: the environment variable \"SLUICE_CONFIG\" is empty: want it to "
                     "hold the configuration");
    (void)unsetenv("SLUICE_CONFIG");
    ck_assert_int_eq(config_load("env:SLUICE_CONFIG", &config, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "is not set"));
    ck_assert_int_eq(config_load("env:", &config, &err), -1);
}
END_TEST

/* What is allowed, in the page's short form. */
static void doc_range(const struct option_row *row, struct strbuf *out)
{
    char low[48];
    char high[48];
    if (row->type == OPTION_DURATION)
        strbuf_appendf(out, "%s to %s", duration_format((int64_t)row->min, low),
                       duration_format((int64_t)row->max, high));
    else if (row->type == OPTION_INT || row->type == OPTION_DOUBLE)
        strbuf_appendf(out, "%.0f to %.0f", row->min, row->max);
    else if (row->type == OPTION_DOUBLE)
        strbuf_appendf(out, "%g to %g", row->min, row->max);
    else if (row->type == OPTION_STRING)
        strbuf_append_str(out, "text");
    else if (row->type == OPTION_BOOL)
        strbuf_append_str(out, "`true`, `false`");
    else
        for (int i = 0; row->choices[i] != NULL; i++)
            strbuf_appendf(out, "%s`%s`", i > 0 ? ", " : "", row->choices[i]);
}

/* "| `poll` | `5s` | 200ms to 10m | how often ... |" */
static void doc_row(const struct option_row *row, struct strbuf *out)
{
    strbuf_appendf(out, "| `%s` | ", row->name);
    if (row->fallback != NULL)
        strbuf_appendf(out, "`%s` | ", row->fallback);
    else
        strbuf_append_str(out, "- | ");
    doc_range(row, out);
    strbuf_appendf(out, " | %s |\n", row->help);
}

START_TEST(the_reference_page_has_every_row_of_the_tables)
{
    struct strbuf page = STRBUF_INIT;
    const struct option_row *const tables[] = {
        CONFIG_TOP_ROWS,    CONFIG_ADMIN_ROWS, CONFIG_LOG_ROWS,        CONFIG_TELEMETRY_ROWS,
        CONFIG_FLEET_ROWS,  CONFIG_QUEUE_ROWS, CONFIG_LOCAL_ROWS,      CONFIG_ECS_ROWS,
        CONFIG_BUDGET_ROWS, CONFIG_HA_ROWS,    CONFIG_CLOUDWATCH_ROWS, CONFIG_METRICS_ROWS};
    ck_assert_int_eq(file_read(TEST_SOURCE_DIR "/../../../docs/configuration.md", 1 << 20, &page, NULL), 0);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct option_row *row = tables[i]; row->name != NULL; row++) {
            struct strbuf want = STRBUF_INIT;
            doc_row(row, &want);
            ck_assert_msg(strstr(strbuf_str(&page), strbuf_str(&want)) != NULL,
                          "docs/configuration.md has no row:\n%s", strbuf_str(&want));
            strbuf_clean_up(&want);
        }
    strbuf_clean_up(&page);
}
END_TEST

START_TEST(the_example_configurations_are_valid)
{
    static const char *const EXAMPLES[] = {"local.json", "minimal.json", "two-fleets.json",
                                           "ecs.json",   "ha.json",      "cloudwatch.json"};
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof EXAMPLES[0]; i++) {
        struct config config = {.path = NULL};
        struct err err = {.text = ""};
        char path[512];
        (void)snprintf(path, sizeof path, "%s/../../../deploy/examples/%s", TEST_SOURCE_DIR, EXAMPLES[i]);
        ck_assert_msg(config_load(path, &config, &err) == 0, "%s", err.text);
        config_clean_up(&config);
    }
}
END_TEST

UNIT_MAIN("config", what_is_wrong_is_refused_with_file_key_value_and_what_is_allowed,
          errors_of_capacity_and_policy_name_file_and_fleet, a_small_file_gets_all_defaults,
          a_full_file_is_taken_as_it_stands, a_dump_has_every_key_but_no_value_of_the_environment,
          what_is_said_of_cloudwatch_is_taken_with_its_defaults,
          an_ecs_fleet_is_taken_as_it_stands_and_has_a_service_of_its_own,
          two_fleets_on_one_service_are_refused, a_file_that_cannot_be_read_is_an_error,
          a_variable_is_taken_for_a_file, the_reference_page_has_every_row_of_the_tables,
          the_example_configurations_are_valid)
