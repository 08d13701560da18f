/* Health, metrics, TCP, systemd; see service.h. */
#include "supervisor/service.h"

#include "aws/operation_stats.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/host_port.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/sd_notify.h"
#include "supervisor/health.h"
#include "supervisor/supervisor_metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum { BEAT_REAL_MS = 1000, FDS_KEPT_FREE = 32 };

struct service {
    struct service_options options;
    struct status_server *server; /* NULL: none wanted */
    struct loop_timer beat, watchdog;
    int64_t beat_mono_ms; /* when the loop last ran its timers */
    struct sd_notify notify;
};

/* ---- the loop's heart ---- */

static void on_beat(void *arg)
{
    struct service *service = arg;
    service->beat_mono_ms = clock_mono_ms();
    loop_timer_arm_real_ms(&service->beat, BEAT_REAL_MS);
}

/* A timer of the loop: while the loop stands, systemd hears nothing, and restarts us. */
static void on_watchdog(void *arg)
{
    struct service *service = arg;
    sd_notify_feed(&service->notify);
    loop_timer_arm_real_ms(&service->watchdog, service->notify.watchdog_ms);
}

/* ---- answers ---- */

static void get_facts(const struct service *service, struct supervisor_facts *facts)
{
    service->options.get_facts(service->options.arg, facts);
    facts->heartbeat_age_ms = clock_mono_ms() - service->beat_mono_ms;
}

static void free_facts(struct supervisor_facts *facts)
{
    free(facts->fleets);
    aws_operation_stats_free(facts->operations);
}

void service_answer_alive(const struct service *service, struct status_reply *reply)
{
    struct supervisor_facts facts = {.heartbeat_age_ms = clock_mono_ms() - service->beat_mono_ms};
    reply->code = health_write_alive(&facts, &reply->body);
}

void service_answer_ready(const struct service *service, struct status_reply *reply)
{
    struct supervisor_facts facts = {.fleets = NULL};
    get_facts(service, &facts);
    reply->code = health_write_ready(&facts, service->options.config->admin.ready_share, &reply->body);
    free_facts(&facts);
}

void service_answer_metrics(const struct service *service, struct status_reply *reply)
{
    struct supervisor_facts facts = {.fleets = NULL};
    get_facts(service, &facts);
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    supervisor_metrics_render(&facts, &reply->body);
    free_facts(&facts);
}

void service_write_status(const struct service *service, struct jsonw *w)
{
    struct host_port at;
    struct err ignored;
    struct strbuf address = STRBUF_INIT;
    const char *listen = service->options.config->admin.listen;
    if (service->server != NULL && host_port_parse("admin.listen", listen, &at, &ignored) == 0)
        host_port_format(at.host, status_server_port(service->server), &address);
    jsonw_key(w, "admin");
    jsonw_object(w);
    jsonw_key_str(w, "socket", service->options.config->admin.socket);
    jsonw_key_str(w, "listen", address.len > 0 ? strbuf_str(&address) : NULL);
    jsonw_end_object(w);
    strbuf_clean_up(&address);
}

/* ---- life ---- */

/* Whoever reaches the address may read; only who reaches the socket may order. */
static int serve(struct service *service, struct err *err)
{
    const char *listen = service->options.config->admin.listen;
    struct host_port at;
    struct status_server_options options = {.name = "admin.listen",
                                            .routes = service->options.routes,
                                            .arg = service->options.route_arg,
                                            .fds_kept_free = FDS_KEPT_FREE,
                                            .read_only = true};
    if (host_port_parse("admin.listen", listen, &at, err) != 0)
        return -1;
    if (!host_port_is_loopback(&at))
        LOG(LOG_WARNING,
            "admin.listen is no loopback address: whoever reaches it may read status and metrics",
            LOG_STR("listen", listen));
    service->server = status_server_listen(service->options.base, "admin.listen", listen, &options, err);
    return service->server != NULL ? 0 : -1;
}

int service_listen(struct service *service, struct err *err)
{
    return service->options.config->admin.listen != NULL ? serve(service, err) : 0;
}

struct service *service_new(const struct service_options *options, struct err *err)
{
    struct service *service = xcalloc(1, sizeof *service);
    service->options = *options;
    sd_notify_init(&service->notify);
    loop_timer_init(&service->beat, options->base, on_beat, service);
    loop_timer_init(&service->watchdog, options->base, on_watchdog, service);
    on_beat(service);
    if (!options->listens_later && service_listen(service, err) != 0) {
        service_destroy(service);
        return NULL;
    }
    return service;
}

void service_destroy(struct service *service)
{
    if (service == NULL)
        return;
    status_server_destroy(service->server);
    loop_timer_clean_up(&service->beat);
    loop_timer_clean_up(&service->watchdog);
    sd_notify_clean_up(&service->notify);
    free(service);
}

void service_started(struct service *service)
{
    char text[128];
    (void)snprintf(text, sizeof text, "READY=1\nSTATUS=supervising %zu fleet%s",
                   service->options.config->fleet_count,
                   service->options.config->fleet_count == 1 ? "" : "s");
    (void)sd_notify_send(&service->notify, text);
    if (service->notify.watchdog_ms > 0)
        on_watchdog(service);
}

void service_stopping(struct service *service)
{
    (void)sd_notify_send(&service->notify, "STOPPING=1\nSTATUS=draining all workers");
}
