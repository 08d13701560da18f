/* What the supervisor tells: its status, facts for readiness and metrics, what is published; see
 * daemon_internal.h. */
#include "supervisor/daemon_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"

#include <unistd.h>

static void write_ha(const struct daemon *daemon, struct jsonw *w)
{
    static const char *const TYPES[] = {"none", "lock_file", "dynamodb"};
    jsonw_key_str(w, "role", daemon_leads(daemon) ? "leader" : "follower");
    jsonw_key_int(w, "role_since_ms", daemon->role_since_ms);
    jsonw_key(w, "ha");
    jsonw_object(w);
    jsonw_key_str(w, "type", TYPES[daemon->config->ha.type]);
    if (daemon->config->ha.type == HA_LOCK_FILE && !daemon->leading)
        jsonw_key_int(w, "holder_pid", daemon->lock_holder);
    if (daemon->ha != NULL)
        ha_write_status(daemon->ha, w);
    jsonw_end_object(w);
}

static void write_orphans(const struct daemon *daemon, int64_t now_ms, struct jsonw *w)
{
    const struct worker_record *record = NULL;
    jsonw_key(w, "orphans");
    jsonw_array(w);
    for (size_t i = 0; (record = orphans_get(daemon->orphans, i)) != NULL; i++) {
        jsonw_object(w);
        jsonw_key_str(w, "name", record->worker);
        jsonw_key_str(w, "fleet", record->fleet);
        jsonw_key_int(w, "pid", record->pid);
        jsonw_key_int(w, "age_ms", now_ms - record->started_ms);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

void daemon_write_status(void *arg, const struct status_request *request, struct status_reply *reply)
{
    const struct daemon *daemon = arg;
    struct jsonw w = JSONW_INIT(&reply->body);
    (void)request;
    int64_t now_ms = clock_product_ms();
    jsonw_object(&w);
    jsonw_key_int(&w, "v", 1);
    jsonw_key_str(&w, "version", SLUICE_VERSION);
    jsonw_key_int(&w, "pid", getpid());
    jsonw_key_int(&w, "now_ms", now_ms);
    jsonw_key_int(&w, "started_ms", daemon->started_ms);
    jsonw_key_int(&w, "speed", clock_scale());
    jsonw_key_str(&w, "state", daemon->stopping ? "draining" : "running");
    service_write_status(daemon->service, &w);
    write_ha(daemon, &w);
    jsonw_key_str(&w, "config", daemon->config->path);
    jsonw_key_str(&w, "state_dir", daemon->config->state_dir);
    jsonw_key_int(&w, "state_dir_losses", (int64_t)daemon->state_dir_losses);
    jsonw_key_str(&w, "state_dir_error",
                  daemon->state_dir_error.text[0] != '\0' ? daemon->state_dir_error.text : NULL);
    jsonw_key_int(&w, "fleets_started", (int64_t)daemon->fleets_started);
    jsonw_key(&w, "polling");
    polls_shared_write_status(&daemon->polls, now_ms, &w);
    jsonw_key(&w, "fleets");
    jsonw_array(&w);
    for (size_t i = 0; i < daemon->config->fleet_count; i++)
        fleet_control_write_status(daemon->fleets[i], now_ms, &w);
    jsonw_end_array(&w);
    write_orphans(daemon, now_ms, &w);
    shared_clients_write_status(&daemon->clients, &w);
    jsonw_key(&w, "publishing");
    if (daemon->publisher != NULL)
        publisher_write_status(daemon->publisher, &w);
    else
        jsonw_null(&w);
    jsonw_key(&w, "telemetry");
    if (daemon->telemetry != NULL)
        telemetry_server_write_status(daemon->telemetry, &w);
    else
        jsonw_null(&w);
    jsonw_key_int(&w, "strangers_reaped", (int64_t)reaper_strangers(daemon->reaper));
    jsonw_key_int(&w, "log_lines_dropped", (int64_t)log_dropped());
    jsonw_end_object(&w);
    strbuf_append_char(&reply->body, '\n');
}

void daemon_get_facts(void *arg, struct supervisor_facts *facts)
{
    const struct daemon *daemon = arg;
    int64_t now_ms = clock_product_ms();
    facts->role = daemon_leads(daemon) ? SUPERVISOR_LEADER : SUPERVISOR_FOLLOWER;
    facts->draining = daemon->stopping;
    facts->started_wall_ms = daemon->started_wall_ms;
    facts->strangers_reaped = (int64_t)reaper_strangers(daemon->reaper);
    facts->state_dir_losses = (int64_t)daemon->state_dir_losses;
    facts->log_dropped = (int64_t)log_dropped();
    facts->fleet_count = daemon->config->fleet_count;
    facts->fleets = xcalloc(facts->fleet_count, sizeof *facts->fleets);
    for (size_t i = 0; i < facts->fleet_count; i++)
        fleet_control_get_facts(daemon->fleets[i], now_ms, &facts->fleets[i]);
    shared_clients_merge_operations(&daemon->clients, &facts->operations);
}

/* What is published of a fleet: only by who leads it, so that no value comes twice. */
static bool get_published(void *arg, size_t index, struct fleet_facts *ret_facts,
                          struct aws_client **ret_client)
{
    struct daemon *daemon = arg;
    struct err err = {.text = ""};
    struct shared_client *shared = shared_clients_get(&daemon->clients, &daemon->config->fleets[index], &err);
    if (!daemon_leads(daemon) || shared == NULL || daemon->fleets == NULL || daemon->fleets[index] == NULL)
        return false;
    fleet_control_get_facts(daemon->fleets[index], clock_product_ms(), ret_facts);
    *ret_client = shared->client;
    return true;
}

void daemon_make_publisher(struct daemon *daemon)
{
    const struct config_metrics *metrics = daemon->config->metrics;
    struct publisher_options options = {.base = daemon->base,
                                        .metrics = metrics,
                                        .fleet_count = daemon->config->fleet_count,
                                        .get = get_published,
                                        .arg = daemon,
                                        .fd = STDOUT_FILENO};
    if (metrics[METRICS_CLOUDWATCH].enabled || metrics[METRICS_EMF].enabled)
        daemon->publisher = publisher_new(&options);
}
