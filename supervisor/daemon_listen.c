/* Where the supervisor listens: the routes, the admin sockets, the address for telemetry; see
 * daemon_internal.h.
 */
#include "supervisor/daemon_internal.h"

#include "base/log.h"
#include "base/strbuf.h"
#include "supervisor/fleet_api.h"

#include <string.h>

/* A former leader of the same host that stands still has the address until it goes on. */
enum { LISTEN_AGAIN_REAL_MS = 2000 };

/* A follower that waits for the lock answers on the configured socket's path with this behind it. */
#define FOLLOWER_SOCKET_SUFFIX ".follower"

/* ---- routes and the admin socket ---- */

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

const struct status_route DAEMON_ROUTES[] = {
    {.path = "/healthz", .fn = answer_alive},
    {.path = "/readyz", .fn = answer_ready},
    {.path = "/metrics", .fn = answer_metrics},
    {.path = "/v1/status", .fn = daemon_write_status},
    {.path = "/v1/explain", .fn = write_explain},
    {.path = "/v1/fleets/", .fn = take_order, .methods = STATUS_POST, .body_max = FLEET_API_BODY_MAX},
    {.path = NULL},
};

int daemon_open_admin(struct daemon *daemon, struct err *err)
{
    struct strbuf path = STRBUF_INIT;
    strbuf_appendf(&path, "%s%s", daemon->config->admin.socket,
                   daemon->lock_fd >= 0 ? "" : FOLLOWER_SOCKET_SUFFIX);
    admin_server_destroy(daemon->admin);
    daemon->admin = NULL;
    int rc = admin_server_new(daemon->base, strbuf_str(&path), DAEMON_ROUTES, daemon, &daemon->admin, err);
    strbuf_clean_up(&path);
    return rc;
}

int daemon_adopt_sockets(struct daemon *daemon, struct err *err)
{
    int fds[SD_LISTEN_MAX];
    int count = sd_listen_take(fds, err);
    for (int i = 0; i < count; i++)
        daemon->passed[i] = admin_server_adopt(daemon->base, fds[i], DAEMON_ROUTES, daemon);
    if (count > 0)
        LOG(LOG_INFO, "answers on sockets that were passed, too", LOG_INT("sockets", count));
    return count < 0 ? -1 : 0;
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

int daemon_listen_for_telemetry(struct daemon *daemon, struct err *err)
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
    } else if (daemon_listen_for_telemetry(daemon, &err) != 0) {
        if (!daemon->telemetry_failed)
            LOG(LOG_ERROR, "cannot listen for telemetry, trying again", LOG_STR("error", err.text));
        daemon->telemetry_failed = true;
        loop_timer_arm_real_ms(&daemon->telemetry_timer, LISTEN_AGAIN_REAL_MS);
    } else {
        daemon->telemetry_failed = false;
    }
}

void daemon_listen_init(struct daemon *daemon)
{
    loop_timer_init(&daemon->telemetry_timer, daemon->base, on_telemetry_timer, daemon);
}

void daemon_listen_clean_up(struct daemon *daemon)
{
    loop_timer_clean_up(&daemon->telemetry_timer);
    telemetry_server_destroy(daemon->telemetry);
    admin_server_destroy(daemon->admin);
    for (int i = 0; i < SD_LISTEN_MAX; i++)
        admin_server_destroy(daemon->passed[i]);
}
