/*
 * STS: GetCallerIdentity, AssumeRole, AssumeRoleWithWebIdentity; Query protocol. Roles exist by being named;
 * who may assume one is not asked. Pure but for random numbers; time is an argument (wall ms). One thread.
 * Members, limits and errors: the STS service model (2011-06-15).
 */
#ifndef SLUICE_LOCALAWS_STS_OPS_H
#define SLUICE_LOCALAWS_STS_OPS_H

#include "localaws/rpc.h"
#include "localaws/sessions.h"

enum sts_op { STS_ASSUME_ROLE, STS_ASSUME_ROLE_WITH_WEB_IDENTITY, STS_GET_CALLER_IDENTITY, STS_OP_MAX };

/* What a call works on. */
struct sts {
    struct sessions *sessions;
    const char *account;
    int64_t life_max_ms;
    const struct session *caller; /* NULL: the key that localaws was started with */
    bool is_expired;              /* fault of the call in hand: what it hands out has ended */
};

/* rpc_call.engine is a struct sts. */
extern const struct rpc_service STS_SERVICE;

#endif
