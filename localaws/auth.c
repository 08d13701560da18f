/* Signature verification: rebuilds the canonical request from what was signed; see auth.h. */
#include "localaws/auth.h"

#include "base/strbuf.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

/* The parts of an Authorization header. */
struct claim {
    struct slice access_key, day, region, service, terminator;
    struct slice signed_names;
    struct slice signature;
};

static struct slice cut(struct slice *rest, char delimiter)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->at, delimiter, rest->len);
    struct slice part = {rest->at, end == NULL ? rest->len : (size_t)(end - rest->at)};
    size_t used = part.len + (end == NULL ? 0 : 1);
    rest->at += used;
    rest->len -= used;
    return part;
}

/* "AWS4-HMAC-SHA256 Credential=AK/day/region/service/aws4_request, SignedHeaders=a;b, Signature=hex" */
static bool parse_claim(struct slice text, struct claim *claim)
{
    *claim = (struct claim){.signature = {NULL, 0}};
    (void)cut(&text, ' ');
    while (text.len > 0) {
        struct slice part = cut(&text, ',');
        while (part.len > 0 && part.at[0] == ' ') {
            part.at++;
            part.len--;
        }
        struct slice name = cut(&part, '=');
        if (slice_is(name, "Credential")) {
            claim->access_key = cut(&part, '/');
            claim->day = cut(&part, '/');
            claim->region = cut(&part, '/');
            claim->service = cut(&part, '/');
            claim->terminator = part;
        } else if (slice_is(name, "SignedHeaders")) {
            claim->signed_names = part;
        } else if (slice_is(name, "Signature")) {
            claim->signature = part;
        }
    }
    return claim->signed_names.len > 0 && claim->signature.len == SIGV4_HEX_BYTES - 1 &&
           claim->access_key.len > 0 && slice_is(claim->terminator, "aws4_request");
}

/* "20150830T123600Z" to epoch ms; -1 when it is not one. */
static int64_t parse_stamp(struct slice text)
{
    struct tm parts = {.tm_sec = 0};
    int n = 0;
    if (text.len != SIGV4_STAMP_BYTES - 1 ||
        sscanf(text.at, "%4d%2d%2dT%2d%2d%2dZ%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
               &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &n) != 6 ||
        n != SIGV4_STAMP_BYTES - 1)
        return -1;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    return (int64_t)timegm(&parts) * 1000;
}

/* The request's headers that were signed; false when one is missing. `host` and `x-amz-date` must be among
 * them. */
static bool pick_headers(const struct http_request *request, struct slice names, struct sigv4_header *headers,
                         size_t *count)
{
    bool has_host = false;
    bool has_date = false;
    *count = 0;
    while (names.len > 0) {
        struct slice name = cut(&names, ';');
        size_t before = *count;
        has_host = has_host || slice_is(name, "host");
        has_date = has_date || slice_is(name, "x-amz-date");
        for (size_t i = 0; i < request->header_count && *count < HTTP_HEADERS_MAX; i++) {
            const struct http_header *h = &request->headers[i];
            if (h->name.len == name.len && strncasecmp(h->name.at, name.at, name.len) == 0)
                headers[(*count)++] = (struct sigv4_header){.name = h->name.at, .value = h->value.at};
        }
        if (*count == before)
            return false;
    }
    return has_host && has_date;
}

static const uint8_t *key_of_day(struct auth *auth, const struct session *session,
                                 const struct sigv4_scope *scope)
{
    uint64_t number = session == NULL ? 0 : session->number;
    for (size_t i = 0; i < AUTH_KEYS_KEPT; i++)
        if (auth->keys[i].session == number && memcmp(auth->keys[i].day, scope->stamp, 8) == 0 &&
            strcmp(auth->keys[i].service, scope->service) == 0)
            return auth->keys[i].key;
    struct auth_key *made = &auth->keys[auth->key_next];
    auth->key_next = (auth->key_next + 1) % AUTH_KEYS_KEPT;
    sigv4_signing_key(session == NULL ? auth->secret_key : session->secret_key, scope, made->key);
    made->session = number;
    memcpy(made->day, scope->stamp, 8);
    (void)snprintf(made->service, sizeof made->service, "%s", scope->service);
    return made->key;
}

static enum sqs_error mismatch(struct sqs_failure *failure, const char *why)
{
    return sqs_fail(
        failure, SQS_BAD_SIGNATURE,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
        " Access Key and signing method. %s",
        why);
}

static enum sqs_error check_signature(struct auth *auth, const struct session *session,
                                      const struct http_request *request, const struct claim *claim,
                                      struct slice stamp, struct sqs_failure *failure)
{
    struct sigv4_header headers[HTTP_HEADERS_MAX];
    struct strbuf canonical = STRBUF_INIT;
    struct strbuf names = STRBUF_INIT;
    struct strbuf to_sign = STRBUF_INIT;
    struct sigv4_scope scope = {.region = auth->region};
    char signature[SIGV4_HEX_BYTES];
    size_t count = 0;
    char service[32];
    if (!pick_headers(request, claim->signed_names, headers, &count))
        return mismatch(failure,
                        "SignedHeaders must name headers that were sent, among them host and x-amz-date.");
    (void)snprintf(service, sizeof service, "%.*s", (int)claim->service.len, claim->service.at);
    scope.service = service;
    memcpy(scope.stamp, stamp.at, SIGV4_STAMP_BYTES - 1);
    scope.stamp[SIGV4_STAMP_BYTES - 1] = '\0';
    struct sigv4_request signed_request = {.method = request->method.at,
                                           .path = request->path.at,
                                           .query = request->query.at,
                                           .headers = headers,
                                           .header_count = count,
                                           .body = request->body,
                                           .body_len = request->body_len};
    sigv4_canonical_request(&signed_request,
                            (struct sigv4_path_rule){.normalize = true, .encode_twice = true}, &canonical,
                            &names);
    sigv4_string_to_sign(&scope, canonical.data, canonical.len, &to_sign);
    sigv4_signature(key_of_day(auth, session, &scope), to_sign.data, to_sign.len, signature);
    bool same_names = slice_equal(claim->signed_names, (struct slice){names.data, names.len});
    bool same = CRYPTO_memcmp(signature, claim->signature.at, SIGV4_HEX_BYTES - 1) == 0;
    strbuf_clean_up(&canonical);
    strbuf_clean_up(&names);
    strbuf_clean_up(&to_sign);
    if (same)
        return SQS_OK;
    return mismatch(
        failure, same_names ? "" : "SignedHeaders holds headers that are not to be signed, or out of order.");
}

/* Keys that were handed out come with their token, and end. A token beside our own key is taken as it is. */
static enum sqs_error check_session(const struct session *session, const struct http_request *request,
                                    int64_t wall_ms, struct sqs_failure *failure)
{
    struct slice token = http_request_header(request, "x-amz-security-token");
    if (!slice_is(token, session->token))
        return sqs_fail(failure, SQS_UNKNOWN_KEY, "The security token included in the request is invalid.");
    if (wall_ms >= session->end_ms)
        return sqs_fail(failure, SQS_EXPIRED_TOKEN, "The security token included in the request is expired");
    return SQS_OK;
}

const struct session *auth_caller(const struct auth *auth, const struct http_request *request)
{
    struct claim claim;
    struct slice text = http_request_header(request, "authorization");
    bool is_claim = slice_starts_with(text, "AWS4-HMAC-SHA256 ") && parse_claim(text, &claim);
    return is_claim ? sessions_find(&auth->sessions, claim.access_key) : NULL;
}

enum sqs_error auth_check(struct auth *auth, const struct http_request *request, const char *service,
                          int64_t wall_ms, struct sqs_failure *failure)
{
    struct claim claim;
    struct slice text = http_request_header(request, "authorization");
    if (text.at == NULL)
        return sqs_fail(failure, SQS_MISSING_TOKEN, "Missing Authentication Token");
    if (!slice_starts_with(text, "AWS4-HMAC-SHA256 ") || !parse_claim(text, &claim))
        return sqs_fail(failure, SQS_INCOMPLETE_SIGNATURE,
                        "The Authorization header must be 'AWS4-HMAC-SHA256 Credential=.../aws4_request,"
                        " SignedHeaders=..., Signature=<64 hex digits>'.");
    const struct session *session = sessions_find(&auth->sessions, claim.access_key);
    if (session == NULL && !slice_is(claim.access_key, auth->access_key))
        return sqs_fail(failure, SQS_UNKNOWN_KEY, "The security token included in the request is invalid.");
    if (!slice_is(claim.region, auth->region))
        return sqs_fail(failure, SQS_BAD_SIGNATURE,
                        "Credential should be scoped to a valid region: this endpoint is %s.", auth->region);
    if (!slice_is(claim.service, service))
        return sqs_fail(failure, SQS_BAD_SIGNATURE, "Credential should be scoped to correct service: '%s'.",
                        service);
    struct slice stamp = http_request_header(request, "x-amz-date");
    int64_t signed_ms = parse_stamp(stamp);
    if (signed_ms < 0 || claim.day.len != 8 || memcmp(stamp.at, claim.day.at, 8) != 0)
        return sqs_fail(failure, SQS_INCOMPLETE_SIGNATURE,
                        "X-Amz-Date must be YYYYMMDDTHHMMSSZ and its day that of the credential's scope.");
    if (signed_ms < wall_ms - AUTH_SKEW_MAX_MS)
        return sqs_fail(failure, SQS_EXPIRED_SIGNATURE,
                        "Signature expired: %s is now earlier than the time 15 minutes ago.", stamp.at);
    if (signed_ms > wall_ms + AUTH_SKEW_MAX_MS)
        return sqs_fail(failure, SQS_EXPIRED_SIGNATURE,
                        "Signature not yet current: %s is still later than the time in 15 minutes.",
                        stamp.at);
    if (session != NULL && check_session(session, request, wall_ms, failure) != SQS_OK)
        return failure->error;
    return check_signature(auth, session, request, &claim, stamp, failure);
}
