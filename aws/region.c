/* The region from instance metadata; see region.h. */
#include "aws/region.h"

#include "aws/credentials_plan.h"
#include "aws/http.h"
#include "aws/imds.h"
#include "base/loop.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

struct question {
    int result; /* 1: no answer yet */
    char *region;
    struct err *err;
};

static void on_region(void *arg, int status, struct strbuf *body, const struct err *why)
{
    struct question *q = arg;
    (void)status;
    q->result = -1;
    if (body == NULL) {
        (void)err_set(q->err, "%s", why->text);
        return;
    }
    const char *text = strbuf_str(body);
    size_t len = strcspn(text, "\r\n");
    if (len >= AWS_REGION_BYTES)
        len = 0;
    memcpy(q->region, text, len);
    q->region[len] = '\0';
    q->result = aws_region_check(q->region, q->err);
}

static int ask(struct event_base *base, const char *endpoint, struct question *q)
{
    struct http_client *http = http_client_new(&(struct http_client_options){
        .base = base, .max_connections = 1, .connect_timeout_ms = IMDS_TIMEOUT_MS, .user_agent = "sluice"});
    (void)imds_get(http, endpoint, "/latest/meta-data/placement/region", on_region, q);
    while (q->result == 1 && event_base_loop(base, EVLOOP_ONCE) == 0)
        continue;
    http_client_destroy(http);
    return q->result == 0 ? 0 : -1;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

int aws_region_ask_metadata(const struct aws_profiles *profiles, char ret_region[static AWS_REGION_BYTES],
                            struct err *err)
{
    struct question q = {.result = 1, .region = ret_region, .err = err};
    struct strbuf endpoint = STRBUF_INIT;
    int result = -1;
    if (credentials_instance_disabled())
        return err_set(err, "instance metadata is not asked: AWS_EC2_METADATA_DISABLED is true");
    if (is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") || is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
        return err_set(err, "instance metadata is not asked in a container");
    if (imds_endpoint(profiles, &endpoint, err) == 0) {
        struct event_base *base = loop_base_new();
        result = ask(base, strbuf_str(&endpoint), &q);
        event_base_free(base);
    }
    strbuf_clean_up(&endpoint);
    return result;
}
