/* The local fleet as the control loop sees it: fleet_ops.h on local_fleet.h. */
#include "supervisor/local_fleet.h"

static void destroy(void *fleet)
{
    local_fleet_destroy(fleet);
}

static void start(void *fleet, int64_t desired, bool is_restored)
{
    (void)is_restored;
    local_fleet_set_desired(fleet, desired);
}

static void set_queue_url(void *fleet, const char *queue_url)
{
    local_fleet_set_queue_url(fleet, queue_url);
}

static void set_desired(void *fleet, int64_t desired)
{
    local_fleet_set_desired(fleet, desired);
}

static void stop(void *fleet)
{
    local_fleet_stop(fleet);
}

static void hurry(void *fleet)
{
    local_fleet_hurry(fleet);
}

static void write_records(void *fleet)
{
    local_fleet_write_records(fleet);
}

static void disown(void *fleet)
{
    local_fleet_disown(fleet);
}

static void observe(void *fleet, int64_t now_ms, struct observation *obs)
{
    local_fleet_observe(fleet, now_ms, obs);
}

static void write_status(void *fleet, int64_t now_ms, struct jsonw *w)
{
    local_fleet_write_status(fleet, now_ms, w);
}

const struct fleet_ops LOCAL_FLEET_OPS = {
    .type = "local",
    .destroy = destroy,
    .start = start,
    .set_queue_url = set_queue_url,
    .set_desired = set_desired,
    .stop = stop,
    .hurry = hurry,
    .write_records = write_records,
    .disown = disown,
    .observe = observe,
    .write_status = write_status,
};
