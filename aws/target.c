/* Targets of calls and the signatures of requests to them; see target.h. */
#include "aws/target.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* Length of "https://host:port" at the start of a URL. */
static size_t origin_len(const char *url)
{
    const char *host = strstr(url, "://");
    return host != NULL ? (size_t)(host + 3 - url) + strcspn(host + 3, "/") : strlen(url);
}

static bool serves(const struct aws_target *target, const struct aws_endpoint_query *query)
{
    const char *queue_url = query->queue_url != NULL ? query->queue_url : "";
    if (strcmp(target->service, query->service) != 0)
        return false;
    if (target->endpoint.configured)
        return true;
    size_t len = origin_len(queue_url);
    return strncmp(target->origin, queue_url, len) == 0 && target->origin[len] == '\0';
}

struct aws_target *aws_target_find(struct aws_target_list *list, const struct aws_endpoint_query *query,
                                   struct err *err)
{
    struct aws_target *target = NULL;
    LIST_FOREACH(target, list, link)
    {
        if (serves(target, query))
            return target;
    }
    struct aws_endpoint endpoint;
    if (aws_endpoint_resolve(query, &endpoint, err) != 0)
        return NULL;
    const char *queue_url = query->queue_url != NULL ? query->queue_url : "";
    target = xcalloc(1, sizeof *target);
    target->service = xstrdup(query->service);
    target->origin = xstrndup(queue_url, origin_len(queue_url));
    target->endpoint = endpoint;
    LIST_INSERT_HEAD(list, target, link);
    return target;
}

void aws_targets_clean_up(struct aws_target_list *list)
{
    while (!LIST_EMPTY(list)) {
        struct aws_target *target = LIST_FIRST(list);
        LIST_REMOVE(target, link);
        aws_endpoint_clean_up(&target->endpoint);
        aws_credentials_release(target->key_credentials);
        explicit_bzero(target->key, sizeof target->key);
        strbuf_clean_up(&target->prepared.lines);
        strbuf_clean_up(&target->prepared.canonical);
        strbuf_clean_up(&target->prepared.to_sign);
        free(target->service);
        free(target->origin);
        free(target);
    }
}

/* The signing key of a day is made once: four of the six hashes of a signature. */
static void renew_signing_key(struct aws_target *target, struct aws_credentials *credentials,
                              const struct sigv4_scope *scope)
{
    if (target->key_credentials != credentials ||
        memcmp(target->key_day, scope->stamp, sizeof target->key_day) != 0) {
        sigv4_signing_key(aws_credentials_secret(credentials), scope, target->key);
        aws_credentials_acquire(credentials);
        aws_credentials_release(target->key_credentials);
        target->key_credentials = credentials;
        memcpy(target->key_day, scope->stamp, sizeof target->key_day);
    }
}

static void append_line(struct strbuf *out, const char *name, const char *value)
{
    if (out->len > 0)
        strbuf_append(out, "\r\n", 2);
    strbuf_append_str(out, name);
    strbuf_append(out, ": ", 2);
    strbuf_append_str(out, value);
}

enum { HEADERS_MAX = 6 };

/* Host is written by us, so that what was signed is what libcurl sends. */
static size_t list_headers(const struct aws_target *target, const struct aws_signing *signing,
                           const char *stamp, struct sigv4_header headers[static HEADERS_MAX])
{
    const char *token = aws_credentials_session_token(signing->credentials);
    size_t count = 0;
    headers[count++] = (struct sigv4_header){"Content-Type", signing->content_type};
    headers[count++] = (struct sigv4_header){"Host", target->endpoint.host};
    if (signing->operation != NULL)
        headers[count++] = (struct sigv4_header){"X-Amz-Target", signing->operation};
    if (stamp != NULL)
        headers[count++] = (struct sigv4_header){"X-Amz-Date", stamp};
    if (signing->query_mode)
        headers[count++] = (struct sigv4_header){"X-Amzn-Query-Mode", "true"};
    if (token != NULL)
        headers[count++] = (struct sigv4_header){"X-Amz-Security-Token", token};
    return count;
}

static bool is_prepared(const struct aws_target *target, const struct aws_signing *signing)
{
    const struct aws_prepared *prepared = &target->prepared;
    return prepared->epoch_s == signing->epoch_s && prepared->epoch_s != 0 &&
           prepared->operation == signing->operation && prepared->content_type == signing->content_type &&
           prepared->query_mode == signing->query_mode && target->key_credentials == signing->credentials;
}

/* Everything of a signature that the body has no part in. */
static void prepare(struct aws_target *target, const struct aws_signing *signing)
{
    struct aws_prepared *prepared = &target->prepared;
    struct sigv4_header headers[HEADERS_MAX];
    struct strbuf names = STRBUF_INIT;
    struct sigv4_scope scope = {.region = target->endpoint.region, .service = target->service};
    sigv4_stamp(signing->epoch_s, scope.stamp);
    renew_signing_key(target, signing->credentials, &scope);
    struct sigv4_request request = {.method = "POST", .path = target->endpoint.path, .headers = headers};
    request.header_count = list_headers(target, signing, scope.stamp, headers);
    strbuf_clear(&prepared->canonical);
    strbuf_clear(&prepared->to_sign);
    strbuf_clear(&prepared->lines);
    sigv4_canonical_head(&request, (struct sigv4_path_rule){.normalize = true, .encode_twice = true},
                         &prepared->canonical, &names);
    prepared->canonical_len = prepared->canonical.len;
    sigv4_string_to_sign_head(&scope, &prepared->to_sign);
    prepared->to_sign_len = prepared->to_sign.len;
    for (size_t i = 0; i < request.header_count; i++)
        append_line(&prepared->lines, headers[i].name, headers[i].value);
    append_line(&prepared->lines, "Authorization", "");
    sigv4_authorization(&scope, aws_credentials_access_key_id(signing->credentials), strbuf_str(&names), "",
                        &prepared->lines);
    strbuf_clean_up(&names);
    prepared->epoch_s = signing->epoch_s;
    prepared->operation = signing->operation;
    prepared->content_type = signing->content_type;
    prepared->query_mode = signing->query_mode;
}

/* Puts the hex hash of bytes behind the first `len` bytes of a text. */
static void end_with_hash(struct strbuf *text, size_t len, const char *bytes, size_t bytes_len)
{
    char hash[SIGV4_HEX_BYTES];
    sigv4_sha256_hex(bytes, bytes_len, hash);
    text->len = len;
    strbuf_append(text, hash, SIGV4_HEX_BYTES - 1);
}

void aws_target_sign(struct aws_target *target, const struct aws_signing *signing, struct strbuf *out)
{
    struct aws_prepared *prepared = &target->prepared;
    char signature[SIGV4_HEX_BYTES];
    if (aws_credentials_access_key_id(signing->credentials)[0] == '\0') {
        struct sigv4_header headers[HEADERS_MAX];
        size_t count = list_headers(target, signing, NULL, headers);
        for (size_t i = 0; i < count; i++)
            append_line(out, headers[i].name, headers[i].value);
        return;
    }
    if (!is_prepared(target, signing))
        prepare(target, signing);
    end_with_hash(&prepared->canonical, prepared->canonical_len, signing->body, signing->body_len);
    end_with_hash(&prepared->to_sign, prepared->to_sign_len, prepared->canonical.data,
                  prepared->canonical.len);
    sigv4_signature(target->key, prepared->to_sign.data, prepared->to_sign.len, signature);
    strbuf_append(out, prepared->lines.data, prepared->lines.len);
    strbuf_append(out, signature, SIGV4_HEX_BYTES - 1);
}
