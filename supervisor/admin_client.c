/* HTTP to the admin socket; see admin_client.h. */
#include "supervisor/admin_client.h"

#include "base/alloc.h"
#include "base/exitcode.h"
#include "policies/explain.h"
#include "supervisor/commands.h"
#include "supervisor/config.h"

#include <ctype.h>
#include <curl/curl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { TIMEOUT_MS = 10000, REPLY_MAX_BYTES = 64 * 1024 * 1024 };

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    struct strbuf *out = arg;
    if (out->len + size * count > REPLY_MAX_BYTES)
        return 0;
    strbuf_append(out, bytes, size * count);
    return size * count;
}

static void set_body(CURL *curl, const char *body, struct curl_slist **ret_headers)
{
    *ret_headers = curl_slist_append(NULL, "Content-Type: application/json");
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *ret_headers);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    (void)curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
}

static long perform(CURL *curl, const char *socket_path, struct err *err)
{
    char error[CURL_ERROR_SIZE] = "";
    long code = 0;
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    CURLcode status = curl_easy_perform(curl);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    if (status == CURLE_OK)
        return code;
    /* curl's own words for this would speak of the host's name, which stands for nothing here. */
    long code_of_system = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &code_of_system);
    if (status == CURLE_COULDNT_CONNECT)
        return err_set(err, "no supervisor answers on %s: %s", socket_path,
                       code_of_system != 0 ? strerror((int)code_of_system) : "cannot connect");
    return err_set(err, "no supervisor answers on %s: %s", socket_path,
                   error[0] != '\0' ? error : curl_easy_strerror(status));
}

/* admin: a socket's path, or http://HOST:PORT. body NULL: GET. */
static long ask(const char *admin, const char *path, const char *body, long timeout_ms, struct strbuf *out,
                struct err *err)
{
    struct strbuf url = STRBUF_INIT;
    struct curl_slist *headers = NULL;
    bool is_url = strncmp(admin, "http://", strlen("http://")) == 0;
    size_t len = strlen(admin);
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return err_set(err, "cannot start a request: out of memory");
    if (is_url) {
        len -= admin[len - 1] == '/';
        strbuf_appendf(&url, "%.*s%s", (int)len, admin, path);
    } else {
        /* The host is only a name here: the socket decides who is asked. */
        strbuf_appendf(&url, "http://localhost%s", path);
        (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, admin);
    }
    (void)curl_easy_setopt(curl, CURLOPT_URL, strbuf_str(&url));
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    if (body != NULL)
        set_body(curl, body, &headers);
    long code = perform(curl, admin, err);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    strbuf_clean_up(&url);
    return code;
}

long admin_client_probe(const char *admin, const char *path, long timeout_ms, struct strbuf *out,
                        struct err *err)
{
    return ask(admin, path, NULL, timeout_ms, out, err);
}

long admin_client_ask(const char *socket_path, const char *path, const char *body, struct strbuf *out,
                      struct err *err)
{
    return ask(socket_path, path, body, TIMEOUT_MS, out, err);
}

int admin_client_get(const char *socket_path, const char *path, struct strbuf *out, struct err *err)
{
    long code = admin_client_ask(socket_path, path, NULL, out, err);
    if (code >= 0 && code != 200)
        return err_set(err, "the supervisor on %s answers HTTP %ld to %s", socket_path, code, path);
    return code == 200 ? 0 : -1;
}

char *admin_client_find_socket(const char *command, const char *config_path, const char *socket,
                               int *ret_exit_code)
{
    struct config config = {.path = NULL};
    struct err err = {.text = ""};
    if (socket != NULL)
        return xstrdup(socket);
    if (config_path == NULL)
        return xstrdup(CONFIG_STATE_DIR_DEFAULT "/admin.sock");
    if (config_load(config_path, &config, &err) != 0) {
        *ret_exit_code = command_fail(command, EXIT_CODE_CONFIG, "%s", err.text);
        return NULL;
    }
    char *path = xstrdup(config.admin.socket);
    config_clean_up(&config);
    return path;
}

json_t *admin_client_command(const char *command, const char *socket_path, const char *path, const char *body,
                             int *ret_exit_code)
{
    struct strbuf answer = STRBUF_INIT;
    struct err err = {.text = ""};
    json_error_t where;
    long code = admin_client_ask(socket_path, path, body, &answer, &err);
    json_t *json = json_loadb(strbuf_str(&answer), answer.len, 0, &where);
    const char *refusal = json_string_value(json_object_get(json, "error"));
    bool good = code == 200 && json_is_object(json);
    if (code < 0)
        *ret_exit_code = command_fail(command, EXIT_CODE_UNAVAILABLE, "%s", err.text);
    else if (!good && code >= 400 && refusal != NULL)
        *ret_exit_code =
            command_fail(command, code < 500 ? EXIT_CODE_NO : EXIT_CODE_UNAVAILABLE, "%s", refusal);
    else if (!good)
        *ret_exit_code =
            command_fail(command, EXIT_CODE_UNAVAILABLE,
                         "what answers on %s is no supervisor: HTTP %ld to %s", socket_path, code, path);
    if (!good) {
        json_decref(json);
        json = NULL;
    }
    strbuf_clean_up(&answer);
    return json;
}

json_int_t admin_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

const char *admin_text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "-";
}

void admin_append_user(json_int_t uid, struct strbuf *out)
{
    const struct passwd *user = uid >= 0 ? getpwuid((uid_t)uid) : NULL;
    if (uid < 0)
        strbuf_append_str(out, "somebody");
    else if (user == NULL)
        strbuf_appendf(out, "uid %lld", (long long)uid);
    else
        strbuf_appendf(out, "%s (uid %lld)", user->pw_name, (long long)uid);
}

void admin_append_override(const json_t *override, json_int_t left_ms, struct strbuf *out)
{
    if (strcmp(admin_text(override, "action"), "pause") == 0)
        strbuf_append_str(out, "PAUSED by ");
    else
        strbuf_appendf(out, "SCALED to %lld by ", (long long)admin_number(override, "desired"));
    admin_append_user(json_is_integer(json_object_get(override, "uid")) ? admin_number(override, "uid") : -1,
                      out);
    strbuf_append_str(out, ", ");
    explain_span(left_ms, out);
    strbuf_appendf(out, " left: %s", admin_text(override, "reason"));
}

void admin_append_escaped(const char *text, struct strbuf *out)
{
    for (; *text != '\0'; text++)
        if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL)
            strbuf_append_char(out, *text);
        else
            strbuf_appendf(out, "%%%02X", (unsigned char)*text);
}

void admin_print_json(const json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2));
    (void)printf("%s\n", text != NULL ? text : "{}");
    free(text);
}
