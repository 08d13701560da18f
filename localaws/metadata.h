/*
 * What hands credentials to containers and instances: the container credentials endpoint (ECS, EKS Pod
 * Identity) and the instance metadata service, version 2 only. Real time, an argument (wall ms). One thread.
 *
 * Sources: "Container credential provider" and "IMDS credential provider" of the AWS SDKs and Tools Reference
 * Guide; "Use the Instance Metadata Service" of the EC2 User Guide.
 */
#ifndef SLUICE_LOCALAWS_METADATA_H
#define SLUICE_LOCALAWS_METADATA_H

#include "base/strbuf.h"
#include "localaws/http_request.h"
#include "localaws/sessions.h"

enum { METADATA_TOKEN_LIFE_MAX_S = 21600 };

#define METADATA_ROLE "sluice-localaws"

enum metadata_op {
    METADATA_CONTAINER_CREDENTIALS,
    METADATA_CREDENTIALS,
    METADATA_DOCUMENT,
    METADATA_REGION,
    METADATA_ROLES,
    METADATA_TOKEN,
    METADATA_OP_MAX,
};

struct metadata {
    struct sessions *sessions;
    const char *region, *account;
    const char
        *token_file;     /* that Authorization must match, read at each request; NULL: it is not looked at */
    int64_t life_ms;     /* of credentials */
    uint64_t key[2];     /* that signs tokens */
    uint64_t current[2]; /* numbers of the sessions handed out: containers, instances */
};

/* "GetContainerCredentials". */
const char *metadata_op_name(int op);
/* What a request wants; METADATA_OP_MAX: there is no such path or method. */
enum metadata_op metadata_container_op(const struct http_request *http);
enum metadata_op metadata_instance_op(const struct http_request *http);

/* Runs it and returns the HTTP status; the body, a text or JSON, and further headers with CRLF are appended.
 * expired: what is handed out has ended already. */
int metadata_run(struct metadata *metadata, enum metadata_op op, const struct http_request *http,
                 int64_t wall_ms, bool expired, struct strbuf *headers, struct strbuf *body);
/* An error as these endpoints say it. */
void metadata_write_error(const char *code, const char *message, struct strbuf *body);

#endif
