/* SLUICE_TIME_SCALE and the endpoint; see endpoint_rule.h. */
#include "supervisor/endpoint_rule.h"

#include "aws/client.h"
#include "base/clock.h"

int endpoint_rule_check(const struct aws_client *client, const struct config_fleet *fleet, struct err *err)
{
    struct strbuf endpoint = STRBUF_INIT;
    int rc = 0;
    if (clock_scale() != 1) {
        rc = aws_client_endpoint(client, "sqs", fleet->queue.url, &endpoint, err);
        if (rc == 0 && !aws_url_is_loopback(strbuf_str(&endpoint)))
            rc = err_set(err, "SLUICE_TIME_SCALE: refused for fleet %s: its endpoint %s is not on loopback",
                         fleet->name, strbuf_str(&endpoint));
    }
    strbuf_clean_up(&endpoint);
    return rc;
}
