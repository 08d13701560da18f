/*
 * The instance metadata service of EC2, version 2 only: a token is fetched by PUT, then a path by GET. There
 * is no way back to version 1. Each request has 1 s, a refused token is renewed once.
 *
 * Settings: AWS_EC2_METADATA_SERVICE_ENDPOINT (profile: ec2_metadata_service_endpoint), else
 * AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv4|IPv6 (profile: ec2_metadata_service_endpoint_mode).
 *
 * Source: EC2 User Guide, "Use the Instance Metadata Service to access instance metadata"; AWS SDKs and Tools
 * Reference Guide, "IMDS credential provider".
 */
#ifndef SLUICE_AWS_IMDS_H
#define SLUICE_AWS_IMDS_H

#include "aws/credentials_source.h"
#include "aws/http.h"
#include "aws/profile.h"
#include "base/err.h"
#include "base/strbuf.h"

enum { IMDS_TIMEOUT_MS = 1000, IMDS_REPLY_BYTES_MAX = 64 << 10 };

struct imds_call;

/* body is NULL with err (a sentence without a source's name) when there is none; it may be changed, and is
 * wiped afterwards. status is that of the GET, 0: none. */
typedef void imds_fn(void *arg, int status, struct strbuf *body, const struct err *err);

/* Appends the endpoint's URL, without a slash at its end. Returns -1 with err for a bad setting. profiles may
 * be NULL. */
int imds_endpoint(const struct aws_profiles *profiles, struct strbuf *out, struct err *err);

/* GETs endpoint + path ("/latest/meta-data/..."). fn comes from the loop, once, unless cancelled; the call is
 * gone by then. */
struct imds_call *imds_get(struct http_client *http, const char *endpoint, const char *path, imds_fn *fn,
                           void *arg);
void imds_cancel(struct imds_call *call);

/* Credentials of the role that is attached to the instance. NULL with err for a bad endpoint setting. */
struct credentials_fetch *credentials_instance_start(const struct credentials_io *io,
                                                     const struct aws_profiles *profiles,
                                                     aws_credentials_fn *fn, void *arg, struct err *err);

#endif
