/* From a plan to credentials; see credentials_fetch.h. */
#include "aws/credentials_fetch.h"

#include "aws/client.h"
#include "aws/credentials_container.h"
#include "aws/credentials_process.h"
#include "aws/imds.h"
#include "aws/sts.h"
#include "base/alloc.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t STS_REPLY_MS = 5000;

struct fetch {
    struct credentials_fetch fetch;
    struct credentials_io io;
    struct credentials_plan plan;
    struct credentials_fetch *base; /* NULL: not asked, or answered */
    struct aws_client *sts;         /* of the role that is being assumed */
    struct aws_credentials_provider *signer;
    size_t roles_done;
    aws_credentials_fn *fn;
    void *arg;
};

static void drop_sts(struct fetch *f)
{
    aws_client_destroy(f->sts);
    aws_credentials_provider_destroy(f->signer);
    f->sts = NULL;
    f->signer = NULL;
}

static void fetch_free(struct fetch *f)
{
    credentials_fetch_cancel(f->base);
    drop_sts(f);
    credentials_plan_clean_up(&f->plan);
    free(f);
}

static void cancel(struct credentials_fetch *fetch)
{
    fetch_free((struct fetch *)fetch);
}

static void finish(struct fetch *f, struct aws_credentials *found, const struct err *err)
{
    aws_credentials_fn *fn = f->fn;
    void *arg = f->arg;
    struct err whole;
    if (err != NULL)
        (void)err_set(&whole, "no AWS credentials: %s%s%.300s", f->plan.passed,
                      f->plan.passed[0] != '\0' ? "; " : "", err->text);
    else
        aws_credentials_acquire(found);
    fetch_free(f);
    fn(arg, found, err != NULL ? &whole : NULL);
    aws_credentials_release(found);
}

/* ---- roles ---- */

/* A client for STS alone, with a signer of its own (taken over). */
static int open_sts(struct fetch *f, struct aws_credentials_provider *signer, struct err *err)
{
    drop_sts(f);
    f->signer = signer;
    f->sts = aws_client_new(&(struct aws_client_options){.base = f->io.base,
                                                         .region = f->io.region,
                                                         .credentials = signer,
                                                         .max_connections = 1,
                                                         .reply_margin_ms = STS_REPLY_MS},
                            err);
    return f->sts != NULL ? 0 : err_prefix(err, "STS");
}

static void on_assumed(void *arg, const struct aws_result *result, struct aws_credentials *credentials);

static int assume_next(struct fetch *f, struct aws_credentials *signer, struct err *err)
{
    const struct credentials_role *role = &f->plan.roles[f->roles_done];
    struct sts_assume_role question = {.role_arn = role->arn,
                                       .session_name = role->session_name,
                                       .external_id = role->external_id,
                                       .duration_s = role->duration_s,
                                       .source = f->plan.source};
    if (open_sts(f, aws_credentials_provider_new_static(signer), err) != 0)
        return -1;
    (void)sts_assume_role(f->sts, &question, on_assumed, f);
    return 0;
}

/* Goes on with what the source, or the role before, gave. */
static void go_on(struct fetch *f, struct aws_credentials *credentials)
{
    struct err err = {""};
    if (f->roles_done == f->plan.role_count)
        finish(f, credentials, NULL);
    else if (assume_next(f, credentials, &err) != 0)
        finish(f, NULL, &err);
}

static void fail_sts(struct fetch *f, const char *operation, const char *arn, const struct aws_result *result)
{
    struct err err;
    char text[400];
    (void)err_set(&err, "%s: %.120s", aws_result_text(result, operation, text, sizeof text), arn);
    (void)err_prefix(&err, "%.100s", f->plan.source);
    finish(f, NULL, &err);
}

static void on_assumed(void *arg, const struct aws_result *result, struct aws_credentials *credentials)
{
    struct fetch *f = arg;
    if (credentials == NULL) {
        fail_sts(f, "AssumeRole", f->plan.roles[f->roles_done].arn, result);
        return;
    }
    f->roles_done++;
    go_on(f, credentials);
}

/* ---- sources ---- */

static void on_base(void *arg, struct aws_credentials *credentials, const struct err *err)
{
    struct fetch *f = arg;
    f->base = NULL;
    if (credentials == NULL)
        finish(f, NULL, err);
    else
        go_on(f, credentials);
}

static void on_web_identity(void *arg, const struct aws_result *result, struct aws_credentials *credentials)
{
    struct fetch *f = arg;
    if (credentials == NULL)
        fail_sts(f, "AssumeRoleWithWebIdentity", f->plan.identity.arn, result);
    else
        go_on(f, credentials);
}

static int start_web_identity(struct fetch *f, struct err *err)
{
    const struct credentials_role *role = &f->plan.identity;
    struct sts_assume_role question = {.role_arn = role->arn,
                                       .session_name = role->session_name,
                                       .duration_s = role->duration_s,
                                       .source = f->plan.source};
    struct strbuf token = STRBUF_INIT;
    int rc = file_read(f->plan.token_file, STS_WEB_TOKEN_BYTES_MAX, &token, err);
    while (token.len > 0 && strchr(" \t\r\n", token.data[token.len - 1]) != NULL)
        token.data[--token.len] = '\0';
    if (rc == 0 && (token.len == 0 || strlen(token.data) != token.len))
        rc = err_set(err, "%s is empty or no text", f->plan.token_file);
    if (rc == 0)
        rc = open_sts(f, aws_credentials_provider_new_anonymous(), err);
    if (rc == 0)
        (void)sts_assume_role_with_web_identity(f->sts, &question, token.data, on_web_identity, f);
    else
        rc = err_prefix(err, "%.100s: token file", f->plan.source);
    if (token.data != NULL)
        explicit_bzero(token.data, token.capacity);
    strbuf_clean_up(&token);
    return rc;
}

static int start_base(struct fetch *f, const struct aws_profiles *profiles, struct err *err)
{
    switch (f->plan.base) {
    case CREDENTIALS_BASE_KEYS:
        return assume_next(f, f->plan.keys, err);
    case CREDENTIALS_BASE_PROCESS:
        f->base = credentials_process_start(&f->io, f->plan.process, f->plan.source, 0, on_base, f, err);
        break;
    case CREDENTIALS_BASE_WEB_IDENTITY:
        return start_web_identity(f, err);
    case CREDENTIALS_BASE_CONTAINER:
        f->base = credentials_container_start(&f->io, on_base, f, err);
        break;
    case CREDENTIALS_BASE_INSTANCE:
        f->base = credentials_instance_start(&f->io, profiles, on_base, f, err);
        break;
    default:
        abort();
    }
    return f->base != NULL ? 0 : -1;
}

struct credentials_fetch *credentials_fetch_start(const struct credentials_io *io,
                                                  const struct aws_profiles *profiles,
                                                  struct credentials_plan *plan, aws_credentials_fn *fn,
                                                  void *arg, struct err *err)
{
    struct fetch *f = xcalloc(1, sizeof *f);
    f->fetch.cancel = cancel;
    f->io = *io;
    f->plan = *plan;
    *plan = (struct credentials_plan){.base = CREDENTIALS_BASE_KEYS};
    f->fn = fn;
    f->arg = arg;
    if (start_base(f, profiles, err) != 0) {
        fetch_free(f);
        (void)err_prefix(err, "no AWS credentials");
        return NULL;
    }
    return &f->fetch;
}
