/* Start, signals, status and end of the supervisor; see daemon.h. */
#include "supervisor/daemon.h"

#include "aws/client.h"
#include "aws/operation_stats.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/version.h"
#include "supervisor/admin_server.h"
#include "supervisor/call_gate.h"
#include "supervisor/cw_pool.h"
#include "supervisor/ecs_pool.h"
#include "supervisor/endpoint_rule.h"
#include "supervisor/fleet_api.h"
#include "supervisor/fleet_control.h"
#include "supervisor/fleet_polls.h"
#include "supervisor/ha.h"
#include "supervisor/orphans.h"
#include "supervisor/publisher.h"
#include "supervisor/reaper.h"
#include "supervisor/service.h"
#include "supervisor/telemetry_server.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const int SIGNALS[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
enum { SIGNAL_COUNT = (int)(sizeof SIGNALS / sizeof SIGNALS[0]) };

/* Fleets of the same region and endpoint share a client, and so its connections and retry quota. The gate
 * deals the connections out fairly. */
struct shared_client {
    const char *region;
    const char *endpoint_url;
    struct aws_client *client;
    struct ecs_pool *pool;   /* NULL until an ECS fleet needs it */
    struct cw_pool *cw_pool; /* NULL until a fleet that asks CloudWatch does */
    struct call_gate *gate;
    struct shared_client *next;
};

/* How often we look whether the state folder is still the one that we have locked. */
enum { LOOK_AT_LOCK_REAL_MS = 2000 };

/* A former leader of the same host that stands still has the address until it goes on. */
enum { LISTEN_AGAIN_REAL_MS = 2000 };

/* Fleets are started for so long in a turn of the loop. */
enum { START_SLICE_REAL_MS = 5 };
/* A follower that waits for the lock answers on the configured socket's path with this behind it. */
#define FOLLOWER_SOCKET_SUFFIX ".follower"

struct daemon {
    const struct config *config;
    struct event_base *base;
    int lock_fd;
    struct reaper *reaper;
    struct orphans *orphans;
    struct aws_credentials_provider *credentials; /* of all clients: one fetch for all of them */
    struct shared_client *clients;
    struct admin_server *admin;
    struct telemetry_server *telemetry; /* NULL: none is listened for */
    struct polls_shared polls;
    struct service *service;
    struct fleet_control **fleets; /* config->fleet_count of them, NULL where not made yet */
    size_t fleets_started;         /* the first so many */
    struct loop_timer start_timer;
    size_t fleets_left;            /* not yet empty, once draining */
    struct ha *ha;                 /* NULL: no lease decides who leads */
    bool leading;                  /* the fleets are ours */
    struct publisher *publisher;   /* NULL: nothing is published */
    bool draining;                 /* they were told to stop */
    bool retiring, retired;        /* the lease is being given back; is */
    pid_t lock_holder;             /* that we wait for (ha.type lock_file) */
    int64_t role_since_ms;         /* product */
    struct loop_timer again_timer; /* fleets are made anew after a lost leadership */
    struct event *signal_events[SIGNAL_COUNT];
    bool stopping;
    int64_t started_ms; /* product */
    int64_t started_wall_ms;
    int exit_code; /* when the drain is over */
    struct loop_timer lock_timer;
    struct loop_timer telemetry_timer; /* leadership by a lease has changed: listen, or no longer */
    bool telemetry_failed;             /* the address was not to be had; that is said */
    uint64_t state_dir_losses;
    struct err state_dir_error; /* text "": the folder is ours */
};

/* Whether the lock that others would try is still the one that we hold. */
static bool holds_lock(const struct daemon *daemon)
{
    struct strbuf path = STRBUF_INIT;
    struct stat held;
    struct stat there;
    strbuf_appendf(&path, "%s/lock", daemon->config->state_dir);
    bool ours = fstat(daemon->lock_fd, &held) == 0 && stat(strbuf_str(&path), &there) == 0 &&
                held.st_dev == there.st_dev && held.st_ino == there.st_ino;
    strbuf_clean_up(&path);
    return ours;
}

static bool lock_is_ours(void *arg)
{
    return holds_lock(arg);
}

/* One that waits for the lock has it as soon as the file is another one, which we notice by a timer only
 * later. Alone we go on whatever becomes of the folder. */
static bool leads(const struct daemon *daemon)
{
    bool is_waited_for = daemon->config->ha.type == HA_LOCK_FILE;
    return daemon->leading && (daemon->ha == NULL || ha_may_act(daemon->ha)) &&
           (!is_waited_for || holds_lock(daemon));
}

static bool may_act(void *arg)
{
    return leads(arg);
}

static void set_leading(struct daemon *daemon, bool leading)
{
    daemon->leading = leading;
    daemon->role_since_ms = clock_product_ms();
    if (daemon->ha != NULL)
        loop_timer_arm_real_ms(&daemon->telemetry_timer, 0);
}

/* ---- status ---- */

static void write_ha(const struct daemon *daemon, struct jsonw *w)
{
    static const char *const TYPES[] = {"none", "lock_file", "dynamodb"};
    jsonw_key_str(w, "role", leads(daemon) ? "leader" : "follower");
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

static void write_aws(const struct daemon *daemon, struct jsonw *w)
{
    struct aws_client_stats sum = {.calls = 0};
    for (const struct shared_client *shared = daemon->clients; shared != NULL; shared = shared->next) {
        struct aws_client_stats stats;
        aws_client_get_stats(shared->client, &stats);
        sum.calls += stats.calls;
        sum.attempts += stats.attempts;
        sum.throttled += stats.throttled;
        sum.transient += stats.transient;
        sum.failed += stats.failed;
    }
    jsonw_key(w, "aws");
    jsonw_object(w);
    jsonw_key_int(w, "calls", (int64_t)sum.calls);
    jsonw_key_int(w, "attempts", (int64_t)sum.attempts);
    jsonw_key_int(w, "throttled", (int64_t)sum.throttled);
    jsonw_key_int(w, "transient", (int64_t)sum.transient);
    jsonw_key_int(w, "failed", (int64_t)sum.failed);
    jsonw_key(w, "ecs");
    jsonw_array(w);
    for (const struct shared_client *shared = daemon->clients; shared != NULL; shared = shared->next)
        if (shared->pool != NULL)
            ecs_pool_write_status(shared->pool, w);
    jsonw_end_array(w);
    jsonw_key(w, "gates");
    jsonw_array(w);
    for (const struct shared_client *shared = daemon->clients; shared != NULL; shared = shared->next)
        call_gate_write_status(shared->gate, w);
    jsonw_end_array(w);
    jsonw_key(w, "cloudwatch");
    jsonw_array(w);
    for (const struct shared_client *shared = daemon->clients; shared != NULL; shared = shared->next)
        if (shared->cw_pool != NULL)
            cw_pool_write_status(shared->cw_pool, w);
    jsonw_end_array(w);
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

static void write_status(void *arg, const struct status_request *request, struct status_reply *reply)
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
    write_aws(daemon, &w);
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

static void take_order(void *arg, const struct status_request *request, struct status_reply *reply)
{
    const struct daemon *daemon = arg;
    fleet_api_order(daemon->config, daemon->fleets, request, reply);
}

static void write_explain(void *arg, const struct status_request *request, struct status_reply *reply)
{
    const struct daemon *daemon = arg;
    fleet_api_explain(daemon->config, daemon->fleets, request, reply);
}

static void get_facts(void *arg, struct supervisor_facts *facts)
{
    const struct daemon *daemon = arg;
    int64_t now_ms = clock_product_ms();
    facts->role = leads(daemon) ? SUPERVISOR_LEADER : SUPERVISOR_FOLLOWER;
    facts->draining = daemon->stopping;
    facts->started_wall_ms = daemon->started_wall_ms;
    facts->strangers_reaped = (int64_t)reaper_strangers(daemon->reaper);
    facts->state_dir_losses = (int64_t)daemon->state_dir_losses;
    facts->log_dropped = (int64_t)log_dropped();
    facts->fleet_count = daemon->config->fleet_count;
    facts->fleets = xcalloc(facts->fleet_count, sizeof *facts->fleets);
    for (size_t i = 0; i < facts->fleet_count; i++)
        fleet_control_get_facts(daemon->fleets[i], now_ms, &facts->fleets[i]);
    for (const struct shared_client *shared = daemon->clients; shared != NULL; shared = shared->next)
        aws_operation_stats_merge(&facts->operations, aws_client_operations(shared->client));
}

static struct shared_client *get_client(struct daemon *daemon, const struct config_fleet *fleet,
                                        struct err *err);

/* What is published of a fleet: only by who leads it, so that no value comes twice. */
static bool get_published(void *arg, size_t index, struct fleet_facts *ret_facts,
                          struct aws_client **ret_client)
{
    struct daemon *daemon = arg;
    struct err err = {.text = ""};
    struct shared_client *shared = get_client(daemon, &daemon->config->fleets[index], &err);
    if (!leads(daemon) || shared == NULL || daemon->fleets == NULL || daemon->fleets[index] == NULL)
        return false;
    fleet_control_get_facts(daemon->fleets[index], clock_product_ms(), ret_facts);
    *ret_client = shared->client;
    return true;
}

static void answer_alive(void *arg, const struct status_request *request, struct status_reply *reply)
{
    (void)request;
    service_answer_alive(((const struct daemon *)arg)->service, reply);
}

static void answer_ready(void *arg, const struct status_request *request, struct status_reply *reply)
{
    (void)request;
    service_answer_ready(((const struct daemon *)arg)->service, reply);
}

static void answer_metrics(void *arg, const struct status_request *request, struct status_reply *reply)
{
    (void)request;
    service_answer_metrics(((const struct daemon *)arg)->service, reply);
}

static const struct status_route ROUTES[] = {
    {.path = "/healthz", .fn = answer_alive},
    {.path = "/readyz", .fn = answer_ready},
    {.path = "/metrics", .fn = answer_metrics},
    {.path = "/v1/status", .fn = write_status},
    {.path = "/v1/explain", .fn = write_explain},
    {.path = "/v1/fleets/", .fn = take_order, .methods = STATUS_POST, .body_max = FLEET_API_BODY_MAX},
    {.path = NULL},
};

/* ---- end ---- */

/* The lease goes back as soon as nothing that we asked of AWS can come after it: workers of this host may
 * drain for long, and who leads next need not wait for them. */
static void retire_when_quiet(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->config->fleet_count; i++)
        if (fleet_control_is_writing(daemon->fleets[i]))
            return;
    if (daemon->stopping && daemon->ha != NULL && !daemon->retiring) {
        daemon->retiring = true;
        ha_retire(daemon->ha);
    }
}

/* After each step towards the end: leaves the loop when all are made. */
static void end_when_done(struct daemon *daemon)
{
    retire_when_quiet(daemon);
    if (daemon->fleets_left > 0)
        return;
    if (!daemon->stopping)
        loop_timer_arm_real_ms(&daemon->again_timer, 0);
    else if (daemon->ha == NULL || daemon->retired)
        (void)event_base_loopbreak(daemon->base);
}

static void on_fleet_empty(void *arg)
{
    struct daemon *daemon = arg;
    daemon->fleets_left--;
    end_when_done(daemon);
}

static void on_retired(void *arg)
{
    struct daemon *daemon = arg;
    daemon->retired = true;
    if (daemon->stopping)
        end_when_done(daemon);
}

static void drain(struct daemon *daemon)
{
    if (daemon->draining)
        return;
    daemon->draining = true;
    loop_timer_cancel(&daemon->start_timer);
    daemon->fleets_left = daemon->config->fleet_count;
    for (size_t i = 0; i < daemon->config->fleet_count; i++)
        fleet_control_stop(daemon->fleets[i]);
}

static void stop(struct daemon *daemon)
{
    daemon->stopping = true;
    drain(daemon);
    service_stopping(daemon->service);
    retire_when_quiet(daemon);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct daemon *daemon = arg;
    (void)what;
    if (number == SIGHUP) {
        LOG(LOG_WARNING, "HUP ignored: the configuration cannot be reloaded, restart to change it");
        return;
    }
    if (!daemon->stopping) {
        LOG(LOG_INFO, "draining all workers, then leaving", LOG_STR("signal", strsignal((int)number)));
        stop(daemon);
    } else if (number == SIGINT && isatty(STDIN_FILENO)) {
        LOG(LOG_WARNING, "second interrupt: killing what still drains; its messages come back by themselves");
        for (size_t i = 0; i < daemon->config->fleet_count; i++)
            fleet_control_hurry(daemon->fleets[i]);
    }
}

static void try_lock(struct daemon *daemon);

static void watch_signals(struct daemon *daemon)
{
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        daemon->signal_events[i] = evsignal_new(daemon->base, SIGNALS[i], on_signal, daemon);
        if (daemon->signal_events[i] == NULL || event_add(daemon->signal_events[i], NULL) != 0)
            abort();
    }
}

/* ---- start ---- */

static int take_lock(struct daemon *daemon, struct err *err)
{
    const char *state_dir = daemon->config->state_dir;
    struct strbuf path = STRBUF_INIT;
    int exit_code = EXIT_CODE_IO;
    strbuf_appendf(&path, "%s/workers", state_dir);
    if (file_make_dirs(strbuf_str(&path), 0700, err) != 0)
        goto done;
    strbuf_clear(&path);
    strbuf_appendf(&path, "%s/lock", state_dir);
    daemon->lock_fd = file_lock(strbuf_str(&path), &daemon->lock_holder, err);
    if (daemon->lock_fd == -EWOULDBLOCK) {
        (void)err_set(err, "another supervisor (pid %ld) holds %s", (long)daemon->lock_holder,
                      strbuf_str(&path));
        exit_code = EXIT_CODE_BUSY;
    } else if (daemon->lock_fd >= 0) {
        exit_code = EXIT_CODE_OK;
    }
done:
    strbuf_clean_up(&path);
    return exit_code;
}

static void give_way(struct daemon *daemon)
{
    LOG(LOG_ERROR, "the state folder belongs to another supervisor now: draining all workers, then leaving",
        LOG_STR("error", daemon->state_dir_error.text));
    daemon->exit_code = EXIT_CODE_BUSY;
    for (size_t i = 0; i < daemon->config->fleet_count; i++)
        fleet_control_disown(daemon->fleets[i]);
    if (!daemon->stopping)
        stop(daemon);
}

/* Listens where operators look. One that waits for the lock of the same folder answers beside the leader. */
static int open_admin(struct daemon *daemon, struct err *err)
{
    struct strbuf path = STRBUF_INIT;
    strbuf_appendf(&path, "%s%s", daemon->config->admin.socket,
                   daemon->lock_fd >= 0 ? "" : FOLLOWER_SOCKET_SUFFIX);
    admin_server_destroy(daemon->admin);
    daemon->admin = NULL;
    int rc = admin_server_new(daemon->base, strbuf_str(&path), ROUTES, daemon, &daemon->admin, err);
    strbuf_clean_up(&path);
    return rc;
}

/* The folder is ours again: everything that was in it is written anew. */
static void renew_files(struct daemon *daemon)
{
    struct err err = {.text = ""};
    daemon->state_dir_error.text[0] = '\0';
    LOG(LOG_ERROR, "the state folder was deleted or replaced: made anew",
        LOG_STR("state_dir", daemon->config->state_dir));
    for (size_t i = 0; i < daemon->config->fleet_count; i++)
        fleet_control_renew_files(daemon->fleets[i]);
    if (daemon->admin != NULL && admin_server_is_linked(daemon->admin))
        return;
    if (open_admin(daemon, &err) != 0)
        LOG(LOG_ERROR, "cannot make the admin socket anew", LOG_STR("error", err.text));
}

static void on_lock_timer(void *arg)
{
    struct daemon *daemon = arg;
    struct err err = {.text = ""};
    int old_fd = daemon->lock_fd;
    if (old_fd < 0) {
        try_lock(daemon);
        return;
    }
    loop_timer_arm_real_ms(&daemon->lock_timer, LOOK_AT_LOCK_REAL_MS);
    if (holds_lock(daemon))
        return;
    bool news = daemon->state_dir_error.text[0] == '\0';
    daemon->state_dir_losses += news;
    int exit_code = take_lock(daemon, &err);
    if (exit_code == EXIT_CODE_OK) {
        (void)close(old_fd);
        renew_files(daemon);
        return;
    }
    daemon->lock_fd = old_fd;
    daemon->state_dir_error = err;
    if (exit_code == EXIT_CODE_BUSY) {
        loop_timer_cancel(&daemon->lock_timer);
        give_way(daemon);
    } else if (news) {
        LOG(LOG_ERROR, "the state folder was deleted or replaced, and cannot be made anew",
            LOG_STR("error", err.text));
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static struct aws_credentials_provider *get_credentials(struct daemon *daemon, const char *region)
{
    if (daemon->credentials == NULL)
        daemon->credentials = aws_credentials_provider_new_default(daemon->base, region);
    return daemon->credentials;
}

/* The client for a fleet's region and endpoint; NULL with err. */
static struct shared_client *get_client(struct daemon *daemon, const struct config_fleet *fleet,
                                        struct err *err)
{
    const char *region = config_fleet_region(daemon->config, fleet);
    const char *endpoint_url = config_fleet_endpoint(daemon->config, fleet);
    for (struct shared_client *shared = daemon->clients; shared != NULL; shared = shared->next)
        if (same_text(shared->region, region) && same_text(shared->endpoint_url, endpoint_url))
            return shared;
    struct aws_client_options options = {.base = daemon->base,
                                         .region = region,
                                         .endpoint_url = endpoint_url,
                                         .credentials = get_credentials(daemon, region),
                                         .max_connections = CALL_GATE_CONNECTIONS,
                                         .may_write = may_act,
                                         .may_write_arg = daemon};
    struct aws_client *client = aws_client_new(&options, err);
    if (client == NULL)
        return NULL;
    struct shared_client *shared = xcalloc(1, sizeof *shared);
    *shared = (struct shared_client){.region = region,
                                     .endpoint_url = endpoint_url,
                                     .client = client,
                                     .gate = call_gate_new(&(struct call_gate_options){.base = daemon->base}),
                                     .next = daemon->clients};
    daemon->clients = shared;
    return shared;
}

static const char *keep_state(void *arg, const struct config_fleet *fleet, const char *text)
{
    const struct daemon *daemon = arg;
    return ha_keep(daemon->ha, (size_t)(fleet - daemon->config->fleets), text);
}

static int make_fleets(struct daemon *daemon, struct err *err)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)clock_mono_ns();
    daemon->fleets = xcalloc(daemon->config->fleet_count, sizeof(struct fleet_control *));
    for (size_t i = 0; i < daemon->config->fleet_count; i++) {
        const struct config_fleet *fleet = &daemon->config->fleets[i];
        struct shared_client *shared = get_client(daemon, fleet, err);
        if (shared == NULL)
            return err_prefix(err, "%s: fleet %s", daemon->config->path, fleet->name);
        if (endpoint_rule_check(shared->client, fleet, err) != 0)
            return -1;
        if (fleet->type == FLEET_ECS && shared->pool == NULL)
            shared->pool = ecs_pool_new(daemon->base, shared->client, seed);
        bool asks = fleet->queue.cloudwatch.mode != CLOUDWATCH_OFF;
        if (asks && shared->cw_pool == NULL)
            shared->cw_pool = cw_pool_new(daemon->base, shared->client, seed);
        struct fleet_control_options options = {.base = daemon->base,
                                                .reaper = daemon->reaper,
                                                .orphans = daemon->orphans,
                                                .client = shared->client,
                                                .pool = shared->pool,
                                                .gate = shared->gate,
                                                .polls = &daemon->polls,
                                                .cw_pool = asks ? shared->cw_pool : NULL,
                                                .config = daemon->config,
                                                .fleet = fleet,
                                                .seed = seed + i,
                                                .phase = (double)i / (double)daemon->config->fleet_count,
                                                .owns_state_dir = lock_is_ours,
                                                .may_act = may_act,
                                                .keep_state = daemon->ha != NULL ? keep_state : NULL,
                                                .keep_every_ms = daemon->config->ha.save_ms,
                                                .on_empty = on_fleet_empty,
                                                .arg = daemon};
        daemon->fleets[i] = fleet_control_new(&options);
    }
    return 0;
}

static void make_publisher(struct daemon *daemon)
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

/* Orphans are told of by who holds the folder. */
static int raise_fleets(struct daemon *daemon, struct err *err)
{
    daemon->orphans = orphans_new(daemon->base, daemon->lock_fd >= 0 ? daemon->config->state_dir : NULL);
    return make_fleets(daemon, err);
}

static void drop_fleets(struct daemon *daemon)
{
    for (size_t i = 0; daemon->fleets != NULL && i < daemon->config->fleet_count; i++)
        fleet_control_destroy(daemon->fleets[i]);
    free(daemon->fleets);
    daemon->fleets = NULL;
    orphans_destroy(daemon->orphans);
    daemon->orphans = NULL;
}

/* What was made once cannot well fail the second time; if it does, nothing can be led. */
static void fail(struct daemon *daemon, int exit_code, const struct err *err)
{
    LOG(LOG_ERROR, "cannot make the fleets anew: leaving", LOG_STR("error", err->text));
    daemon->state_dir_error = *err;
    daemon->exit_code = exit_code;
    (void)event_base_loopbreak(daemon->base);
}

/* ---- telemetry by HTTP ---- */

static enum telemetry_answer on_telemetry(void *arg, const char *fleet, const char *body, size_t len)
{
    const struct daemon *daemon = arg;
    for (size_t i = 0; daemon->fleets != NULL && i < daemon->config->fleet_count; i++)
        if (strcmp(daemon->config->fleets[i].name, fleet) == 0)
            return fleet_control_take_telemetry(daemon->fleets[i], body, len);
    return TELEMETRY_ANSWER_NO_FLEET;
}

static int listen_for_telemetry(struct daemon *daemon, struct err *err)
{
    if (daemon->config->telemetry.listen == NULL || daemon->telemetry != NULL)
        return 0;
    daemon->telemetry = telemetry_server_new(daemon->base, daemon->config, on_telemetry, daemon, err);
    return daemon->telemetry != NULL ? 0 : -1;
}

/* One name stands for both supervisors: a follower that refuses connections sends the workers on to the
 * leader, one that took what they tell would leave the leader with half of it. By a timer, since leadership
 * may be lost in the midst of a POST. */
static void on_telemetry_timer(void *arg)
{
    struct daemon *daemon = arg;
    struct err err = {.text = ""};
    if (!daemon->leading) {
        telemetry_server_destroy(daemon->telemetry);
        daemon->telemetry = NULL;
    } else if (listen_for_telemetry(daemon, &err) != 0) {
        if (!daemon->telemetry_failed)
            LOG(LOG_ERROR, "cannot listen for telemetry, trying again", LOG_STR("error", err.text));
        daemon->telemetry_failed = true;
        loop_timer_arm_real_ms(&daemon->telemetry_timer, LISTEN_AGAIN_REAL_MS);
    } else {
        daemon->telemetry_failed = false;
    }
}

/* ---- who leads ---- */

/* Many fleets take seconds to start: in slices, so that signals and questions are answered in between. */
static void on_start_timer(void *arg)
{
    struct daemon *daemon = arg;
    int64_t began_ms = clock_mono_ms();
    while (daemon->fleets_started < daemon->config->fleet_count) {
        if (clock_mono_ms() - began_ms >= START_SLICE_REAL_MS) {
            loop_timer_arm_real_ms(&daemon->start_timer, 0);
            return;
        }
        fleet_control_start(daemon->fleets[daemon->fleets_started++], NULL);
    }
    LOG(LOG_INFO, "all fleets are started", LOG_INT("fleets", daemon->config->fleet_count));
    service_started(daemon->service);
}

static void start_fleets(struct daemon *daemon)
{
    set_leading(daemon, true);
    daemon->fleets_started = 0;
    loop_timer_arm_real_ms(&daemon->start_timer, 0);
}

/* A follower looks whether the lock is free. The kernel frees it with the last breath of its holder. */
static void try_lock(struct daemon *daemon)
{
    struct err err = {.text = ""};
    int exit_code = take_lock(daemon, &err);
    if (daemon->stopping)
        return;
    if (exit_code != EXIT_CODE_OK) {
        daemon->lock_fd = -1;
        loop_timer_arm_real_ms(&daemon->lock_timer, daemon->config->ha.heartbeat_ms);
        return;
    }
    LOG(LOG_INFO, "this supervisor leads", LOG_STR("state_dir", daemon->config->state_dir));
    loop_timer_arm_real_ms(&daemon->lock_timer, LOOK_AT_LOCK_REAL_MS);
    drop_fleets(daemon);
    if (raise_fleets(daemon, &err) != 0) {
        fail(daemon, EXIT_CODE_CONFIG, &err);
        return;
    }
    if (open_admin(daemon, &err) != 0 || service_listen(daemon->service, &err) != 0 ||
        listen_for_telemetry(daemon, &err) != 0)
        LOG(LOG_ERROR, "cannot listen where the former leader did", LOG_STR("error", err.text));
    start_fleets(daemon);
}

static void on_lead(void *arg)
{
    struct daemon *daemon = arg;
    set_leading(daemon, true);
    daemon->fleets_started = 0;
}

static void on_state(void *arg, size_t fleet, const char *text)
{
    struct daemon *daemon = arg;
    if (daemon->draining)
        return;
    fleet_control_start(daemon->fleets[fleet], text);
    daemon->fleets_started++;
}

/* Workers of this host drain, ECS's go on; we follow, and may lead again when all of ours have left. */
static void on_lost(void *arg, const char *why)
{
    struct daemon *daemon = arg;
    (void)why;
    set_leading(daemon, false);
    drain(daemon);
}

static void on_again(void *arg)
{
    struct daemon *daemon = arg;
    struct err err = {.text = ""};
    if (daemon->stopping)
        return;
    drop_fleets(daemon);
    daemon->draining = false;
    if (raise_fleets(daemon, &err) != 0)
        fail(daemon, EXIT_CODE_CONFIG, &err);
    else
        ha_set_ready(daemon->ha);
}

static int make_ha(struct daemon *daemon, struct err *err)
{
    const struct config *config = daemon->config;
    struct ha_options options = {.base = daemon->base,
                                 .config = config,
                                 .credentials = get_credentials(
                                     daemon, config->ha.region != NULL ? config->ha.region : config->region),
                                 .on_lead = on_lead,
                                 .on_state = on_state,
                                 .on_lost = on_lost,
                                 .on_retired = on_retired,
                                 .arg = daemon};
    return config->ha.type == HA_DYNAMODB ? ha_new(&options, &daemon->ha, err) : 0;
}

/* ---- set-up ---- */

static int set_up(struct daemon *daemon, struct err *err)
{
    int exit_code = take_lock(daemon, err);
    if (exit_code == EXIT_CODE_BUSY && daemon->config->ha.type == HA_LOCK_FILE)
        LOG(LOG_INFO, "another supervisor leads: waiting for its lock",
            LOG_STR("state_dir", daemon->config->state_dir), LOG_INT("pid", daemon->lock_holder));
    else if (exit_code != EXIT_CODE_OK)
        return exit_code;
    daemon->base = loop_base_new();
    /* Before the fleets, whose workers shall not inherit what systemd says to us. */
    struct service_options service = {.base = daemon->base,
                                      .config = daemon->config,
                                      .routes = ROUTES,
                                      .route_arg = daemon,
                                      .listens_later = daemon->lock_fd < 0,
                                      .get_facts = get_facts,
                                      .arg = daemon};
    daemon->service = service_new(&service, err);
    if (daemon->service == NULL)
        return EXIT_CODE_IO;
    daemon->reaper = reaper_new(daemon->base);
    loop_timer_init(&daemon->lock_timer, daemon->base, on_lock_timer, daemon);
    loop_timer_init(&daemon->again_timer, daemon->base, on_again, daemon);
    loop_timer_init(&daemon->telemetry_timer, daemon->base, on_telemetry_timer, daemon);
    loop_timer_init(&daemon->start_timer, daemon->base, on_start_timer, daemon);
    polls_shared_init(&daemon->polls, daemon->config, clock_product_ms());
    if (make_ha(daemon, err) != 0 || raise_fleets(daemon, err) != 0)
        return EXIT_CODE_CONFIG;
    int rc = open_admin(daemon, err);
    if (rc != 0)
        return rc == -EBUSY ? EXIT_CODE_BUSY : EXIT_CODE_IO;
    make_publisher(daemon);
    /* A follower doesn't listen; without the lock the address may be another supervisor's of this host. */
    int listening = daemon->ha != NULL || daemon->lock_fd < 0 ? telemetry_server_check(daemon->config, err)
                                                              : listen_for_telemetry(daemon, err);
    if (listening != 0)
        return EXIT_CODE_CONFIG;
    watch_signals(daemon);
    loop_timer_arm_real_ms(&daemon->lock_timer,
                           daemon->lock_fd >= 0 ? LOOK_AT_LOCK_REAL_MS : daemon->config->ha.heartbeat_ms);
    return EXIT_CODE_OK;
}

static void clean_up(struct daemon *daemon)
{
    publisher_destroy(daemon->publisher);
    drop_fleets(daemon);
    admin_server_destroy(daemon->admin);
    ha_destroy(daemon->ha);
    service_destroy(daemon->service);
    telemetry_server_destroy(daemon->telemetry);
    loop_timer_clean_up(&daemon->lock_timer);
    loop_timer_clean_up(&daemon->again_timer);
    loop_timer_clean_up(&daemon->telemetry_timer);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (daemon->signal_events[i] != NULL)
            event_free(daemon->signal_events[i]);
    while (daemon->clients != NULL) {
        struct shared_client *shared = daemon->clients;
        daemon->clients = shared->next;
        ecs_pool_destroy(shared->pool);
        call_gate_destroy(shared->gate);
        cw_pool_destroy(shared->cw_pool);
        aws_client_destroy(shared->client);
        free(shared);
    }
    aws_credentials_provider_destroy(daemon->credentials);
    polls_shared_clean_up(&daemon->polls);
    loop_timer_clean_up(&daemon->start_timer);
    reaper_destroy(daemon->reaper);
    if (daemon->base != NULL)
        event_base_free(daemon->base);
    if (daemon->lock_fd >= 0)
        (void)close(daemon->lock_fd);
}

int daemon_run(const struct config *config, struct err *err)
{
    struct daemon daemon = {.config = config,
                            .lock_fd = -1,
                            .started_ms = clock_product_ms(),
                            .started_wall_ms = clock_wall_ms(),
                            .role_since_ms = clock_product_ms()};
    process_raise_file_limit();
    int exit_code = set_up(&daemon, err);
    if (exit_code == EXIT_CODE_OK) {
        LOG(LOG_INFO, "supervising", LOG_STR("config", config->path), LOG_INT("fleets", config->fleet_count),
            LOG_STR("state_dir", config->state_dir), LOG_STR("admin_socket", config->admin.socket),
            LOG_INT("speed", clock_scale()));
        if (daemon.ha != NULL)
            ha_start(daemon.ha);
        else if (daemon.lock_fd >= 0)
            start_fleets(&daemon);
        if (!daemon.leading)
            service_started(daemon.service);
        if (event_base_dispatch(daemon.base) != 0) {
            (void)err_set(err, "the event loop has failed: %s", strerror(errno));
            exit_code = EXIT_CODE_SOFTWARE;
        } else {
            LOG(LOG_INFO, "all workers have left");
            exit_code = daemon.exit_code;
            *err = daemon.state_dir_error;
        }
    }
    clean_up(&daemon);
    return exit_code;
}
