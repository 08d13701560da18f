/* Asks a running supervisor over its admin socket, for the commands that do. Blocking. */
#ifndef SLUICE_SUPERVISOR_ADMIN_CLIENT_H
#define SLUICE_SUPERVISOR_ADMIN_CLIENT_H

#include "base/err.h"
#include "base/options.h"
#include "base/strbuf.h"

#include <jansson.h>

/* The options by which these commands find the socket: members `char *config, *socket` of their struct. */
#define ADMIN_SOCKET_ROWS(type)                                                                              \
    {"config",                                                                                               \
     OPTION_STRING,                                                                                          \
     offsetof(type, config),                                                                                 \
     NULL,                                                                                                   \
     0,                                                                                                      \
     0,                                                                                                      \
     NULL,                                                                                                   \
     "FILE",                                                                                                 \
     "configuration file that names the admin socket"},                                                      \
    {                                                                                                        \
        "socket", OPTION_STRING, offsetof(type, socket), NULL, 0, 0, NULL, "PATH",                           \
            "the admin socket itself; without either: /var/lib/sluice/admin.sock"                            \
    }

/* The socket to ask, to be freed: `socket`, else what the configuration file `config` says, else the default;
 * NULL, *ret_exit_code set, after an error was printed in the name of `command`. */
char *admin_client_find_socket(const char *command, const char *config, const char *socket,
                               int *ret_exit_code);

/* GET of a path from `admin`, a socket's path or http://HOST:PORT (admin.listen); the answer's body is
 * appended to out, whatever its code. Waits at most timeout_ms of real time. Returns the HTTP code; or -1
 * with err when nobody answers. */
long admin_client_probe(const char *admin, const char *path, long timeout_ms, struct strbuf *out,
                        struct err *err);

/* GET http path over the unix socket, or POST of a JSON body when `body` is not NULL; the answer's body is
 * appended to out. Waits at most 10 s of real time. Returns the HTTP code; or -1 with err when nobody
 * answers. */
long admin_client_ask(const char *socket_path, const char *path, const char *body, struct strbuf *out,
                      struct err *err);

/* GET; the body of a 200 is appended to out. Returns 0, or -1 with err when nobody answers or the answer is
 * another one. */
int admin_client_get(const char *socket_path, const char *path, struct strbuf *out, struct err *err);

/* admin_client_ask() for a command. Returns the object that a 200 has, to be released; NULL, *ret_exit_code
 * set, after an error was printed: 69 when nobody answers as a supervisor would, 1 when it refuses. */
json_t *admin_client_command(const char *command, const char *socket_path, const char *path, const char *body,
                             int *ret_exit_code);

/* Members of an answer: 0 and "-" when they are not there. */
json_int_t admin_number(const json_t *object, const char *key);
const char *admin_text(const json_t *object, const char *key);

/* A user's name and number, "alice (uid 1000)"; "somebody" for -1. Asks the system's user database: for
 * commands only. */
void admin_append_user(json_int_t uid, struct strbuf *out);

/* An operator's order (override_encode_json()) with what it has left: "PAUSED by alice (uid 1000), 42.0 min
 * left: database maintenance". */
void admin_append_override(const json_t *override, json_int_t left_ms, struct strbuf *out);

/* Text as a part of a URL's path or query (RFC 3986, section 2: all but unreserved characters as %XX). */
void admin_append_escaped(const char *text, struct strbuf *out);

/* To standard output, indented. */
void admin_print_json(const json_t *json);

#endif
