/* AWS Signature Version 4 in stages; see sigv4.h. Owns no state. */
#include "aws/sigv4.h"

#include "aws/digest.h"
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Static_assert((int)SIGV4_KEY_BYTES == (int)AWS_DIGEST_SHA256_BYTES, "the signing key is one HMAC");

enum { FEW = 32 }; /* headers, path segments or query parts sorted on the stack */

/* A piece of somebody's text. */
struct piece {
    const char *at;
    size_t len;
};

void sigv4_stamp(int64_t epoch_s, char stamp[static SIGV4_STAMP_BYTES])
{
    time_t seconds = (time_t)epoch_s;
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(stamp, SIGV4_STAMP_BYTES, "%Y%m%dT%H%M%SZ", &parts) == 0)
        memcpy(stamp, "19700101T000000Z", SIGV4_STAMP_BYTES);
}

void sigv4_sha256_hex(const void *bytes, size_t len, char hex[static SIGV4_HEX_BYTES])
{
    uint8_t hash[AWS_DIGEST_SHA256_BYTES];
    aws_digest_sha256(bytes, len, hash);
    aws_digest_hex(hash, sizeof hash, hex);
}

/* ---- percent encoding ---- */

static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void append_encoded(struct strbuf *out, unsigned char c)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    char text[3] = {'%', DIGITS[c >> 4], DIGITS[c & 15]};
    strbuf_append(out, text, sizeof text);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* ---- path ---- */

/* Characters that RFC 3986 allows in a path as they are, and '%' of an escape. */
static bool is_path_char(unsigned char c)
{
    return is_unreserved(c) || (c != '\0' && strchr("/%!$&'()*+,;=:@", c) != NULL);
}

static void append_path_text(struct strbuf *out, const char *text, size_t len, bool encode)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool keep = encode ? is_unreserved(c) || c == '/' : is_path_char(c);
        if (keep)
            strbuf_append_char(out, (char)c);
        else
            append_encoded(out, c);
    }
}

/* Resolves ".", ".." and empty segments as botocore and aws-c-auth do: a slash ends the result when it ended
 * the path, unlike RFC 3986, where one also takes the place of a final dot segment. */
static void append_normal_path(struct strbuf *out, const char *path, bool encode)
{
    size_t max = 1;
    for (const char *p = path; *p != '\0'; p++)
        max += *p == '/';
    struct piece few[FEW];
    struct piece *kept = max <= FEW ? few : xcalloc(max, sizeof *kept);
    size_t count = 0;
    for (const char *p = path; *p != '\0';) {
        size_t len = strcspn(p, "/");
        bool dot = len == 1 && p[0] == '.';
        bool up = len == 2 && p[0] == '.' && p[1] == '.';
        if (up && count > 0)
            count--;
        else if (!up && !dot && len > 0)
            kept[count++] = (struct piece){p, len};
        p += len + (p[len] == '/');
    }
    for (size_t i = 0; i < count; i++) {
        strbuf_append_char(out, '/');
        append_path_text(out, kept[i].at, kept[i].len, encode);
    }
    if (count == 0 || path[strlen(path) - 1] == '/')
        strbuf_append_char(out, '/');
    if (kept != few)
        free(kept);
}

static void append_path(struct strbuf *out, const char *path, struct sigv4_path_rule rule)
{
    if (path == NULL || path[0] == '\0')
        path = "/";
    if (rule.normalize)
        append_normal_path(out, path, rule.encode_twice);
    else
        append_path_text(out, path, strlen(path), rule.encode_twice);
}

/* ---- query ---- */

/* Appends text with its escapes undone and done again our way, so that "%7e" and "~" sign alike. */
static void append_query_text(struct strbuf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '%' && len - i > 2 && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            c = (unsigned char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        }
        if (is_unreserved(c))
            strbuf_append_char(out, (char)c);
        else
            append_encoded(out, c);
    }
}

struct query_part {
    size_t key_at, key_len, value_at, value_len; /* in the scratch text, encoded */
    const char *scratch;
};

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len;
    int order = memcmp(a, b, len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare_parts(const void *left, const void *right)
{
    const struct query_part *a = left;
    const struct query_part *b = right;
    int order = compare_bytes(a->scratch + a->key_at, a->key_len, b->scratch + b->key_at, b->key_len);
    if (order != 0)
        return order;
    return compare_bytes(a->scratch + a->value_at, a->value_len, b->scratch + b->value_at, b->value_len);
}

static void encode_part(struct strbuf *scratch, struct query_part *part, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    size_t key_len = equals != NULL ? (size_t)(equals - text) : len;
    part->key_at = scratch->len;
    append_query_text(scratch, text, key_len);
    part->key_len = scratch->len - part->key_at;
    part->value_at = scratch->len;
    if (equals != NULL)
        append_query_text(scratch, equals + 1, len - key_len - 1);
    part->value_len = scratch->len - part->value_at;
}

static void append_query(struct strbuf *out, const char *query)
{
    if (query == NULL || query[0] == '\0')
        return;
    size_t max = 1;
    for (const char *p = query; *p != '\0'; p++)
        max += *p == '&';
    struct query_part *parts = xcalloc(max, sizeof *parts);
    struct strbuf scratch = STRBUF_INIT;
    size_t count = 0;
    for (const char *p = query; *p != '\0';) {
        size_t len = strcspn(p, "&");
        if (len > 0)
            encode_part(&scratch, &parts[count++], p, len);
        p += len + (p[len] == '&');
    }
    for (size_t i = 0; i < count; i++)
        parts[i].scratch = strbuf_str(&scratch);
    qsort(parts, count, sizeof *parts, compare_parts);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_append_char(out, '&');
        strbuf_append(out, parts[i].scratch + parts[i].key_at, parts[i].key_len);
        strbuf_append_char(out, '=');
        strbuf_append(out, parts[i].scratch + parts[i].value_at, parts[i].value_len);
    }
    strbuf_clean_up(&scratch);
    free(parts);
}

/* ---- headers ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int compare_names(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return (unsigned char)lower(*a) - (unsigned char)lower(*b);
}

/* Headers that hops on the way or the HTTP library add or change by themselves. */
static bool is_unsigned(const char *name)
{
    static const char *const NAMES[] = {
        "authorization", "connection",        "expect",  "keep-alive", "te",
        "trailer",       "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id"};
    static const char PROXY[] = "proxy-";
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (compare_names(name, NAMES[i]) == 0)
            return true;
    for (size_t i = 0; PROXY[i] != '\0'; i++)
        if (lower(name[i]) != PROXY[i])
            return false;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Trims and makes every inner run of white space one space, also inside quotes and across folded lines. */
static void append_value(struct strbuf *out, const char *value)
{
    bool first = true;
    while (*value != '\0') {
        while (is_space(*value))
            value++;
        size_t len = 0;
        while (value[len] != '\0' && !is_space(value[len]))
            len++;
        if (len == 0)
            break;
        if (!first)
            strbuf_append_char(out, ' ');
        strbuf_append(out, value, len);
        first = false;
        value += len;
    }
}

static void append_lower(struct strbuf *out, const char *name)
{
    size_t len = strlen(name);
    char *to = strbuf_reserve(out, len);
    for (size_t i = 0; i < len; i++)
        to[i] = lower(name[i]);
    to[len] = '\0';
    out->len += len;
}

/* Insertion sort: it keeps repeats in arrival order, and a request has a handful of headers. */
static size_t sort_headers(const struct sigv4_request *request, const struct sigv4_header **sorted)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct sigv4_header *header = &request->headers[i];
        if (is_unsigned(header->name))
            continue;
        size_t at = count++;
        while (at > 0 && compare_names(sorted[at - 1]->name, header->name) > 0) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = header;
    }
    return count;
}

static void append_headers(const struct sigv4_request *request, struct strbuf *out, struct strbuf *names)
{
    const struct sigv4_header *few[FEW];
    const struct sigv4_header **sorted =
        request->header_count <= FEW ? few : xcalloc(request->header_count, sizeof(void *));
    size_t count = sort_headers(request, sorted);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_names(sorted[i - 1]->name, sorted[i]->name) == 0) {
            strbuf_append_char(out, ',');
        } else {
            if (i > 0) {
                strbuf_append_char(out, '\n');
                strbuf_append_char(names, ';');
            }
            append_lower(names, sorted[i]->name);
            append_lower(out, sorted[i]->name);
            strbuf_append_char(out, ':');
        }
        append_value(out, sorted[i]->value);
    }
    if (count > 0)
        strbuf_append_char(out, '\n');
    if (sorted != few)
        free(sorted);
}

/* ---- stages ---- */

void sigv4_canonical_head(const struct sigv4_request *request, struct sigv4_path_rule rule,
                          struct strbuf *out, struct strbuf *signed_names)
{
    size_t names_at = signed_names->len;
    strbuf_append_str(out, request->method);
    strbuf_append_char(out, '\n');
    append_path(out, request->path, rule);
    strbuf_append_char(out, '\n');
    append_query(out, request->query);
    strbuf_append_char(out, '\n');
    append_headers(request, out, signed_names);
    strbuf_append_char(out, '\n');
    strbuf_append_str(out, strbuf_str(signed_names) + names_at);
    strbuf_append_char(out, '\n');
}

void sigv4_canonical_request(const struct sigv4_request *request, struct sigv4_path_rule rule,
                             struct strbuf *out, struct strbuf *signed_names)
{
    char hash[SIGV4_HEX_BYTES];
    sigv4_canonical_head(request, rule, out, signed_names);
    sigv4_sha256_hex(request->body, request->body_len, hash);
    strbuf_append(out, hash, SIGV4_HEX_BYTES - 1);
}

static void append_scope(const struct sigv4_scope *scope, struct strbuf *out)
{
    strbuf_append(out, scope->stamp, 8);
    strbuf_append_char(out, '/');
    strbuf_append_str(out, scope->region);
    strbuf_append_char(out, '/');
    strbuf_append_str(out, scope->service);
    strbuf_append_str(out, "/aws4_request");
}

void sigv4_string_to_sign_head(const struct sigv4_scope *scope, struct strbuf *out)
{
    strbuf_append_str(out, "AWS4-HMAC-SHA256\n");
    strbuf_append_str(out, scope->stamp);
    strbuf_append_char(out, '\n');
    append_scope(scope, out);
    strbuf_append_char(out, '\n');
}

void sigv4_string_to_sign(const struct sigv4_scope *scope, const char *canonical, size_t len,
                          struct strbuf *out)
{
    char hash[SIGV4_HEX_BYTES];
    sigv4_string_to_sign_head(scope, out);
    sigv4_sha256_hex(canonical, len, hash);
    strbuf_append(out, hash, SIGV4_HEX_BYTES - 1);
}

void sigv4_signing_key(const char *secret, const struct sigv4_scope *scope,
                       uint8_t key[static SIGV4_KEY_BYTES])
{
    size_t secret_len = strlen(secret);
    char *seed = xmalloc(secret_len + 5);
    (void)snprintf(seed, secret_len + 5, "AWS4%s", secret);
    uint8_t step[SIGV4_KEY_BYTES];
    aws_digest_hmac_sha256(seed, secret_len + 4, scope->stamp, 8, step);
    aws_digest_hmac_sha256(step, sizeof step, scope->region, strlen(scope->region), step);
    aws_digest_hmac_sha256(step, sizeof step, scope->service, strlen(scope->service), step);
    aws_digest_hmac_sha256(step, sizeof step, "aws4_request", 12, key);
    explicit_bzero(step, sizeof step);
    explicit_bzero(seed, secret_len + 4);
    free(seed);
}

void sigv4_signature(const uint8_t key[static SIGV4_KEY_BYTES], const char *string_to_sign, size_t len,
                     char hex[static SIGV4_HEX_BYTES])
{
    uint8_t mac[AWS_DIGEST_SHA256_BYTES];
    aws_digest_hmac_sha256(key, SIGV4_KEY_BYTES, string_to_sign, len, mac);
    aws_digest_hex(mac, sizeof mac, hex);
}

void sigv4_authorization(const struct sigv4_scope *scope, const char *access_key_id, const char *signed_names,
                         const char *signature, struct strbuf *out)
{
    strbuf_append_str(out, "AWS4-HMAC-SHA256 Credential=");
    strbuf_append_str(out, access_key_id);
    strbuf_append_char(out, '/');
    append_scope(scope, out);
    strbuf_append_str(out, ", SignedHeaders=");
    strbuf_append_str(out, signed_names);
    strbuf_append_str(out, ", Signature=");
    strbuf_append_str(out, signature);
}
