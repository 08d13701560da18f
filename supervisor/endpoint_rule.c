/* SLUICE_TIME_SCALE and the endpoint; see endpoint_rule.h. */
#include "supervisor/endpoint_rule.h"

#include "aws/client.h"
#include "base/clock.h"

/* Appends the endpoint of a service that the fleet calls unless it is on loopback. Returns -1 with err. */
static int find_remote(const struct aws_client *client, const struct config_fleet *fleet,
                       struct strbuf *remote, struct err *err)
{
    static const char *const SERVICES[] = {"sqs", "ecs", "application-autoscaling"};
    size_t count = fleet->type == FLEET_ECS ? sizeof SERVICES / sizeof SERVICES[0] : 1;
    for (size_t i = 0; i < count && remote->len == 0; i++) {
        if (aws_client_endpoint(client, SERVICES[i], i == 0 ? fleet->queue.url : NULL, remote, err) != 0)
            return -1;
        if (aws_url_is_loopback(strbuf_str(remote)))
            strbuf_clear(remote);
    }
    return 0;
}

int endpoint_rule_check(const struct aws_client *client, const struct config_fleet *fleet, struct err *err)
{
    struct strbuf endpoint = STRBUF_INIT;
    int rc = 0;
    if (clock_scale() != 1) {
        rc = find_remote(client, fleet, &endpoint, err);
        if (rc == 0 && endpoint.len > 0)
            rc = err_set(err, "SLUICE_TIME_SCALE: refused for fleet %s: its endpoint %s is not on loopback",
                         fleet->name, strbuf_str(&endpoint));
    }
    strbuf_clean_up(&endpoint);
    return rc;
}
