/* Container credentials and instance metadata; see metadata.h. */
#include "localaws/metadata.h"

#include "base/clock.h"
#include "base/jsonw.h"
#include "localaws/siphash.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define CREDENTIALS_PATH "/latest/meta-data/iam/security-credentials"

static const char *const NAMES[] = {
    [METADATA_CONTAINER_CREDENTIALS] = "GetContainerCredentials",
    [METADATA_CREDENTIALS] = "GetMetadataCredentials",
    [METADATA_DOCUMENT] = "GetMetadataDocument",
    [METADATA_REGION] = "GetMetadataRegion",
    [METADATA_ROLES] = "GetMetadataRoles",
    [METADATA_TOKEN] = "PutMetadataToken",
};

_Static_assert(sizeof NAMES / sizeof *NAMES == METADATA_OP_MAX, "every operation has a name");

const char *metadata_op_name(int op)
{
    return NAMES[op];
}

enum metadata_op metadata_container_op(const struct http_request *http)
{
    bool reads = slice_is(http->method, "GET");
    return reads && slice_is(http->path, "/credentials") ? METADATA_CONTAINER_CREDENTIALS : METADATA_OP_MAX;
}

enum metadata_op metadata_instance_op(const struct http_request *http)
{
    static const struct {
        const char *path;
        enum metadata_op op;
    } PATHS[] = {{CREDENTIALS_PATH, METADATA_ROLES},
                 {CREDENTIALS_PATH "/", METADATA_ROLES},
                 {CREDENTIALS_PATH "/" METADATA_ROLE, METADATA_CREDENTIALS},
                 {"/latest/meta-data/placement/region", METADATA_REGION},
                 {"/latest/dynamic/instance-identity/document", METADATA_DOCUMENT}};
    if (slice_is(http->path, "/latest/api/token"))
        return slice_is(http->method, "PUT") ? METADATA_TOKEN : METADATA_OP_MAX;
    for (size_t i = 0; slice_is(http->method, "GET") && i < sizeof PATHS / sizeof *PATHS; i++)
        if (slice_is(http->path, PATHS[i].path))
            return PATHS[i].op;
    return METADATA_OP_MAX;
}

void metadata_write_error(const char *code, const char *message, struct strbuf *body)
{
    struct jsonw w = JSONW_INIT(body);
    jsonw_object(&w);
    jsonw_key_str(&w, "Code", code);
    jsonw_key_str(&w, "Message", message);
    jsonw_end_object(&w);
}

/* ---- credentials ---- */

/* The same for all who ask, until half of their time is over. */
static const struct session *session_of(struct metadata *m, bool is_instance, int64_t wall_ms, bool expired)
{
    uint64_t *current = &m->current[is_instance ? 1 : 0];
    const struct session *session = sessions_by_number(m->sessions, *current);
    struct slice name = slice_of(is_instance ? "i-0123456789abcdef0" : "container");
    if (expired)
        return sessions_issue(m->sessions, slice_of(METADATA_ROLE), name, wall_ms - 1000);
    if (session == NULL || session->end_ms - wall_ms <= m->life_ms / 2) {
        session = sessions_issue(m->sessions, slice_of(METADATA_ROLE), name, wall_ms + m->life_ms);
        *current = session->number;
    }
    return session;
}

static void write_time(struct jsonw *w, const char *key, int64_t ms)
{
    char text[25];
    jsonw_key_str(w, key, clock_format_iso8601(ms, text));
}

static void write_credentials(struct metadata *m, bool is_instance, int64_t wall_ms, bool expired,
                              struct strbuf *body)
{
    const struct session *session = session_of(m, is_instance, wall_ms, expired);
    struct jsonw w = JSONW_INIT(body);
    jsonw_object(&w);
    if (is_instance) {
        jsonw_key_str(&w, "Code", "Success");
        jsonw_key_str(&w, "Type", "AWS-HMAC");
        write_time(&w, "LastUpdated", wall_ms);
    } else {
        char arn[128];
        (void)snprintf(arn, sizeof arn, "arn:aws:iam::%s:role/%s", m->account, METADATA_ROLE);
        jsonw_key_str(&w, "RoleArn", arn);
    }
    jsonw_key_str(&w, "AccessKeyId", session->access_key);
    jsonw_key_str(&w, "SecretAccessKey", session->secret_key);
    jsonw_key_str(&w, "Token", session->token);
    write_time(&w, "Expiration", session->end_ms);
    jsonw_end_object(&w);
}

/* Whether Authorization is what the file holds, without white space at its end. */
static bool container_is_known(const struct metadata *m, const struct http_request *http)
{
    char token[4096];
    struct slice given = http_request_header(http, "authorization");
    if (m->token_file == NULL)
        return true;
    FILE *file = fopen(m->token_file, "re");
    if (file == NULL)
        return false;
    size_t len = fread(token, 1, sizeof token, file);
    (void)fclose(file);
    while (len > 0 && (token[len - 1] == '\n' || token[len - 1] == '\r' || token[len - 1] == ' '))
        len--;
    bool same = len > 0 && given.len == len && CRYPTO_memcmp(given.at, token, len) == 0;
    OPENSSL_cleanse(token, sizeof token);
    return same;
}

/* ---- tokens of instance metadata: their end, and a hash of it ---- */

static void write_token(const struct metadata *m, int64_t end_ms, char out[static 40])
{
    (void)snprintf(out, 40, "%016" PRIx64 "%016" PRIx64, (uint64_t)end_ms,
                   siphash(m->key, &end_ms, sizeof end_ms));
}

static bool token_is_good(const struct metadata *m, struct slice given, int64_t wall_ms)
{
    char end_text[17] = "";
    char good[40];
    if (given.len != 32)
        return false;
    memcpy(end_text, given.at, 16);
    int64_t end_ms = (int64_t)strtoull(end_text, NULL, 16);
    write_token(m, end_ms, good);
    return CRYPTO_memcmp(good, given.at, 32) == 0 && wall_ms < end_ms;
}

static int give_token(const struct metadata *m, const struct http_request *http, int64_t wall_ms,
                      struct strbuf *headers, struct strbuf *body)
{
    char token[40];
    struct slice life = http_request_header(http, "x-aws-ec2-metadata-token-ttl-seconds");
    char *end = NULL;
    long life_s = life.len == 0 ? 0 : strtol(life.at, &end, 10);
    if (http_request_header(http, "x-forwarded-for").at != NULL)
        return 403; /* through a proxy: not from this instance */
    if (end == NULL || *end != '\0' || life_s < 1 || life_s > METADATA_TOKEN_LIFE_MAX_S)
        return 400;
    write_token(m, wall_ms + life_s * 1000, token);
    strbuf_append_str(body, token);
    strbuf_appendf(headers, "X-aws-ec2-metadata-token-ttl-seconds: %ld\r\n", life_s);
    return 200;
}

/* ---- requests ---- */

int metadata_run(struct metadata *m, enum metadata_op op, const struct http_request *http, int64_t wall_ms,
                 bool expired, struct strbuf *headers, struct strbuf *body)
{
    if (op == METADATA_OP_MAX)
        return 404;
    if (op == METADATA_TOKEN)
        return give_token(m, http, wall_ms, headers, body);
    if (op == METADATA_CONTAINER_CREDENTIALS) {
        if (!container_is_known(m, http)) {
            metadata_write_error("AccessDenied", "Authorization is not the token that is wanted here.", body);
            return 401;
        }
        write_credentials(m, false, wall_ms, expired, body);
        return 200;
    }
    if (!token_is_good(m, http_request_header(http, "x-aws-ec2-metadata-token"), wall_ms))
        return 401;
    if (op == METADATA_CREDENTIALS)
        write_credentials(m, true, wall_ms, expired, body);
    else if (op == METADATA_DOCUMENT)
        strbuf_appendf(body,
                       "{\"accountId\":\"%s\",\"region\":\"%s\",\"instanceId\":\"i-0123456789abcdef0\"}",
                       m->account, m->region);
    else
        strbuf_append_str(body, op == METADATA_REGION ? m->region : METADATA_ROLE);
    return 200;
}
