/* Fleets, signals, start and end of the supervisor; see daemon.h. */
#include "supervisor/daemon_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/process.h"
#include "base/random.h"
#include "supervisor/endpoint_rule.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int SIGNALS[DAEMON_SIGNALS] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};

/* ---- fleets ---- */

static void on_fleet_empty(void *arg)
{
    struct daemon *daemon = arg;
    daemon->fleets_left--;
    daemon_end_when_done(daemon);
}

static const char *keep_state(void *arg, const struct config_fleet *fleet, const char *text)
{
    const struct daemon *daemon = arg;
    return ha_keep(daemon->ha, (size_t)(fleet - daemon->config->fleets), text);
}

static int make_fleets(struct daemon *daemon, struct err *err)
{
    uint64_t seed = random_seed();
    daemon->fleets = xcalloc(daemon->config->fleet_count, sizeof(struct fleet_control *));
    for (size_t i = 0; i < daemon->config->fleet_count; i++) {
        const struct config_fleet *fleet = &daemon->config->fleets[i];
        struct shared_client *shared = shared_clients_get(&daemon->clients, fleet, err);
        if (shared == NULL)
            return err_prefix(err, "%s: fleet %s", daemon->config->path, fleet->name);
        if (endpoint_rule_check(shared->client, fleet, err) != 0)
            return -1;
        shared_clients_make_pools(&daemon->clients, shared, fleet, seed);
        bool asks = fleet->queue.cloudwatch.mode != CLOUDWATCH_OFF;
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
                                                .owns_state_dir = daemon_owns_state_dir,
                                                .may_act = daemon_may_act,
                                                .keep_state = daemon->ha != NULL ? keep_state : NULL,
                                                .keep_every_ms = daemon->config->ha.save_ms,
                                                .on_empty = on_fleet_empty,
                                                .arg = daemon};
        daemon->fleets[i] = fleet_control_new(&options);
    }
    return 0;
}

/* Orphans are told of by who holds the folder. */
int daemon_raise_fleets(struct daemon *daemon, struct err *err)
{
    daemon->orphans = orphans_new(daemon->base, daemon->lock_fd >= 0 ? daemon->config->state_dir : NULL);
    return make_fleets(daemon, err);
}

void daemon_drop_fleets(struct daemon *daemon)
{
    for (size_t i = 0; daemon->fleets != NULL && i < daemon->config->fleet_count; i++)
        fleet_control_destroy(daemon->fleets[i]);
    free(daemon->fleets);
    daemon->fleets = NULL;
    orphans_destroy(daemon->orphans);
    daemon->orphans = NULL;
    daemon->draining = false;
}

/* ---- end ---- */

void daemon_end_when_done(struct daemon *daemon)
{
    daemon_retire_when_quiet(daemon);
    if (daemon->fleets_left > 0)
        return;
    if (!daemon->stopping)
        loop_timer_arm_real_ms(&daemon->again_timer, 0);
    else if (daemon->ha == NULL || daemon->retired)
        (void)event_base_loopbreak(daemon->base);
}

void daemon_drain(struct daemon *daemon)
{
    if (daemon->draining)
        return;
    daemon->draining = true;
    loop_timer_cancel(&daemon->start_timer);
    daemon->fleets_left = daemon->config->fleet_count;
    for (size_t i = 0; i < daemon->config->fleet_count; i++)
        fleet_control_stop(daemon->fleets[i]);
}

void daemon_stop(struct daemon *daemon)
{
    daemon->stopping = true;
    daemon_drain(daemon);
    service_stopping(daemon->service);
    daemon_retire_when_quiet(daemon);
}

void daemon_fail(struct daemon *daemon, int exit_code, const struct err *err)
{
    LOG(LOG_ERROR, "cannot make the fleets anew: leaving", LOG_STR("error", err->text));
    daemon->state_dir_error = *err;
    daemon->exit_code = exit_code;
    (void)event_base_loopbreak(daemon->base);
}

/* ---- signals ---- */

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
        daemon_stop(daemon);
    } else if (number == SIGINT && isatty(STDIN_FILENO)) {
        LOG(LOG_WARNING, "second interrupt: killing what still drains; its messages come back by themselves");
        for (size_t i = 0; i < daemon->config->fleet_count; i++)
            fleet_control_hurry(daemon->fleets[i]);
    }
}

static void watch_signals(struct daemon *daemon)
{
    for (int i = 0; i < DAEMON_SIGNALS; i++) {
        daemon->signal_events[i] = evsignal_new(daemon->base, SIGNALS[i], on_signal, daemon);
        if (daemon->signal_events[i] == NULL || event_add(daemon->signal_events[i], NULL) != 0)
            abort();
    }
}

/* ---- set-up ---- */

static int set_up(struct daemon *daemon, struct err *err)
{
    int exit_code = daemon_take_lock(daemon, err);
    if (exit_code == EXIT_CODE_BUSY && daemon->config->ha.type == HA_LOCK_FILE)
        LOG(LOG_INFO, "another supervisor leads: waiting for its lock",
            LOG_STR("state_dir", daemon->config->state_dir), LOG_INT("pid", daemon->lock_holder));
    else if (exit_code != EXIT_CODE_OK)
        return exit_code;
    daemon->base = loop_base_new();
    /* Before the fleets, whose workers shall not inherit what systemd says to us. */
    struct service_options service = {.base = daemon->base,
                                      .config = daemon->config,
                                      .routes = DAEMON_ROUTES,
                                      .route_arg = daemon,
                                      .listens_later = daemon->lock_fd < 0,
                                      .get_facts = daemon_get_facts,
                                      .arg = daemon};
    daemon->service = service_new(&service, err);
    if (daemon->service == NULL)
        return EXIT_CODE_IO;
    daemon->reaper = reaper_new(daemon->base);
    daemon_listen_init(daemon);
    if (daemon_adopt_sockets(daemon, err) != 0)
        return EXIT_CODE_CONFIG;
    shared_clients_init(&daemon->clients, daemon->base, daemon->config, daemon_may_act, daemon);
    polls_shared_init(&daemon->polls, daemon->config, clock_product_ms());
    if (daemon_lead_init(daemon, err) != 0 || daemon_raise_fleets(daemon, err) != 0)
        return EXIT_CODE_CONFIG;
    int rc = daemon_open_admin(daemon, err);
    if (rc != 0)
        return rc == -EBUSY ? EXIT_CODE_BUSY : EXIT_CODE_IO;
    daemon_make_publisher(daemon);
    /* A follower doesn't listen; without the lock the address may be another supervisor's of this host. */
    int listening = daemon->ha != NULL || daemon->lock_fd < 0 ? telemetry_server_check(daemon->config, err)
                                                              : daemon_listen_for_telemetry(daemon, err);
    if (listening != 0)
        return EXIT_CODE_CONFIG;
    watch_signals(daemon);
    return EXIT_CODE_OK;
}

static void clean_up(struct daemon *daemon)
{
    publisher_destroy(daemon->publisher);
    daemon_drop_fleets(daemon);
    daemon_lead_clean_up(daemon);
    daemon_listen_clean_up(daemon);
    service_destroy(daemon->service);
    for (int i = 0; i < DAEMON_SIGNALS; i++)
        if (daemon->signal_events[i] != NULL)
            event_free(daemon->signal_events[i]);
    shared_clients_clean_up(&daemon->clients);
    polls_shared_clean_up(&daemon->polls);
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
        daemon_lead_start(&daemon);
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
