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
        free(target->service);
        free(target->origin);
        free(target);
    }
}

void aws_sign_scratch_clean_up(struct aws_sign_scratch *scratch)
{
    strbuf_clean_up(&scratch->canonical);
    strbuf_clean_up(&scratch->signed_names);
    strbuf_clean_up(&scratch->to_sign);
}

/* The signing key of a day is made once: four of the six hashes of a signature. */
static const uint8_t *signing_key(struct aws_target *target, struct aws_credentials *credentials,
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
    return target->key;
}

static void append_line(struct strbuf *out, const char *name, const char *value)
{
    strbuf_append_str(out, name);
    strbuf_append(out, ": ", 2);
    strbuf_append(out, value, strlen(value) + 1);
}

/* Appends the Authorization line for the request. */
static void append_authorization(struct aws_target *target, const struct aws_signing *signing,
                                 const struct sigv4_scope *scope, const struct sigv4_request *request,
                                 struct aws_sign_scratch *scratch, struct strbuf *out)
{
    char signature[SIGV4_HEX_BYTES];
    strbuf_clear(&scratch->canonical);
    strbuf_clear(&scratch->signed_names);
    strbuf_clear(&scratch->to_sign);
    sigv4_canonical_request(request, (struct sigv4_path_rule){.normalize = true, .encode_twice = true},
                            &scratch->canonical, &scratch->signed_names);
    sigv4_string_to_sign(scope, scratch->canonical.data, scratch->canonical.len, &scratch->to_sign);
    sigv4_signature(signing_key(target, signing->credentials, scope), scratch->to_sign.data,
                    scratch->to_sign.len, signature);
    strbuf_append_str(out, "Authorization: ");
    sigv4_authorization(scope, aws_credentials_access_key_id(signing->credentials),
                        scratch->signed_names.data, signature, out);
    strbuf_append_char(out, '\0');
}

size_t aws_target_sign(struct aws_target *target, const struct aws_signing *signing,
                       struct aws_sign_scratch *scratch, struct strbuf *out)
{
    const char *token = aws_credentials_session_token(signing->credentials);
    bool anonymous = aws_credentials_access_key_id(signing->credentials)[0] == '\0';
    struct sigv4_scope scope = {.region = target->endpoint.region, .service = target->service};
    sigv4_stamp(signing->epoch_s, scope.stamp);
    /* Host is written by us, so that what was signed is what libcurl sends. */
    struct sigv4_header headers[6] = {{"Host", target->endpoint.host},
                                      {"Content-Type", signing->content_type}};
    size_t count = 2;
    if (signing->operation != NULL)
        headers[count++] = (struct sigv4_header){"X-Amz-Target", signing->operation};
    if (!anonymous)
        headers[count++] = (struct sigv4_header){"X-Amz-Date", scope.stamp};
    if (signing->query_mode)
        headers[count++] = (struct sigv4_header){"X-Amzn-Query-Mode", "true"};
    if (token != NULL)
        headers[count++] = (struct sigv4_header){"X-Amz-Security-Token", token};
    struct sigv4_request request = {.method = "POST",
                                    .path = target->endpoint.path,
                                    .headers = headers,
                                    .header_count = count,
                                    .body = signing->body,
                                    .body_len = signing->body_len};
    for (size_t i = 0; i < count; i++)
        append_line(out, headers[i].name, headers[i].value);
    if (anonymous)
        return count;
    append_authorization(target, signing, &scope, &request, scratch, out);
    return count + 1;
}
