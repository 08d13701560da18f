/*
 * Credentials of a container's role: the ECS agent's and the EKS Pod Identity agent's endpoints.
 *
 * AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (below http://169.254.170.2; wins) or
 * AWS_CONTAINER_CREDENTIALS_FULL_URI: https to any host, http only to loopback, 169.254.170.2 (ECS),
 * 169.254.170.23 and fd00:ec2::23 (EKS), since the request carries a token. That token comes from
 * AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, read again for each request, else from
 * AWS_CONTAINER_AUTHORIZATION_TOKEN; one with a line break is refused. Three attempts of 2 s.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
 */
#ifndef SLUICE_AWS_CREDENTIALS_CONTAINER_H
#define SLUICE_AWS_CREDENTIALS_CONTAINER_H

#include "aws/credentials_source.h"
#include "base/err.h"
#include "base/strbuf.h"

enum {
    CREDENTIALS_CONTAINER_ATTEMPTS = 3,
    CREDENTIALS_CONTAINER_TIMEOUT_MS = 2000,
    CREDENTIALS_CONTAINER_PAUSE_MS = 500,
};

/* Appends the URL that two settings (NULL: not set) mean. Returns -1 with err naming the variable and what is
 * allowed. Pure. */
int credentials_container_url(const char *relative_uri, const char *full_uri, struct strbuf *out,
                              struct err *err);

/* Asks the endpoint that the environment names. NULL with err: a bad URL or token. */
struct credentials_fetch *credentials_container_start(const struct credentials_io *io, aws_credentials_fn *fn,
                                                      void *arg, struct err *err);

#endif
