/*
 * Which source of credentials is meant: the first one that environment and profile files name, in the order
 * environment, profile, web identity, container, EC2 instance. Only reads; nothing is asked here.
 *
 * A source that is named is the one: if it is half set up or fails, that is told, and no later one is tried -
 * else a broken task role would be hidden by the instance's role. So the container excludes the instance, as
 * in aws-c-auth.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers"; order of aws-c-auth.
 */
#ifndef SLUICE_AWS_CREDENTIALS_PLAN_H
#define SLUICE_AWS_CREDENTIALS_PLAN_H

#include "aws/credentials.h"
#include "aws/profile.h"
#include "base/err.h"

#include <stddef.h>

enum { CREDENTIALS_ROLES_MAX = 8, CREDENTIALS_SOURCE_BYTES = 256 };

enum credentials_base {
    CREDENTIALS_BASE_KEYS,         /* written down in environment or profile */
    CREDENTIALS_BASE_PROCESS,      /* credential_process */
    CREDENTIALS_BASE_WEB_IDENTITY, /* AssumeRoleWithWebIdentity */
    CREDENTIALS_BASE_CONTAINER,
    CREDENTIALS_BASE_INSTANCE, /* IMDSv2 */
};

/* Parameters of AssumeRole; strings owned, NULL: not set. */
struct credentials_role {
    char *arn;
    char *session_name;
    char *external_id;
    int duration_s; /* 0: not set */
};

struct credentials_plan {
    enum credentials_base base;
    char source[CREDENTIALS_SOURCE_BYTES]; /* for people: "profile prod, role arn:..." */
    char passed[320];                      /* why the sources before it are not meant; "": it is the first */
    struct aws_credentials *keys;          /* owned reference (KEYS) */
    char *process;                         /* owned: command line (PROCESS) */
    char *token_file;                      /* owned (WEB_IDENTITY) */
    struct credentials_role identity;      /* (WEB_IDENTITY) */
    size_t role_count;
    struct credentials_role roles[CREDENTIALS_ROLES_MAX]; /* to assume one after the other, from the first */
};

/* Returns 0, or -1 with err: nothing is named (why not, for each source), or what is named cannot be. */
int credentials_plan_make(const struct aws_profiles *profiles, struct credentials_plan *ret_plan,
                          struct err *err);
/* Wipes what is secret. Safe on a zeroed struct. */
void credentials_plan_clean_up(struct credentials_plan *plan);

/* Whether AWS_EC2_METADATA_DISABLED=true forbids to ask the instance. */
bool credentials_instance_disabled(void);

#endif
