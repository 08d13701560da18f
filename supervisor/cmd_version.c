/* sluice version: which build this is and which libraries it runs with. */
#include "supervisor/commands.h"

#include "base/exitcode.h"
#include "base/jsonw.h"
#include "base/strbuf.h"
#include "base/version.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdio.h>

struct version_options {
    bool json;
};

static const struct option_row ROWS[] = {
    {"json", OPTION_BOOL, offsetof(struct version_options, json), "false", 0, 0, NULL, NULL, "print JSON"},
    OPTION_END,
};

const struct command_spec CMD_VERSION_SPEC = {
    .name = "version",
    .summary = "Prints the version of sluice and of the libraries it runs with.",
    .rows = ROWS,
};

static void print_json(const curl_version_info_data *curl)
{
    struct strbuf out = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&out);
    jsonw_object(&w);
    jsonw_key_str(&w, "version", SLUICE_VERSION);
    jsonw_key_str(&w, "libcurl", curl->version);
    jsonw_key_str(&w, "tls", curl->ssl_version);
    jsonw_key_str(&w, "libcrypto", OpenSSL_version(OPENSSL_VERSION));
    jsonw_key_str(&w, "jansson", jansson_version_str());
    jsonw_key_str(&w, "libevent", event_get_version());
    jsonw_end_object(&w);
    (void)printf("%s\n", strbuf_str(&out));
    strbuf_clean_up(&out);
}

int cmd_version(int argc, char **argv)
{
    struct version_options options = {.json = false};
    int exit_code = command_parse(&CMD_VERSION_SPEC, &options, argc, argv, NULL, NULL);
    if (exit_code != COMMAND_GO_ON)
        goto done;
    exit_code = EXIT_CODE_OK;
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    if (options.json)
        print_json(curl);
    else
        (void)printf("sluice %s (libcurl %s, %s, jansson %s, libevent %s)\n", SLUICE_VERSION, curl->version,
                     OpenSSL_version(OPENSSL_VERSION), jansson_version_str(), event_get_version());
done:
    options_clean_up(ROWS, &options);
    return exit_code;
}
