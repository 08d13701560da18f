/* Credentials that are handed out: by STS, to containers and to instances; what of them is let in, and until
 * when. */
#include "base/clock.h"
#include "localaws/auth.h"
#include "localaws/metadata.h"
#include "localaws/sts_ops.h"

#include "tests/unit/unit.h"

#include <stdio.h>

#define NOW_MS INT64_C(1440938160000) /* 20150830T123600Z */
#define HOUR_MS INT64_C(3600000)

static struct auth g_auth;

static void open_auth(void)
{
    g_auth = (struct auth){.access_key = "AKIDEXAMPLE", .secret_key = "secret", .region = "us-east-1"};
}

/* A request signed by a client with these keys; token NULL: none is sent. */
static enum sqs_error check_signed(const char *access_key, const char *secret, const char *token,
                                   int64_t wall_ms)
{
    static char authorization[512];
    struct sigv4_scope scope = {.region = "us-east-1", .service = "sqs", .stamp = "20150830T123600Z"};
    struct sigv4_header headers[] = {{.name = "host", .value = "h"},
                                     {.name = "x-amz-date", .value = scope.stamp},
                                     {.name = "x-amz-security-token", .value = token}};
    struct sigv4_request request = {.method = "POST",
                                    .path = "/",
                                    .query = "",
                                    .headers = headers,
                                    .header_count = token == NULL ? 2 : 3,
                                    .body = "{}",
                                    .body_len = 2};
    struct strbuf canonical = STRBUF_INIT;
    struct strbuf names = STRBUF_INIT;
    struct strbuf to_sign = STRBUF_INIT;
    uint8_t key[SIGV4_KEY_BYTES];
    char signature[SIGV4_HEX_BYTES];
    struct sqs_failure failure;
    char body[] = "{}";
    sigv4_canonical_request(&request, (struct sigv4_path_rule){.normalize = true, .encode_twice = true},
                            &canonical, &names);
    sigv4_string_to_sign(&scope, canonical.data, canonical.len, &to_sign);
    sigv4_signing_key(secret, &scope, key);
    sigv4_signature(key, to_sign.data, to_sign.len, signature);
    (void)snprintf(
        authorization, sizeof authorization,
        "AWS4-HMAC-SHA256 Credential=%s/20150830/us-east-1/sqs/aws4_request, SignedHeaders=%s, Signature=%s",
        access_key, strbuf_str(&names), signature);
    strbuf_clean_up(&canonical);
    strbuf_clean_up(&names);
    strbuf_clean_up(&to_sign);
    struct http_request http = {.method = slice_of("POST"),
                                .path = slice_of("/"),
                                .query = slice_of(""),
                                .headers = {{slice_of("Host"), slice_of("h")},
                                            {slice_of("X-Amz-Date"), slice_of("20150830T123600Z")},
                                            {slice_of("Authorization"), slice_of(authorization)},
                                            {slice_of("X-Amz-Security-Token"), slice_of(token)}},
                                .header_count = token == NULL ? 3 : 4,
                                .body = body,
                                .body_len = 2};
    enum sqs_error error = auth_check(&g_auth, &http, "sqs", wall_ms, &failure);
    const struct session *caller = auth_caller(&g_auth, &http);
    ck_assert_int_eq(caller != NULL, strcmp(access_key, "AKIDEXAMPLE") != 0 &&
                                         sessions_find(&g_auth.sessions, slice_of(access_key)) != NULL);
    return error;
}

START_TEST(temporary_keys_are_let_in_with_their_token_until_they_end)
{
    open_auth();
    const struct session *s =
        sessions_issue(&g_auth.sessions, slice_of("role"), slice_of("name"), NOW_MS + 60000);
    const struct session *other =
        sessions_issue(&g_auth.sessions, slice_of("role"), slice_of("name"), NOW_MS + 60000);
    ck_assert_int_eq(check_signed("AKIDEXAMPLE", "secret", NULL, NOW_MS), SQS_OK);
    ck_assert_int_eq(check_signed("AKIDEXAMPLE", "secret", "anything", NOW_MS), SQS_OK);
    ck_assert_int_eq(check_signed(s->access_key, s->secret_key, s->token, NOW_MS), SQS_OK);
    ck_assert_int_eq(check_signed(other->access_key, other->secret_key, other->token, NOW_MS), SQS_OK);
    ck_assert_int_eq(check_signed(s->access_key, s->secret_key, s->token, NOW_MS + 59999), SQS_OK);
    ck_assert_int_eq(check_signed(s->access_key, s->secret_key, s->token, NOW_MS + 60000), SQS_EXPIRED_TOKEN);
    ck_assert_int_eq(check_signed(s->access_key, s->secret_key, NULL, NOW_MS), SQS_UNKNOWN_KEY);
    ck_assert_int_eq(check_signed(s->access_key, s->secret_key, other->token, NOW_MS), SQS_UNKNOWN_KEY);
    ck_assert_int_eq(check_signed(s->access_key, other->secret_key, s->token, NOW_MS), SQS_BAD_SIGNATURE);
    ck_assert_int_eq(check_signed(s->access_key, "secret", s->token, NOW_MS), SQS_BAD_SIGNATURE);
    ck_assert_str_eq(sqs_error_info(SQS_EXPIRED_TOKEN)->query, "ExpiredToken");
    char old_key[21];
    memcpy(old_key, s->access_key, sizeof old_key);
    for (int i = 0; i < SESSIONS_MAX; i++)
        (void)sessions_issue(&g_auth.sessions, slice_of("r"), slice_of("n"), NOW_MS);
    ck_assert_ptr_null(sessions_find(&g_auth.sessions, slice_of(old_key)));
    sessions_clean_up(&g_auth.sessions);
}
END_TEST

/* ---- STS ---- */

static json_t *sts_call(enum sts_op op, json_t *in, struct sts *sts, struct rpc_failure *failure)
{
    *failure = (struct rpc_failure){.error = NULL};
    struct rpc_call call = {.in = in,
                            .is_query = true,
                            .out = json_object(),
                            .failure = failure,
                            .engine = sts,
                            .now_ms = NOW_MS};
    STS_SERVICE.ops[op].run(&call);
    json_decref(in);
    if (failure->error == NULL)
        return call.out;
    json_decref(call.out);
    return NULL;
}

#define ROLE "arn:aws:iam::123456789012:role/path/reader"

static const char *text_at(const json_t *value, const char *a, const char *b)
{
    return json_string_value(json_object_get(json_object_get(value, a), b));
}

START_TEST(roles_are_assumed_for_as_long_as_asked)
{
    struct rpc_failure failure;
    open_auth();
    struct sts sts = {.sessions = &g_auth.sessions, .account = "123456789012", .life_max_ms = 12 * HOUR_MS};
    json_t *out = sts_call(
        STS_ASSUME_ROLE,
        json_pack("{s:s,s:s,s:s}", "RoleArn", ROLE, "RoleSessionName", "me@x", "DurationSeconds", "900"),
        &sts, &failure);
    ck_assert_ptr_nonnull(out);
    ck_assert_str_eq(text_at(out, "AssumedRoleUser", "Arn"),
                     "arn:aws:sts::123456789012:assumed-role/reader/me@x");
    const struct session *made =
        sessions_find(&g_auth.sessions, slice_of(text_at(out, "Credentials", "AccessKeyId")));
    ck_assert_int_eq(made->end_ms, NOW_MS + 900000);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(out, "Credentials"), "Expiration")),
                     NOW_MS / 1000 + 900);
    json_decref(out);
    sts.caller = made;
    out = sts_call(STS_GET_CALLER_IDENTITY, json_object(), &sts, &failure);
    ck_assert_str_eq(json_string_value(json_object_get(out, "Arn")),
                     "arn:aws:sts::123456789012:assumed-role/reader/me@x");
    json_decref(out);
    sts.is_expired = true;
    out = sts_call(STS_ASSUME_ROLE, json_pack("{s:s,s:s}", "RoleArn", ROLE, "RoleSessionName", "me"), &sts,
                   &failure);
    made = sessions_find(&g_auth.sessions, slice_of(text_at(out, "Credentials", "AccessKeyId")));
    ck_assert_int_lt(made->end_ms, NOW_MS);
    json_decref(out);
    sessions_clean_up(&g_auth.sessions);
}
END_TEST

START_TEST(bad_requests_to_sts_are_refused)
{
    /* {"sub":"me","exp":1440938160} and {"sub":"me","exp":1440938161} */
    static const struct {
        enum sts_op op;
        const char *role, *name, *duration, *token, *code;
    } CASES[] = {
        {STS_ASSUME_ROLE, NULL, "me", NULL, NULL, "ValidationError"},
        {STS_ASSUME_ROLE, "arn:aws:iam::1:role/x", "me", NULL, NULL, "ValidationError"},
        {STS_ASSUME_ROLE, "arn:aws:iam::123456789012:user/x", "me", NULL, NULL, "ValidationError"},
        {STS_ASSUME_ROLE, ROLE "\xC3\xA9", "me", NULL, NULL, "ValidationError"},
        {STS_ASSUME_ROLE, ROLE, NULL, NULL, NULL, "ValidationError"},
        {STS_ASSUME_ROLE, ROLE, "m", NULL, NULL, "ValidationError"},
        {STS_ASSUME_ROLE, ROLE, "m e", NULL, NULL, "ValidationError"},
        {STS_ASSUME_ROLE, ROLE, "me", "899", NULL, "ValidationError"},
        {STS_ASSUME_ROLE, ROLE, "me", "43201", NULL, "ValidationError"},
        {STS_ASSUME_ROLE_WITH_WEB_IDENTITY, ROLE, "me", NULL, NULL, "ValidationError"},
        {STS_ASSUME_ROLE_WITH_WEB_IDENTITY, ROLE, "me", NULL, "not a token", "InvalidIdentityToken"},
        {STS_ASSUME_ROLE_WITH_WEB_IDENTITY, ROLE, "me", NULL, "a.!!!.b", "InvalidIdentityToken"},
        {STS_ASSUME_ROLE_WITH_WEB_IDENTITY, ROLE, "me", NULL, "e30.eyJzdWIiOiJtZSIsImV4cCI6MTQ0MDkzODE2MH0.s",
         "ExpiredTokenException"},
        {STS_ASSUME_ROLE_WITH_WEB_IDENTITY, ROLE, "me", NULL, "e30.eyJzdWIiOiJtZSIsImV4cCI6MTQ0MDkzODE2MX0.s",
         NULL},
    };
    open_auth();
    struct sts sts = {.sessions = &g_auth.sessions, .account = "123456789012", .life_max_ms = 12 * HOUR_MS};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct rpc_failure failure;
        json_t *in =
            json_pack("{s:s?,s:s?,s:s?,s:s?}", "RoleArn", CASES[i].role, "RoleSessionName", CASES[i].name,
                      "DurationSeconds", CASES[i].duration, "WebIdentityToken", CASES[i].token);
        json_t *out = sts_call(CASES[i].op, in, &sts, &failure);
        ck_assert_msg((out == NULL) == (CASES[i].code != NULL), "case %zu: %s", i, failure.message);
        if (CASES[i].code != NULL)
            ck_assert_msg(strcmp(rpc_error_code(failure.error), CASES[i].code) == 0, "case %zu: %s", i,
                          failure.message);
        else
            ck_assert_str_eq(json_string_value(json_object_get(out, "SubjectFromWebIdentityToken")), "me");
        json_decref(out);
    }
    sessions_clean_up(&g_auth.sessions);
}
END_TEST

/* ---- containers and instances ---- */

static struct metadata g_metadata;
static struct strbuf g_headers, g_body;

static int get(const char *method, const char *path, const char *header, const char *value, int64_t wall_ms)
{
    struct http_request http = {.method = slice_of(method),
                                .path = slice_of(path),
                                .headers = {{slice_of(header), slice_of(value)}},
                                .header_count = header == NULL ? 0 : 1};
    enum metadata_op op = metadata_container_op(&http);
    op = op == METADATA_OP_MAX ? metadata_instance_op(&http) : op;
    strbuf_clear(&g_headers);
    strbuf_clear(&g_body);
    return metadata_run(&g_metadata, op, &http, wall_ms, false, &g_headers, &g_body);
}

START_TEST(instances_get_credentials_for_a_token)
{
    static const char ROLES[] = "/latest/meta-data/iam/security-credentials/";
    static const char TOKEN[] = "X-aws-ec2-metadata-token";
    static const char LIFE[] = "X-aws-ec2-metadata-token-ttl-seconds";
    char token[40];
    open_auth();
    g_metadata = (struct metadata){.sessions = &g_auth.sessions,
                                   .region = "us-east-1",
                                   .account = "123456789012",
                                   .life_ms = HOUR_MS,
                                   .key = {1, 2}};
    ck_assert_int_eq(get("PUT", "/latest/api/token", NULL, NULL, NOW_MS), 400);
    ck_assert_int_eq(get("PUT", "/latest/api/token", LIFE, "0", NOW_MS), 400);
    ck_assert_int_eq(get("PUT", "/latest/api/token", LIFE, "21601", NOW_MS), 400);
    ck_assert_int_eq(get("PUT", "/latest/api/token", "X-Forwarded-For", "h", NOW_MS), 403);
    ck_assert_int_eq(get("GET", "/latest/api/token", LIFE, "60", NOW_MS), 404);
    ck_assert_int_eq(get("PUT", "/latest/api/token", LIFE, "60", NOW_MS), 200);
    (void)snprintf(token, sizeof token, "%s", strbuf_str(&g_body));
    ck_assert_ptr_nonnull(strstr(strbuf_str(&g_headers), "ttl-seconds: 60\r\n"));

    ck_assert_int_eq(get("GET", ROLES, NULL, NULL, NOW_MS), 401); /* version 1 */
    ck_assert_int_eq(get("GET", ROLES, TOKEN, token, NOW_MS + 60000), 401);
    ck_assert_int_eq(get("GET", ROLES, TOKEN, token, NOW_MS + 59999), 200);
    ck_assert_str_eq(strbuf_str(&g_body), METADATA_ROLE);
    token[3] = token[3] == '0' ? '1' : '0'; /* a longer life than was given */
    ck_assert_int_eq(get("GET", ROLES, TOKEN, token, NOW_MS), 401);
    token[3] = token[3] == '0' ? '1' : '0';
    ck_assert_int_eq(get("GET", "/latest/meta-data/placement/region", TOKEN, token, NOW_MS), 200);
    ck_assert_str_eq(strbuf_str(&g_body), "us-east-1");
    ck_assert_int_eq(get("GET", "/latest/meta-data/iam/security-credentials/other", TOKEN, token, NOW_MS),
                     404);
    ck_assert_int_eq(
        get("GET", "/latest/meta-data/iam/security-credentials/" METADATA_ROLE, TOKEN, token, NOW_MS), 200);
    json_t *keys = json_loads(strbuf_str(&g_body), 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(keys, "Code")), "Success");
    const struct session *s =
        sessions_find(&g_auth.sessions, slice_of(json_string_value(json_object_get(keys, "AccessKeyId"))));
    ck_assert_int_eq(s->end_ms, NOW_MS + HOUR_MS);
    json_decref(keys);
    sessions_clean_up(&g_auth.sessions);
}
END_TEST

START_TEST(containers_get_the_same_keys_until_half_their_time_is_over)
{
    char first[21];
    open_auth();
    g_metadata = (struct metadata){
        .sessions = &g_auth.sessions, .region = "us-east-1", .account = "123456789012", .life_ms = HOUR_MS};
    ck_assert_int_eq(get("GET", "/credentials", NULL, NULL, NOW_MS), 200);
    memcpy(first, sessions_by_number(&g_auth.sessions, 1)->access_key, sizeof first);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&g_body), first));
    ck_assert_int_eq(get("GET", "/credentials", NULL, NULL, NOW_MS + HOUR_MS / 2 - 1), 200);
    ck_assert_ptr_nonnull(strstr(strbuf_str(&g_body), first));
    ck_assert_int_eq(get("GET", "/credentials", NULL, NULL, NOW_MS + HOUR_MS / 2), 200);
    ck_assert_ptr_null(strstr(strbuf_str(&g_body), first));
    g_metadata.token_file = "/nonexistent";
    ck_assert_int_eq(get("GET", "/credentials", "Authorization", "x", NOW_MS), 401);
    ck_assert_int_eq(get("POST", "/credentials", NULL, NULL, NOW_MS), 404);
    sessions_clean_up(&g_auth.sessions);
    strbuf_clean_up(&g_headers);
    strbuf_clean_up(&g_body);
}
END_TEST

UNIT_MAIN("credentials", temporary_keys_are_let_in_with_their_token_until_they_end,
          roles_are_assumed_for_as_long_as_asked, bad_requests_to_sts_are_refused,
          instances_get_credentials_for_a_token, containers_get_the_same_keys_until_half_their_time_is_over)
