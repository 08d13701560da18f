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
#include "supervisor/admin_server.h"
#include "supervisor/call_gate.h"
#include "supervisor/ecs_pool.h"
#include "supervisor/endpoint_rule.h"
#include "supervisor/fleet_api.h"
#include "supervisor/fleet_control.h"
#include "supervisor/fleet_polls.h"
#include "supervisor/orphans.h"
#include "supervisor/reaper.h"
#include "supervisor/service.h"

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
    struct ecs_pool *pool; /* NULL until an ECS fleet needs it */
    struct call_gate *gate;
    struct shared_client *next;
};

/* How often we look whether the state folder is still the one that we have locked. */
enum { LOOK_AT_LOCK_REAL_MS = 2000 };

/* Fleets are started for so long in a turn of the loop. */
enum { START_SLICE_REAL_MS = 5 };

struct daemon {
    const struct config *config;
    struct event_base *base;
    int lock_fd;
    struct reaper *reaper;
    struct orphans *orphans;
    struct aws_credentials_provider *credentials; /* of all clients: one fetch for all of them */
    struct shared_client *clients;
    struct admin_server *admin;
    struct polls_shared polls;
    struct service *service;
    enum supervisor_role role;
    struct fleet_control **fleets; /* config->fleet_count of them, NULL where not made yet */
    size_t fleets_started;         /* the first so many */
    struct loop_timer start_timer;
    size_t fleets_left; /* not yet empty, once stopping */
    struct event *signal_events[SIGNAL_COUNT];
    bool stopping;
    int64_t started_ms; /* product */
    int64_t started_wall_ms;
    int exit_code; /* when the drain is over */
    struct loop_timer lock_timer;
    uint64_t state_dir_losses;
    struct err state_dir_error; /* text "": the folder is ours */
};

/* ---- status ---- */

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
    facts->role = daemon->role;
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

static void on_fleet_empty(void *arg)
{
    struct daemon *daemon = arg;
    if (--daemon->fleets_left == 0)
        (void)event_base_loopbreak(daemon->base);
}

static void stop(struct daemon *daemon)
{
    daemon->stopping = true;
    loop_timer_cancel(&daemon->start_timer);
    service_stopping(daemon->service);
    daemon->fleets_left = daemon->config->fleet_count;
    for (size_t i = 0; i < daemon->config->fleet_count; i++)
        fleet_control_stop(daemon->fleets[i]);
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
    pid_t holder = 0;
    int exit_code = EXIT_CODE_IO;
    strbuf_appendf(&path, "%s/workers", state_dir);
    if (file_make_dirs(strbuf_str(&path), 0700, err) != 0)
        goto done;
    strbuf_clear(&path);
    strbuf_appendf(&path, "%s/lock", state_dir);
    daemon->lock_fd = file_lock(strbuf_str(&path), &holder, err);
    if (daemon->lock_fd == -EWOULDBLOCK) {
        (void)err_set(err, "another supervisor (pid %ld) holds %s", (long)holder, strbuf_str(&path));
        exit_code = EXIT_CODE_BUSY;
    } else if (daemon->lock_fd >= 0) {
        exit_code = EXIT_CODE_OK;
    }
done:
    strbuf_clean_up(&path);
    return exit_code;
}

/* Whether the lock that others would try is still the one that we hold. */
static bool lock_is_ours(void *arg)
{
    const struct daemon *daemon = arg;
    struct strbuf path = STRBUF_INIT;
    struct stat held;
    struct stat there;
    strbuf_appendf(&path, "%s/lock", daemon->config->state_dir);
    bool ours = fstat(daemon->lock_fd, &held) == 0 && stat(strbuf_str(&path), &there) == 0 &&
                held.st_dev == there.st_dev && held.st_ino == there.st_ino;
    strbuf_clean_up(&path);
    return ours;
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

/* The folder is ours again: everything that was in it is written anew. */
static void renew_files(struct daemon *daemon)
{
    const char *path = daemon->config->admin.socket;
    struct err err = {.text = ""};
    daemon->state_dir_error.text[0] = '\0';
    LOG(LOG_ERROR, "the state folder was deleted or replaced: made anew",
        LOG_STR("state_dir", daemon->config->state_dir));
    for (size_t i = 0; i < daemon->config->fleet_count; i++)
        fleet_control_renew_files(daemon->fleets[i]);
    if (daemon->admin != NULL && admin_server_is_linked(daemon->admin))
        return;
    admin_server_destroy(daemon->admin);
    daemon->admin = NULL;
    if (admin_server_new(daemon->base, path, ROUTES, daemon, &daemon->admin, &err) != 0)
        LOG(LOG_ERROR, "cannot make the admin socket anew", LOG_STR("error", err.text));
}

static void on_lock_timer(void *arg)
{
    struct daemon *daemon = arg;
    struct err err = {.text = ""};
    int old_fd = daemon->lock_fd;
    loop_timer_arm_real_ms(&daemon->lock_timer, LOOK_AT_LOCK_REAL_MS);
    if (lock_is_ours(daemon))
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

/* The client for a fleet's region and endpoint; NULL with err. */
static struct shared_client *get_client(struct daemon *daemon, const struct config_fleet *fleet,
                                        struct err *err)
{
    const char *region = config_fleet_region(daemon->config, fleet);
    const char *endpoint_url = config_fleet_endpoint(daemon->config, fleet);
    for (struct shared_client *shared = daemon->clients; shared != NULL; shared = shared->next)
        if (same_text(shared->region, region) && same_text(shared->endpoint_url, endpoint_url))
            return shared;
    if (daemon->credentials == NULL)
        daemon->credentials = aws_credentials_provider_new_default(daemon->base, region);
    struct aws_client_options options = {.base = daemon->base,
                                         .region = region,
                                         .endpoint_url = endpoint_url,
                                         .credentials = daemon->credentials,
                                         .max_connections = CALL_GATE_CONNECTIONS};
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
        struct fleet_control_options options = {.base = daemon->base,
                                                .reaper = daemon->reaper,
                                                .orphans = daemon->orphans,
                                                .client = shared->client,
                                                .pool = shared->pool,
                                                .gate = shared->gate,
                                                .polls = &daemon->polls,
                                                .config = daemon->config,
                                                .fleet = fleet,
                                                .seed = seed + i,
                                                .phase = (double)i / (double)daemon->config->fleet_count,
                                                .owns_state_dir = lock_is_ours,
                                                .on_empty = on_fleet_empty,
                                                .arg = daemon};
        daemon->fleets[i] = fleet_control_new(&options);
    }
    return 0;
}

static int set_up(struct daemon *daemon, struct err *err)
{
    int exit_code = take_lock(daemon, err);
    if (exit_code != EXIT_CODE_OK)
        return exit_code;
    daemon->base = loop_base_new();
    /* Before the fleets, whose workers shall not inherit what systemd says to us. */
    struct service_options service = {.base = daemon->base,
                                      .config = daemon->config,
                                      .routes = ROUTES,
                                      .route_arg = daemon,
                                      .get_facts = get_facts,
                                      .arg = daemon};
    daemon->service = service_new(&service, err);
    if (daemon->service == NULL)
        return EXIT_CODE_IO;
    daemon->reaper = reaper_new(daemon->base);
    daemon->orphans = orphans_new(daemon->base, daemon->config->state_dir);
    polls_shared_init(&daemon->polls, daemon->config, clock_product_ms());
    if (make_fleets(daemon, err) != 0)
        return EXIT_CODE_CONFIG;
    int rc =
        admin_server_new(daemon->base, daemon->config->admin.socket, ROUTES, daemon, &daemon->admin, err);
    if (rc != 0)
        return rc == -EBUSY ? EXIT_CODE_BUSY : EXIT_CODE_IO;
    watch_signals(daemon);
    loop_timer_init(&daemon->lock_timer, daemon->base, on_lock_timer, daemon);
    loop_timer_arm_real_ms(&daemon->lock_timer, LOOK_AT_LOCK_REAL_MS);
    return EXIT_CODE_OK;
}

static void clean_up(struct daemon *daemon)
{
    for (size_t i = 0; daemon->fleets != NULL && i < daemon->config->fleet_count; i++)
        fleet_control_destroy(daemon->fleets[i]);
    free(daemon->fleets);
    admin_server_destroy(daemon->admin);
    service_destroy(daemon->service);
    loop_timer_clean_up(&daemon->lock_timer);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        if (daemon->signal_events[i] != NULL)
            event_free(daemon->signal_events[i]);
    while (daemon->clients != NULL) {
        struct shared_client *shared = daemon->clients;
        daemon->clients = shared->next;
        ecs_pool_destroy(shared->pool);
        call_gate_destroy(shared->gate);
        aws_client_destroy(shared->client);
        free(shared);
    }
    aws_credentials_provider_destroy(daemon->credentials);
    polls_shared_clean_up(&daemon->polls);
    loop_timer_clean_up(&daemon->start_timer);
    orphans_destroy(daemon->orphans);
    reaper_destroy(daemon->reaper);
    if (daemon->base != NULL)
        event_base_free(daemon->base);
    if (daemon->lock_fd >= 0)
        (void)close(daemon->lock_fd);
}

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
        fleet_control_start(daemon->fleets[daemon->fleets_started++]);
    }
    LOG(LOG_INFO, "all fleets are started", LOG_INT("fleets", daemon->config->fleet_count));
    service_started(daemon->service);
}

int daemon_run(const struct config *config, struct err *err)
{
    struct daemon daemon = {.config = config,
                            .lock_fd = -1,
                            .started_ms = clock_product_ms(),
                            .started_wall_ms = clock_wall_ms()};
    process_raise_file_limit();
    int exit_code = set_up(&daemon, err);
    if (exit_code == EXIT_CODE_OK) {
        LOG(LOG_INFO, "supervising", LOG_STR("config", config->path), LOG_INT("fleets", config->fleet_count),
            LOG_STR("state_dir", config->state_dir), LOG_STR("admin_socket", config->admin.socket),
            LOG_INT("speed", clock_scale()));
        loop_timer_init(&daemon.start_timer, daemon.base, on_start_timer, &daemon);
        loop_timer_arm_real_ms(&daemon.start_timer, 0);
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
