/* Telemetry by HTTP; see telemetry_server.h. */
#include "supervisor/telemetry_server.h"

#include "base/alloc.h"
#include "base/bearer_token.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_server.h"
#include "supervisor/task_account.h"

#include <stdlib.h>
#include <string.h>

enum {
    FDS_KEPT_FREE = 64,
    CONNECTIONS_MIN = 64,
    CONNECTIONS_MAX = 20000,
    TOKEN_AGAIN_REAL_MS = 1000 /* a token that does not match may be a new one: the file is read so often */
};

struct telemetry_server {
    const struct config *config;
    telemetry_post_fn *post;
    void *arg;
    struct status_server *http;
    struct bearer_token token; /* len 0: none is wanted */
    int64_t token_ms;          /* monotonic: when it was read */
    uint64_t answers[TELEMETRY_ANSWER_MAX];
    uint64_t unauthorized;
};

/* ---- the token ---- */

static int read_token(struct telemetry_server *server, struct err *err)
{
    const char *path = server->config->telemetry.token_file;
    const char *name = server->config->telemetry.token_env;
    server->token_ms = clock_mono_ms();
    if (path != NULL)
        return bearer_token_read("telemetry.token_file", path, &server->token, err);
    if (name == NULL)
        return 0;
    const char *text = getenv(name);
    if (text == NULL)
        return err_set(err, "telemetry.token_env: \"%.200s\": want a variable of the environment", name);
    return bearer_token_set("telemetry.token_env", text, strlen(text), &server->token, err);
}

static bool has_token(struct telemetry_server *server, const struct status_request *request)
{
    struct err err;
    const char *given = status_request_header(request, "Authorization");
    if (server->token.len == 0 || status_token_matches(given, server->token.text))
        return true;
    if (given == NULL || clock_mono_ms() - server->token_ms < TOKEN_AGAIN_REAL_MS)
        return false;
    if (read_token(server, &err) != 0)
        LOG(LOG_WARNING, "the telemetry token cannot be read again, the old one stands",
            LOG_STR("error", err.text));
    return status_token_matches(given, server->token.text);
}

/* Of many the first and then ever fewer. */
static bool is_worth_saying(uint64_t count)
{
    return (count & (count - 1)) == 0;
}

/* ---- one POST ---- */

static void refuse(struct telemetry_server *server, struct status_reply *reply)
{
    server->unauthorized++;
    if (is_worth_saying(server->unauthorized))
        LOG(LOG_WARNING, "telemetry without the right token refused",
            LOG_INT("count", (int64_t)server->unauthorized));
    status_reply_error(reply, 401,
                       "want Authorization: Bearer and the token of telemetry.token_file or token_env");
}

static void take_post(void *arg, const struct status_request *request, struct status_reply *reply)
{
    struct telemetry_server *server = arg;
    if (!has_token(server, request)) {
        refuse(server, reply);
        return;
    }
    enum telemetry_answer answer = server->post(server->arg, request->rest, request->body, request->body_len);
    server->answers[answer]++;
    reply->content_type = "application/x-ndjson";
    if (answer == TELEMETRY_ANSWER_BAD)
        status_reply_error(reply, 400, "no ready line that names the worker");
    else if (answer == TELEMETRY_ANSWER_TOO_MANY)
        status_reply_error(reply, 429, "more workers than this fleet can have");
    else if (answer == TELEMETRY_ANSWER_NO_FLEET)
        status_reply_error(reply, 404, "no ECS fleet of that name");
    if (answer == TELEMETRY_ANSWER_NO_FLEET && is_worth_saying(server->answers[answer]))
        LOG(LOG_WARNING, "telemetry for a fleet that is none of ours", LOG_STR("fleet", request->rest),
            LOG_INT("count", (int64_t)server->answers[answer]));
}

static const struct status_route ROUTES[] = {
    {.path = "/v1/telemetry/", .fn = take_post, .methods = STATUS_POST, .body_max = TASK_POST_BYTES_MAX},
    {.path = NULL},
};

/* ---- life ---- */

int telemetry_server_check(const struct config *config, struct err *err)
{
    struct telemetry_server server = {.config = config};
    int rc = read_token(&server, err);
    bearer_token_wipe(&server.token);
    return rc == 0 ? 0 : err_prefix(err, "%s", config->path);
}

/* Every worker keeps its connection, and in a deployment there are two generations. */
static int connections_of(const struct config *config)
{
    int64_t most = CONNECTIONS_MIN;
    for (size_t i = 0; i < config->fleet_count; i++)
        if (config->fleets[i].type == FLEET_ECS)
            most += 2 * config->fleets[i].controller.capacity.max;
    return most < CONNECTIONS_MAX ? (int)most : CONNECTIONS_MAX;
}

struct telemetry_server *telemetry_server_new(struct event_base *base, const struct config *config,
                                              telemetry_post_fn *post, void *arg, struct err *err)
{
    struct telemetry_server *server = xcalloc(1, sizeof *server);
    server->config = config;
    server->post = post;
    server->arg = arg;
    struct status_server_options options = {.name = "telemetry",
                                            .routes = ROUTES,
                                            .arg = server,
                                            .fds_kept_free = FDS_KEPT_FREE,
                                            .connections_max = connections_of(config)};
    if (read_token(server, err) == 0)
        server->http =
            status_server_listen(base, "telemetry.listen", config->telemetry.listen, &options, err);
    if (server->http != NULL)
        return server;
    telemetry_server_destroy(server);
    return NULL;
}

void telemetry_server_destroy(struct telemetry_server *server)
{
    if (server == NULL)
        return;
    status_server_destroy(server->http);
    bearer_token_wipe(&server->token);
    free(server);
}

void telemetry_server_write_status(const struct telemetry_server *server, struct jsonw *w)
{
    jsonw_object(w);
    jsonw_key_int(w, "port", status_server_port(server->http));
    jsonw_key_bool(w, "token", server->token.len > 0);
    jsonw_key_int(w, "connections", status_server_connections(server->http));
    jsonw_key_int(w, "posts", (int64_t)server->answers[TELEMETRY_ANSWER_TAKEN]);
    jsonw_key_int(w, "unauthorized", (int64_t)server->unauthorized);
    jsonw_key_int(w, "bad", (int64_t)server->answers[TELEMETRY_ANSWER_BAD]);
    jsonw_key_int(w, "too_many", (int64_t)server->answers[TELEMETRY_ANSWER_TOO_MANY]);
    jsonw_key_int(w, "no_fleet", (int64_t)server->answers[TELEMETRY_ANSWER_NO_FLEET]);
    jsonw_end_object(w);
}
