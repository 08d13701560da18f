/* Operations of STS; see sts_ops.h. */
#include "localaws/sts_ops.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/clock.h"

#include <stdlib.h>

#define TYPE "com.amazonaws.sts#"

static const struct rpc_error VALIDATION = {TYPE "ValidationError", NULL, 400};
static const struct rpc_error EXPIRED = {TYPE "ExpiredTokenException", NULL, 400};
static const struct rpc_error INVALID_TOKEN = {TYPE "InvalidIdentityToken", NULL, 400};
static const struct rpc_error IDP_COMMUNICATION = {TYPE "IDPCommunicationError", NULL, 400};
static const struct rpc_error IDP_REJECTED = {TYPE "IDPRejectedClaim", NULL, 403};
static const struct rpc_error ACCESS_DENIED = {TYPE "AccessDenied", NULL, 403};
static const struct rpc_error REGION_DISABLED = {TYPE "RegionDisabledException", NULL, 403};
static const struct rpc_error THROTTLED = {TYPE "Throttling", NULL, 400};
static const struct rpc_error INTERNAL = {TYPE "InternalFailure", NULL, 500};

enum { LIFE_MIN_S = 900, LIFE_MAX_S = 43200, LIFE_CHAINED_S = 3600, TOKEN_BYTES_MAX = 20000 };

/* In names of roles and sessions. */
static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-";

/* ---- members ---- */

static void refuse(const struct rpc_call *call, const char *member, const char *constraint)
{
    rpc_fail(call, &VALIDATION, "1 validation error detected: Value at '%s' failed to satisfy constraint: %s",
             member, constraint);
}

/* The role's name: what stands behind the last slash of its ARN. Absent with the failure. */
static struct slice read_role(const struct rpc_call *call)
{
    const char *arn = rpc_text(call, call->in, "RoleArn");
    const char *iam = arn == NULL ? NULL : strstr(arn, ":iam::");
    bool good = iam != NULL && strncmp(arn, "arn:aws", 7) == 0 && strspn(iam + 6, "0123456789") == 12 &&
                strncmp(iam + 18, ":role/", 6) == 0 && iam[24] != '\0';
    const char *slash = arn == NULL ? NULL : strrchr(arn, '/');
    if (arn == NULL)
        refuse(call, "roleArn", "Member must not be null");
    else if (!good || slash[1] == '\0' || slash[1 + strspn(slash + 1, ALLOWED)] != '\0' || strlen(arn) > 2048)
        rpc_fail(call, &VALIDATION, "%.200s is invalid", arn);
    return rpc_ok(call) ? slice_of(slash + 1) : (struct slice){NULL, 0};
}

static const char *read_name(const struct rpc_call *call)
{
    const char *name = rpc_text(call, call->in, "RoleSessionName");
    if (name == NULL)
        refuse(call, "roleSessionName", "Member must not be null");
    else if (strlen(name) < 2 || strlen(name) > 64)
        refuse(call, "roleSessionName", "Member must have length of 2 to 64");
    else if (name[strspn(name, ALLOWED)] != '\0')
        refuse(call, "roleSessionName", "Member must satisfy regular expression pattern: [\\w+=,.@-]*");
    return name;
}

static double read_life_s(const struct rpc_call *call)
{
    const struct sts *sts = call->engine;
    double life_s = LIFE_CHAINED_S;
    (void)rpc_number(call, call->in, "DurationSeconds", &life_s);
    if (!(life_s >= LIFE_MIN_S && life_s <= LIFE_MAX_S))
        refuse(call, "durationSeconds", "Member must have a value from 900 to 43200");
    else if (sts->caller != NULL && life_s > LIFE_CHAINED_S)
        rpc_fail(call, &VALIDATION,
                 "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
                 "chaining");
    return life_s;
}

/* ---- operations ---- */

static void add_session(const struct rpc_call *call, struct slice role)
{
    const struct sts *sts = call->engine;
    const char *name = read_name(call);
    int64_t life_ms = (int64_t)(read_life_s(call) * 1000);
    if (!rpc_ok(call))
        return;
    life_ms = sts->is_expired ? -1000 : life_ms < sts->life_max_ms ? life_ms : sts->life_max_ms;
    const struct session *made = sessions_issue(sts->sessions, role, slice_of(name), call->now_ms + life_ms);
    (void)json_object_set_new(call->out, "Credentials",
                              json_pack("{s:s,s:s,s:s,s:I}", "AccessKeyId", made->access_key,
                                        "SecretAccessKey", made->secret_key, "SessionToken", made->token,
                                        "Expiration", (json_int_t)(made->end_ms / 1000)));
    (void)json_object_set_new(
        call->out, "AssumedRoleUser",
        json_pack("{s:o,s:o}", "AssumedRoleId", json_sprintf("AROALOCALAWS%s:%s", "00000000", made->name),
                  "Arn",
                  json_sprintf("arn:aws:sts::%s:assumed-role/%s/%s", sts->account, made->role, made->name)));
}

static void assume_role(struct rpc_call *call)
{
    struct slice role = read_role(call);
    if (rpc_ok(call))
        add_session(call, role);
}

/* The claims of a JSON Web Token, whose signature is not looked at; NULL: it is none. */
static json_t *claims_of(const char *token)
{
    const char *first = strchr(token, '.');
    const char *second = first == NULL ? NULL : strchr(first + 1, '.');
    if (second == NULL || first == token || strchr(second + 1, '.') != NULL)
        return NULL;
    size_t len = (size_t)(second - first - 1);
    char *text = xmalloc(len + 4);
    for (size_t i = 0; i < len; i++) /* base64url */
        text[i] = first[1 + i] == '-' ? '+' : first[1 + i] == '_' ? '/' : first[1 + i];
    while (len % 4 != 0)
        text[len++] = '=';
    char *bytes = xmalloc(len + 1);
    ssize_t bytes_len = base64_decode(text, len, bytes);
    json_t *claims = bytes_len < 0 ? NULL : json_loadb(bytes, (size_t)bytes_len, 0, NULL);
    free(text);
    free(bytes);
    if (json_is_object(claims))
        return claims;
    json_decref(claims);
    return NULL;
}

static void assume_role_with_web_identity(struct rpc_call *call)
{
    char now[25];
    struct slice role = read_role(call);
    const char *token = rpc_text(call, call->in, "WebIdentityToken");
    if (rpc_ok(call) && (token == NULL || strlen(token) < 4 || strlen(token) > TOKEN_BYTES_MAX))
        refuse(call, "webIdentityToken", "Member must have length of 4 to 20000");
    if (!rpc_ok(call) || token == NULL)
        return;
    json_t *claims = claims_of(token);
    const json_t *end_s = json_object_get(claims, "exp");
    const char *subject = json_string_value(json_object_get(claims, "sub"));
    if (claims == NULL)
        rpc_fail(
            call, &INVALID_TOKEN,
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)");
    else if (json_is_number(end_s) && json_number_value(end_s) * 1000 <= (double)call->now_ms)
        rpc_fail(call, &EXPIRED,
                 "Token expired: current date/time %s must be before the expiration date/time",
                 clock_format_iso8601(call->now_ms, now));
    if (rpc_ok(call))
        add_session(call, role);
    if (rpc_ok(call) && subject != NULL)
        (void)json_object_set_new(call->out, "SubjectFromWebIdentityToken", json_string(subject));
    json_decref(claims);
}

static void get_caller_identity(struct rpc_call *call)
{
    const struct sts *sts = call->engine;
    const struct session *caller = sts->caller;
    json_t *arn = caller != NULL ? json_sprintf("arn:aws:sts::%s:assumed-role/%s/%s", sts->account,
                                                caller->role, caller->name)
                                 : json_sprintf("arn:aws:iam::%s:user/sluice-localaws", sts->account);
    json_t *user = caller != NULL ? json_sprintf("AROALOCALAWS00000000:%s", caller->name)
                                  : json_string("AIDALOCALAWS00000000");
    (void)json_object_set_new(call->out, "Arn", arn);
    (void)json_object_set_new(call->out, "UserId", user);
    (void)json_object_set_new(call->out, "Account", json_string(sts->account));
}

static const struct rpc_op OPS[] = {
    [STS_ASSUME_ROLE] = {"AssumeRole", assume_role, false},
    [STS_ASSUME_ROLE_WITH_WEB_IDENTITY] = {"AssumeRoleWithWebIdentity", assume_role_with_web_identity, true},
    [STS_GET_CALLER_IDENTITY] = {"GetCallerIdentity", get_caller_identity, false},
};

_Static_assert(sizeof OPS / sizeof *OPS == STS_OP_MAX, "every operation has a row");

static const struct rpc_error *const ERRORS[] = {
    &VALIDATION,    &EXPIRED,         &INVALID_TOKEN, &IDP_COMMUNICATION, &IDP_REJECTED,
    &ACCESS_DENIED, &REGION_DISABLED, &THROTTLED,     &INTERNAL,          NULL};

const struct rpc_service STS_SERVICE = {.xmlns = "https://sts.amazonaws.com/doc/2011-06-15/",
                                        .signed_as = "sts",
                                        .ops = OPS,
                                        .op_count = STS_OP_MAX,
                                        .errors = ERRORS,
                                        .internal = &INTERNAL,
                                        .throttled = &THROTTLED,
                                        .throttled_message = "Rate exceeded"};
