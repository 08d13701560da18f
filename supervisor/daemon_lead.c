/*
 * Who leads: the lock of the state folder, which one supervisor of a host holds, and the lease that two hosts
 * share (ha.h). Leadership that is won starts the fleets, one that is lost drains them; see
 * daemon_internal.h.
 */
#include "supervisor/daemon_internal.h"

#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often we look whether the state folder is still the one that we have locked. */
enum { LOOK_AT_LOCK_REAL_MS = 2000 };

/* Fleets are started for so long in a turn of the loop. */
enum { START_SLICE_REAL_MS = 5 };

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

bool daemon_owns_state_dir(void *arg)
{
    return holds_lock(arg);
}

/* One that waits for the lock has it as soon as the file is another one, which we notice by a timer only
 * later. Alone we go on whatever becomes of the folder. */
bool daemon_leads(const struct daemon *daemon)
{
    bool is_waited_for = daemon->config->ha.type == HA_LOCK_FILE;
    return daemon->leading && (daemon->ha == NULL || ha_may_act(daemon->ha)) &&
           (!is_waited_for || holds_lock(daemon));
}

bool daemon_may_act(void *arg)
{
    return daemon_leads(arg);
}

static void set_leading(struct daemon *daemon, bool leading)
{
    daemon->leading = leading;
    daemon->role_since_ms = clock_product_ms();
    if (daemon->ha != NULL)
        loop_timer_arm_real_ms(&daemon->telemetry_timer, 0);
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

/* ---- the lock ---- */

int daemon_take_lock(struct daemon *daemon, struct err *err)
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
        daemon_stop(daemon);
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
    if (daemon_open_admin(daemon, &err) != 0)
        LOG(LOG_ERROR, "cannot make the admin socket anew", LOG_STR("error", err.text));
}

/* A follower looks whether the lock is free. The kernel frees it with the last breath of its holder. */
static void try_lock(struct daemon *daemon)
{
    struct err err = {.text = ""};
    int exit_code = daemon_take_lock(daemon, &err);
    if (daemon->stopping)
        return;
    if (exit_code != EXIT_CODE_OK) {
        daemon->lock_fd = -1;
        loop_timer_arm_real_ms(&daemon->lock_timer, daemon->config->ha.heartbeat_ms);
        return;
    }
    LOG(LOG_INFO, "this supervisor leads", LOG_STR("state_dir", daemon->config->state_dir));
    loop_timer_arm_real_ms(&daemon->lock_timer, LOOK_AT_LOCK_REAL_MS);
    daemon_drop_fleets(daemon);
    if (daemon_raise_fleets(daemon, &err) != 0) {
        daemon_fail(daemon, EXIT_CODE_CONFIG, &err);
        return;
    }
    if (daemon_open_admin(daemon, &err) != 0 || service_listen(daemon->service, &err) != 0 ||
        daemon_listen_for_telemetry(daemon, &err) != 0)
        LOG(LOG_ERROR, "cannot listen where the former leader did", LOG_STR("error", err.text));
    start_fleets(daemon);
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
    int exit_code = daemon_take_lock(daemon, &err);
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

/* ---- the lease ---- */

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
    daemon_drain(daemon);
}

static void on_again(void *arg)
{
    struct daemon *daemon = arg;
    struct err err = {.text = ""};
    if (daemon->stopping)
        return;
    daemon_drop_fleets(daemon);
    if (daemon_raise_fleets(daemon, &err) != 0)
        daemon_fail(daemon, EXIT_CODE_CONFIG, &err);
    else
        ha_set_ready(daemon->ha);
}

void daemon_retire_when_quiet(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->config->fleet_count; i++)
        if (fleet_control_is_writing(daemon->fleets[i]))
            return;
    if (daemon->stopping && daemon->ha != NULL && !daemon->retiring) {
        daemon->retiring = true;
        ha_retire(daemon->ha);
    }
}

static void on_retired(void *arg)
{
    struct daemon *daemon = arg;
    daemon->retired = true;
    if (daemon->stopping)
        daemon_end_when_done(daemon);
}

static int make_ha(struct daemon *daemon, struct err *err)
{
    const struct config *config = daemon->config;
    struct ha_options options = {
        .base = daemon->base,
        .config = config,
        .credentials = shared_clients_credentials(
            &daemon->clients, config->ha.region != NULL ? config->ha.region : config->region),
        .on_lead = on_lead,
        .on_state = on_state,
        .on_lost = on_lost,
        .on_retired = on_retired,
        .arg = daemon};
    return config->ha.type == HA_DYNAMODB ? ha_new(&options, &daemon->ha, err) : 0;
}

/* ---- both ---- */

int daemon_lead_init(struct daemon *daemon, struct err *err)
{
    loop_timer_init(&daemon->lock_timer, daemon->base, on_lock_timer, daemon);
    loop_timer_init(&daemon->again_timer, daemon->base, on_again, daemon);
    loop_timer_init(&daemon->start_timer, daemon->base, on_start_timer, daemon);
    return make_ha(daemon, err);
}

void daemon_lead_start(struct daemon *daemon)
{
    loop_timer_arm_real_ms(&daemon->lock_timer,
                           daemon->lock_fd >= 0 ? LOOK_AT_LOCK_REAL_MS : daemon->config->ha.heartbeat_ms);
    if (daemon->ha != NULL)
        ha_start(daemon->ha);
    else if (daemon->lock_fd >= 0)
        start_fleets(daemon);
}

void daemon_lead_clean_up(struct daemon *daemon)
{
    ha_destroy(daemon->ha);
    loop_timer_clean_up(&daemon->lock_timer);
    loop_timer_clean_up(&daemon->again_timer);
    loop_timer_clean_up(&daemon->start_timer);
}
