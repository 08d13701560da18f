/* Credentials of a container's role; see credentials_container.h. */
#include "aws/credentials_container.h"

#include "aws/credentials_json.h"
#include "aws/endpoint.h"
#include "aws/http.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/loop.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_BYTES_MAX = 32 << 10 };

struct container {
    struct credentials_fetch fetch;
    struct http_client *http;
    char *url;          /* owned */
    struct strbuf line; /* "Authorization: ...", empty: none */
    struct http_exchange *exchange;
    struct loop_timer pause;
    int attempts;
    aws_credentials_fn *fn;
    void *arg;
};

/* ---- settings ---- */

static bool is_allowed_by_http(const struct aws_url *url)
{
    struct in6_addr v6;
    struct in6_addr eks;
    if (aws_url_host_is_loopback(url))
        return true;
    if (url->ipv6)
        return inet_pton(AF_INET6, url->host, &v6) == 1 && inet_pton(AF_INET6, "fd00:ec2::23", &eks) == 1 &&
               memcmp(&v6, &eks, sizeof v6) == 0;
    return strcmp(url->host, "169.254.170.2") == 0 || strcmp(url->host, "169.254.170.23") == 0;
}

int credentials_container_url(const char *relative_uri, const char *full_uri, struct strbuf *out,
                              struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct aws_url url;
    const char *name = relative_uri != NULL ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
                                            : "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    int result = 0;
    if (relative_uri != NULL && relative_uri[0] != '/')
        return err_set(err, "container: %s: want a path that begins with /", name);
    strbuf_appendf(&text, "%s%s", relative_uri != NULL ? "http://169.254.170.2" : "",
                   relative_uri != NULL ? relative_uri : full_uri);
    /* The query may be there, but is no part of what is judged. */
    size_t plain = strcspn(strbuf_str(&text), "?");
    char *base = xstrndup(strbuf_str(&text), plain);
    if (strpbrk(strbuf_str(&text), "# \t\r\n") != NULL)
        result = err_set(err, "container: %s: white space or '#' in it", name);
    else if (aws_url_parse(base, &url, err) != 0)
        result = err_prefix(err, "container: %s", name);
    else if (!url.https && !is_allowed_by_http(&url))
        result = err_set(err,
                         "container: %s: host %.80s is refused: over http only loopback, 169.254.170.2, "
                         "169.254.170.23 and [fd00:ec2::23] are allowed, over https any",
                         name, url.host);
    else
        strbuf_append(out, text.data, text.len);
    free(base);
    strbuf_clean_up(&text);
    return result;
}

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* A line break would let the token write headers of its own. */
static int append_token(struct strbuf *line, const char *token, size_t len, const char *name, struct err *err)
{
    if (len == 0)
        return err_set(err, "container: the token of %s is empty", name);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)token[i] < 0x20 || (unsigned char)token[i] > 0x7e)
            return err_set(err,
                           "container: the token of %s has a line break or another character that is not "
                           "printable ASCII",
                           name);
    strbuf_append_str(line, "Authorization: ");
    strbuf_append(line, token, len);
    return 0;
}

static void wipe(struct strbuf *text)
{
    if (text->data != NULL)
        explicit_bzero(text->data, text->capacity);
    strbuf_clean_up(text);
}

static int read_token(struct strbuf *line, struct err *err)
{
    const char *path = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct strbuf text = STRBUF_INIT;
    int result = 0;
    if (path != NULL) {
        result = file_read(path, TOKEN_BYTES_MAX, &text, err);
        if (result != 0)
            result = err_prefix(err, "container: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        else
            result = append_token(line, strbuf_str(&text), text.len, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                  err);
    } else if (token != NULL) {
        result = append_token(line, token, strlen(token), "AWS_CONTAINER_AUTHORIZATION_TOKEN", err);
    }
    wipe(&text);
    return result;
}

/* ---- requests ---- */

static void container_free(struct container *c)
{
    if (c->exchange != NULL)
        http_cancel(c->exchange);
    loop_timer_clean_up(&c->pause);
    wipe(&c->line);
    free(c->url);
    free(c);
}

static void cancel(struct credentials_fetch *fetch)
{
    container_free((struct container *)fetch);
}

static void finish(struct container *c, struct aws_credentials *found, const struct err *err)
{
    aws_credentials_fn *fn = c->fn;
    void *arg = c->arg;
    container_free(c);
    fn(arg, found, found == NULL ? err : NULL);
    aws_credentials_release(found);
}

static bool is_worth_another(int status)
{
    return status == 0 || status == 429 || status >= 500;
}

/* What a refusal says of itself, if it is JSON as the agents write it. */
static void tell_refusal(struct http_reply *reply, struct err *err)
{
    struct err told = {""};
    char *body = reply->body.data != NULL ? reply->body.data : (char *)"";
    struct aws_credentials *none =
        credentials_json_parse(body, reply->body.len, CREDENTIALS_FORM_ENDPOINT, "container", &told);
    aws_credentials_release(none);
    bool coded = strstr(told.text, "refused with code") != NULL;
    (void)err_set(err, "%s%sHTTP %d", coded ? told.text : "container: the endpoint answered ",
                  coded ? ", " : "", reply->status);
}

static void on_reply(void *arg, struct http_reply *reply)
{
    struct container *c = arg;
    struct err err = {""};
    struct aws_credentials *found = NULL;
    c->exchange = NULL;
    if (is_worth_another(reply->status) && c->attempts < CREDENTIALS_CONTAINER_ATTEMPTS) {
        loop_timer_arm_real_ms(&c->pause, (int64_t)CREDENTIALS_CONTAINER_PAUSE_MS * c->attempts);
        return;
    }
    if (reply->status == 0) {
        (void)err_set(&err, "container: the endpoint cannot be reached: %s: %.120s (%d attempts)",
                      reply->failure, reply->detail, c->attempts);
    } else if (reply->status != 200) {
        tell_refusal(reply, &err);
    } else {
        char *body = reply->body.data != NULL ? reply->body.data : (char *)"";
        found = credentials_json_parse(body, reply->body.len, CREDENTIALS_FORM_ENDPOINT, "container", &err);
        explicit_bzero(body, reply->body.len);
    }
    finish(c, found, &err);
}

static void ask(void *arg)
{
    struct container *c = arg;
    const char *headers[] = {"Accept: application/json", strbuf_str(&c->line)};
    c->attempts++;
    c->exchange = http_start(c->http,
                             &(struct http_call){.method = HTTP_GET,
                                                 .url = c->url,
                                                 .headers = headers,
                                                 .header_count = c->line.len > 0 ? 2 : 1,
                                                 .timeout_ms = CREDENTIALS_CONTAINER_TIMEOUT_MS,
                                                 .reply_bytes_max = CREDENTIALS_JSON_BYTES_MAX},
                             on_reply, c);
}

struct credentials_fetch *credentials_container_start(const struct credentials_io *io, aws_credentials_fn *fn,
                                                      void *arg, struct err *err)
{
    struct strbuf url = STRBUF_INIT;
    struct strbuf line = STRBUF_INIT;
    if (credentials_container_url(env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
                                  env("AWS_CONTAINER_CREDENTIALS_FULL_URI"), &url, err) != 0 ||
        read_token(&line, err) != 0) {
        strbuf_clean_up(&url);
        wipe(&line);
        return NULL;
    }
    struct container *c = xcalloc(1, sizeof *c);
    c->fetch.cancel = cancel;
    c->http = io->http;
    c->url = strbuf_take(&url);
    c->line = line;
    c->fn = fn;
    c->arg = arg;
    loop_timer_init(&c->pause, io->base, ask, c);
    ask(c);
    return &c->fetch;
}
