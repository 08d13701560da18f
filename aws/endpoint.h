/*
 * Where calls go: URLs and queue URLs taken apart, partitions, and the settings that override a region's own
 * endpoint. Pure but for the environment, which is read at every call.
 *
 * Sources: botocore's partitions.json and endpoint rule sets; AWS SDKs and Tools Reference Guide,
 * "Service-specific endpoints"; sslCommonName of the SQS service model for the old host names.
 */
#ifndef SLUICE_AWS_ENDPOINT_H
#define SLUICE_AWS_ENDPOINT_H

#include "aws/profile.h"
#include "base/err.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>

enum { AWS_HOST_BYTES = 256, AWS_REGION_BYTES = 64 };

struct aws_url {
    bool https;
    bool ipv6;                 /* host stands without its brackets */
    char host[AWS_HOST_BYTES]; /* lower case */
    int port;                  /* 1..65535, the scheme's own when not given */
    const char *path;          /* rest of the given text from the first slash behind the host, or "" */
};

/* Takes an http or https URL apart. Returns -1 with err for anything else, user names, queries and fragments,
 * or characters that no host has. */
int aws_url_parse(const char *url, struct aws_url *ret_url, struct err *err);

/* Appends the value of the Host header: port only when not the scheme's own. */
void aws_url_host_header(const struct aws_url *url, struct strbuf *out);

/* Whether the host is loopback (127.0.0.0/8, ::1, localhost), and whether it is link-local (169.254.0.0/16,
 * fe80::/10, the fd00:ec2:: addresses of EC2): to those no proxy is used. */
bool aws_url_host_is_loopback(const struct aws_url *url);
bool aws_url_host_is_link_local(const struct aws_url *url);

struct aws_queue_url {
    char region[AWS_REGION_BYTES]; /* "" when the host does not tell (emulators) */
    char account[32];              /* "" when the path does not tell */
    char name[96];
};

/* Takes a queue URL apart. Returns -1 with err when it is no URL or has no queue name. */
int aws_queue_url_parse(const char *queue_url, struct aws_queue_url *ret_queue, struct err *err);

/* AWS_REGION, AWS_DEFAULT_REGION, `region` of the current profile; NULL when none. profiles may be NULL. */
const char *aws_region_find(const struct aws_profiles *profiles);

/* 0, or -1 with err when the text cannot be a region's name. */
int aws_region_check(const char *region, struct err *err);

/* Appends "https://sqs.us-west-2.amazonaws.com". Returns -1 with err for a bad region. */
int aws_endpoint_regional(const char *service, const char *region, bool fips, bool dualstack,
                          struct strbuf *out, struct err *err);

/* The endpoint that settings name for a service (AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's
 * services section, the profile's endpoint_url), NULL when none or when AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
 * is true. */
const char *aws_endpoint_configured(const char *service, const struct aws_profiles *profiles);

/* Where calls of one service (and, for SQS, of one queue) go and how they are signed. */
struct aws_endpoint {
    char *url;       /* owned: what to POST to, normal form */
    char *host;      /* owned: value of the Host header */
    char *path;      /* owned: "/" or the base path */
    char *region;    /* owned: of the signature */
    bool configured; /* by option or setting: the queue URL had no say */
};

struct aws_endpoint_query {
    const char *service;                 /* signing name */
    const char *region;                  /* of the client */
    const char *endpoint_url;            /* explicit option; NULL: none */
    const struct aws_profiles *profiles; /* NULL: none */
    const char *queue_url;               /* NULL: not about a queue */
};

/* Explicit option > settings > origin of the queue URL > the region's own (of STS the global one, if
 * AWS_STS_REGIONAL_ENDPOINTS or the profile's sts_regional_endpoints is "legacy"). Returns -1 with err (bad
 * URL, FIPS or dualstack together with a custom endpoint); ret_endpoint is untouched then, else clean it up.
 */
int aws_endpoint_resolve(const struct aws_endpoint_query *query, struct aws_endpoint *ret_endpoint,
                         struct err *err);
void aws_endpoint_clean_up(struct aws_endpoint *endpoint);

#endif
