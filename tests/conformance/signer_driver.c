/*
 * Signs requests for a test: each line of stdin is a JSON object {method, path, query, headers: [[name,
 * value]...], body, stamp, region, service, id, secret, normalize, encode_twice}; each line of stdout has the
 * stages.
 */
#include "aws/sigv4.h"
#include "base/alloc.h"
#include "base/jsonw.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL) {
        (void)fprintf(stderr, "signer_driver: no text \"%s\"\n", key);
        exit(EXIT_FAILURE);
    }
    return text;
}

static void print_stages(const struct sigv4_request *request, struct sigv4_path_rule rule, json_t *line)
{
    struct strbuf canonical = STRBUF_INIT;
    struct strbuf names = STRBUF_INIT;
    struct strbuf to_sign = STRBUF_INIT;
    struct strbuf authorization = STRBUF_INIT;
    struct strbuf out = STRBUF_INIT;
    struct sigv4_scope scope = {.region = text_of(line, "region"), .service = text_of(line, "service")};
    uint8_t key[SIGV4_KEY_BYTES];
    char signature[SIGV4_HEX_BYTES];
    (void)snprintf(scope.stamp, sizeof scope.stamp, "%s", text_of(line, "stamp"));
    sigv4_canonical_request(request, rule, &canonical, &names);
    sigv4_string_to_sign(&scope, strbuf_str(&canonical), canonical.len, &to_sign);
    sigv4_signing_key(text_of(line, "secret"), &scope, key);
    sigv4_signature(key, strbuf_str(&to_sign), to_sign.len, signature);
    sigv4_authorization(&scope, text_of(line, "id"), strbuf_str(&names), signature, &authorization);
    struct jsonw w = JSONW_INIT(&out);
    jsonw_object(&w);
    jsonw_key_str(&w, "canonical", strbuf_str(&canonical));
    jsonw_key_str(&w, "string_to_sign", strbuf_str(&to_sign));
    jsonw_key_str(&w, "signature", signature);
    jsonw_key_str(&w, "authorization", strbuf_str(&authorization));
    jsonw_end_object(&w);
    (void)puts(strbuf_str(&out));
    strbuf_clean_up(&canonical);
    strbuf_clean_up(&names);
    strbuf_clean_up(&to_sign);
    strbuf_clean_up(&authorization);
    strbuf_clean_up(&out);
}

static void sign_line(json_t *line)
{
    json_t *list = json_object_get(line, "headers");
    size_t count = json_array_size(list);
    struct sigv4_header *headers = xcalloc(count, sizeof *headers);
    for (size_t i = 0; i < count; i++) {
        json_t *pair = json_array_get(list, i);
        headers[i].name = json_string_value(json_array_get(pair, 0));
        headers[i].value = json_string_value(json_array_get(pair, 1));
    }
    const char *body = text_of(line, "body");
    struct sigv4_request request = {.method = text_of(line, "method"),
                                    .path = text_of(line, "path"),
                                    .query = text_of(line, "query"),
                                    .headers = headers,
                                    .header_count = count,
                                    .body = body,
                                    .body_len = strlen(body)};
    struct sigv4_path_rule rule = {.normalize = json_is_true(json_object_get(line, "normalize")),
                                   .encode_twice = json_is_true(json_object_get(line, "encode_twice"))};
    print_stages(&request, rule, line);
    free(headers);
}

int main(void)
{
    char *text = NULL;
    size_t capacity = 0;
    while (getline(&text, &capacity, stdin) > 0) {
        json_error_t error;
        json_t *line = json_loads(text, 0, &error);
        if (line == NULL) {
            (void)fprintf(stderr, "signer_driver: %s\n", error.text);
            return EXIT_FAILURE;
        }
        sign_line(line);
        json_decref(line);
    }
    free(text);
    return EXIT_SUCCESS;
}
