/* Credentials of an EC2 instance's role: its name, then its keys; see imds.h. */
#include "aws/credentials_json.h"
#include "aws/imds.h"
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PATH[] = "/latest/meta-data/iam/security-credentials/";

enum { ROLE_BYTES_MAX = 128 };

struct instance {
    struct credentials_fetch fetch;
    struct http_client *http;
    char *endpoint; /* owned */
    char role[ROLE_BYTES_MAX + 1];
    struct imds_call *call;
    aws_credentials_fn *fn;
    void *arg;
};

static void instance_free(struct instance *i)
{
    if (i->call != NULL)
        imds_cancel(i->call);
    free(i->endpoint);
    free(i);
}

static void cancel(struct credentials_fetch *fetch)
{
    instance_free((struct instance *)fetch);
}

static void finish(struct instance *i, struct aws_credentials *found, const struct err *err)
{
    aws_credentials_fn *fn = i->fn;
    void *arg = i->arg;
    instance_free(i);
    fn(arg, found, found == NULL ? err : NULL);
    aws_credentials_release(found);
}

static void fail(struct instance *i, const char *text)
{
    struct err err;
    (void)err_set(&err, "instance: %s", text);
    finish(i, NULL, &err);
}

static void on_keys(void *arg, int status, struct strbuf *body, const struct err *why)
{
    struct instance *i = arg;
    struct err err = {""};
    char source[ROLE_BYTES_MAX + 32];
    (void)status;
    i->call = NULL;
    if (body == NULL) {
        fail(i, why->text);
        return;
    }
    (void)snprintf(source, sizeof source, "instance, role %s", i->role);
    char *text = body->data != NULL ? body->data : (char *)"";
    struct aws_credentials *found =
        credentials_json_parse(text, body->len, CREDENTIALS_FORM_ENDPOINT, source, &err);
    finish(i, found, &err);
}

/* The first line, which must be a role's name: letters, digits and +=,.@_- (IAM). */
static int take_role(struct instance *i, const char *text)
{
    size_t len = strcspn(text, "\r\n");
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    if (len == 0 || len > ROLE_BYTES_MAX)
        return -1;
    memcpy(i->role, text, len);
    size_t good = strspn(i->role, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-");
    return good == len ? 0 : -1;
}

static void on_role(void *arg, int status, struct strbuf *body, const struct err *why)
{
    struct instance *i = arg;
    struct strbuf path = STRBUF_INIT;
    i->call = NULL;
    if (status == 404) {
        fail(i, "no role is attached to the instance (HTTP 404)");
        return;
    }
    if (body == NULL) {
        fail(i, why->text);
        return;
    }
    if (take_role(i, strbuf_str(body)) != 0) {
        fail(i, body->len == 0 ? "no role is attached to the instance"
                               : "the metadata service names no valid role");
        return;
    }
    strbuf_appendf(&path, "%s%s", PATH, i->role);
    i->call = imds_get(i->http, i->endpoint, strbuf_str(&path), on_keys, i);
    strbuf_clean_up(&path);
}

struct credentials_fetch *credentials_instance_start(const struct credentials_io *io,
                                                     const struct aws_profiles *profiles,
                                                     aws_credentials_fn *fn, void *arg, struct err *err)
{
    struct strbuf endpoint = STRBUF_INIT;
    if (imds_endpoint(profiles, &endpoint, err) != 0) {
        (void)err_prefix(err, "instance");
        strbuf_clean_up(&endpoint);
        return NULL;
    }
    struct instance *i = xcalloc(1, sizeof *i);
    i->fetch.cancel = cancel;
    i->http = io->http;
    i->endpoint = strbuf_take(&endpoint);
    i->fn = fn;
    i->arg = arg;
    i->call = imds_get(i->http, i->endpoint, PATH, on_role, i);
    return &i->fetch;
}
