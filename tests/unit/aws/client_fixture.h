/*
 * A client, its loop and a scripted server, shared by all tests that talk to one: test_*.c here and in
 * supervisor/. Static functions and variables: every unit test is one source file and uses what it needs.
 *
 * On top of it: call_fixture.h for the tests of the client itself, operation_fixture.h for those of an API.
 */
#ifndef SLUICE_TESTS_UNIT_AWS_CLIENT_FIXTURE_H
#define SLUICE_TESTS_UNIT_AWS_CLIENT_FIXTURE_H

#include "aws/client.h"
#include "base/clock.h"
#include "tests/unit/aws/fake_server.h"
#include "tests/unit/unit.h"

/* With this seed the first two random numbers are below 0.008: throttled retries come within 16 ms. */
static const uint64_t QUICK_SEED = 70869;

static struct event_base *g_base;
static struct fake_server g_server;
static struct aws_client *g_client;
static struct aws_credentials_provider *g_provider;

static void hermetic_environment(void)
{
    static const char *const NAMES[] = {"AWS_REGION",        "AWS_DEFAULT_REGION",    "AWS_PROFILE",
                                        "AWS_ENDPOINT_URL",  "AWS_ENDPOINT_URL_SQS",  "AWS_MAX_ATTEMPTS",
                                        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                        "http_proxy"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        (void)unsetenv(NAMES[i]);
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    (void)setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
}

static inline struct aws_client_options plain_options(void)
{
    return (struct aws_client_options){.base = g_base,
                                       .region = "us-west-2",
                                       .endpoint_url = g_server.url,
                                       .credentials = g_provider,
                                       .seed = QUICK_SEED};
}

static inline void make_client(const struct aws_client_options *options)
{
    struct err err = {""};
    g_client = aws_client_new(options, &err);
    ck_assert_msg(g_client != NULL, "%s", err.text);
}

/* Loop and server without a client. */
static inline void set_up_bare(void)
{
    hermetic_environment();
    ck_assert_int_eq(clock_init_from(NULL, NULL), 0);
    g_base = loop_base_new();
    fake_start(&g_server, g_base);
    struct aws_credentials *c = aws_credentials_new("AKID", "hush", "TOKEN", 0, "test");
    g_provider = aws_credentials_provider_new_static(c);
    aws_credentials_release(c);
    g_client = NULL;
}

/* Loop, server and client; `max_attempts` 0: as many as a client makes by itself. */
static inline void set_up_client(int max_attempts)
{
    set_up_bare();
    struct aws_client_options options = plain_options();
    options.max_attempts = max_attempts;
    make_client(&options);
}

static inline void tear_down_client(void)
{
    aws_client_destroy(g_client);
    aws_credentials_provider_destroy(g_provider);
    fake_stop(&g_server);
    event_base_free(g_base);
}

#endif
