/* Calls of the Security Token Service; see sts.h. */
#include "aws/sts.h"

#include "aws/xml.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct assume {
    sts_credentials_fn *fn;
    void *arg;
    char *source; /* owned */
};

struct identify {
    sts_identity_fn *fn;
    void *arg;
};

/* ---- requests ---- */

static void start_form(struct strbuf *form, const char *action)
{
    strbuf_appendf(form, "Action=%s&Version=2011-06-15", action);
}

static void append_field(struct strbuf *form, const char *name, const char *value)
{
    static const char PLAIN[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    strbuf_appendf(form, "&%s=", name);
    for (; *value != '\0'; value++)
        if (strchr(PLAIN, *value) != NULL)
            strbuf_append_char(form, *value);
        else
            strbuf_appendf(form, "%%%02X", (unsigned)(unsigned char)*value);
}

static void append_role(struct strbuf *form, const struct sts_assume_role *role)
{
    char text[48];
    append_field(form, "RoleArn", role->role_arn);
    (void)snprintf(text, sizeof text, "sluice-%" PRId64, clock_wall_ms() / 1000);
    append_field(form, "RoleSessionName", role->session_name != NULL ? role->session_name : text);
    if (role->external_id != NULL)
        append_field(form, "ExternalId", role->external_id);
    (void)snprintf(text, sizeof text, "%d", role->duration_s);
    if (role->duration_s > 0)
        append_field(form, "DurationSeconds", text);
}

/* Sends the form and wipes it. */
static struct aws_call *call(struct aws_client *client, struct strbuf *form, aws_json_fn *fn, void *arg,
                             void (*free_arg)(void *))
{
    struct aws_json_call request = {.service = "sts",
                                    .content_type = "application/x-www-form-urlencoded; charset=utf-8",
                                    .body = form->data,
                                    .body_len = form->len};
    struct aws_call *started = aws_client_call_json(client, &request, fn, arg, free_arg);
    explicit_bzero(form->data, form->capacity);
    strbuf_clean_up(form);
    return started;
}

/* ---- replies ---- */

/* The leaf `name` right below `parent` is copied out, as often as it comes; *ret_text stays in the reply. */
struct leaf {
    const char *parent;
    const char *name;
    const char *text; /* NULL: not there */
};

static int read_leaves(char *text, size_t len, struct leaf *leaves, size_t count, struct err *err)
{
    struct xml x = xml_start(text, len);
    enum xml_event event = XML_ERROR;
    for (event = xml_next(&x); event > XML_END; event = xml_next(&x))
        for (size_t i = 0; i < count && event == XML_CLOSE; i++)
            if (xml_is(&x, leaves[i].parent, leaves[i].name))
                leaves[i].text = x.text;
    return event == XML_END ? 0 : err_set(err, "the reply is not the XML it should be: %s", x.problem);
}

struct aws_credentials *sts_parse_credentials(char *text, size_t len, const char *source, struct err *err)
{
    struct leaf leaves[] = {{"Credentials", "AccessKeyId", NULL},
                            {"Credentials", "SecretAccessKey", NULL},
                            {"Credentials", "SessionToken", NULL},
                            {"Credentials", "Expiration", NULL}};
    int64_t expires_ms = 0;
    if (read_leaves(text, len, leaves, 4, err) != 0)
        return NULL;
    for (size_t i = 0; i < 4; i++)
        if (leaves[i].text == NULL || leaves[i].text[0] == '\0') {
            (void)err_set(err, "the reply has no %s", leaves[i].name);
            return NULL;
        }
    if (!aws_credentials_parse_expiration(leaves[3].text, &expires_ms)) {
        (void)err_set(err, "Expiration is no time such as 2026-01-01T00:00:00Z");
        return NULL;
    }
    return aws_credentials_new_checked(leaves[0].text, leaves[1].text, leaves[2].text, expires_ms, source,
                                       err);
}

static struct aws_result bad_reply(const struct aws_result *result, const struct err *err)
{
    struct aws_result bad = *result;
    bad.kind = AWS_KIND_BAD_REPLY;
    (void)snprintf(bad.code, sizeof bad.code, "BadReply");
    (void)snprintf(bad.message, sizeof bad.message, "%s", err->text);
    return bad;
}

static void on_assumed(void *arg, const struct aws_result *result, struct strbuf *reply)
{
    struct assume *a = arg;
    struct err err = {""};
    struct aws_credentials *found = NULL;
    if (result->kind == AWS_KIND_OK) {
        char *body = reply->data != NULL ? reply->data : (char *)"";
        size_t len = reply->len;
        found = sts_parse_credentials(body, len, a->source, &err);
        explicit_bzero(body, len);
    }
    if (result->kind == AWS_KIND_OK && found == NULL) {
        struct aws_result bad = bad_reply(result, &err);
        a->fn(a->arg, &bad, NULL);
    } else {
        a->fn(a->arg, result, found);
    }
    aws_credentials_release(found);
}

static void free_assume(void *arg)
{
    struct assume *a = arg;
    free(a->source);
    free(a);
}

static struct assume *assume_new(const struct sts_assume_role *role, sts_credentials_fn *fn, void *arg)
{
    struct assume *a = xcalloc(1, sizeof *a);
    *a = (struct assume){fn, arg, xstrdup(role->source)};
    return a;
}

struct aws_call *sts_assume_role(struct aws_client *client, const struct sts_assume_role *role,
                                 sts_credentials_fn *fn, void *arg)
{
    struct strbuf form = STRBUF_INIT;
    start_form(&form, "AssumeRole");
    append_role(&form, role);
    return call(client, &form, on_assumed, assume_new(role, fn, arg), free_assume);
}

struct aws_call *sts_assume_role_with_web_identity(struct aws_client *client,
                                                   const struct sts_assume_role *role, const char *token,
                                                   sts_credentials_fn *fn, void *arg)
{
    struct strbuf form = STRBUF_INIT;
    start_form(&form, "AssumeRoleWithWebIdentity");
    append_role(&form, role);
    append_field(&form, "WebIdentityToken", token);
    return call(client, &form, on_assumed, assume_new(role, fn, arg), free_assume);
}

/* ---- GetCallerIdentity ---- */

static void on_identified(void *arg, const struct aws_result *result, struct strbuf *reply)
{
    struct identify *i = arg;
    struct sts_identity identity = {.account = ""};
    struct leaf leaves[] = {{"GetCallerIdentityResult", "Account", NULL},
                            {"GetCallerIdentityResult", "Arn", NULL},
                            {"GetCallerIdentityResult", "UserId", NULL}};
    struct err err = {""};
    if (result->kind != AWS_KIND_OK) {
        i->fn(i->arg, result, NULL);
        return;
    }
    char *body = reply->data != NULL ? reply->data : (char *)"";
    int rc = read_leaves(body, reply->len, leaves, 3, &err);
    if (rc == 0 && (leaves[0].text == NULL || leaves[1].text == NULL))
        rc = err_set(&err, "the reply has no Account and Arn");
    if (rc != 0) {
        struct aws_result bad = bad_reply(result, &err);
        i->fn(i->arg, &bad, NULL);
        return;
    }
    (void)snprintf(identity.account, sizeof identity.account, "%s", leaves[0].text);
    (void)snprintf(identity.arn, sizeof identity.arn, "%s", leaves[1].text);
    (void)snprintf(identity.user_id, sizeof identity.user_id, "%s",
                   leaves[2].text != NULL ? leaves[2].text : "");
    i->fn(i->arg, result, &identity);
}

struct aws_call *sts_get_caller_identity(struct aws_client *client, sts_identity_fn *fn, void *arg)
{
    struct strbuf form = STRBUF_INIT;
    struct identify *i = xcalloc(1, sizeof *i);
    *i = (struct identify){fn, arg};
    start_form(&form, "GetCallerIdentity");
    return call(client, &form, on_identified, i, free);
}
