/* Credentials from environment and profile files, and what is said when there are none. */
#include "aws/credentials.h"

#include "base/clock.h"
#include "base/loop.h"

#include "tests/unit/unit.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

struct answer {
    struct aws_credentials *credentials; /* acquired */
    char error[512];
    int calls;
};

static void on_answer(void *arg, struct aws_credentials *credentials, const struct err *err)
{
    struct answer *answer = arg;
    answer->calls++;
    answer->credentials = credentials != NULL ? aws_credentials_acquire(credentials) : NULL;
    ck_assert((credentials == NULL) == (err != NULL));
    (void)snprintf(answer->error, sizeof answer->error, "%s", err != NULL ? err->text : "");
}

static struct answer get(struct aws_credentials_provider *provider)
{
    struct answer answer = {.credentials = NULL};
    aws_credentials_provider_get(provider, on_answer, &answer);
    ck_assert_int_eq(answer.calls, 1);
    return answer;
}

static struct event_base *g_base;
static char g_config[] = "/tmp/sluice-config-XXXXXX";
static char g_credentials[] = "/tmp/sluice-keys-XXXXXX";

static void set_files(const char *config, const char *credentials)
{
    const char *const paths[] = {g_config, g_credentials};
    const char *const texts[] = {config, credentials};
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(paths[i], "w");
        ck_assert_ptr_nonnull(file);
        (void)fputs(texts[i], file);
        (void)fclose(file);
    }
}

static void clear_environment(void)
{
    static const char *const NAMES[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_CREDENTIAL_EXPIRATION",
                                        "AWS_PROFILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        (void)unsetenv(NAMES[i]);
    if (strstr(g_config, "XXXXXX") != NULL) {
        (void)close(mkstemp(g_config));
        (void)close(mkstemp(g_credentials));
    }
    if (g_base == NULL)
        g_base = loop_base_new();
    (void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    (void)setenv("AWS_CONFIG_FILE", g_config, 1);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", g_credentials, 1);
    set_files("", "");
}

/* One look-up with a new default provider: "id secret token expires source", or the error. */
static void check_found(const char *id, const char *secret, const char *token, const char *source)
{
    struct aws_credentials_provider *provider = aws_credentials_provider_new_default(g_base, NULL);
    struct answer answer = get(provider);
    ck_assert_msg(answer.credentials != NULL, "%s", answer.error);
    ck_assert_str_eq(aws_credentials_access_key_id(answer.credentials), id);
    ck_assert_str_eq(aws_credentials_secret(answer.credentials), secret);
    ck_assert_pstr_eq(aws_credentials_session_token(answer.credentials), token);
    ck_assert_str_eq(aws_credentials_source(answer.credentials), source);
    aws_credentials_release(answer.credentials);
    aws_credentials_provider_destroy(provider);
}

static void check_error(const char *text)
{
    struct aws_credentials_provider *provider = aws_credentials_provider_new_default(g_base, NULL);
    struct answer answer = get(provider);
    ck_assert_ptr_null(answer.credentials);
    ck_assert_msg(strstr(answer.error, text) != NULL, "%s", answer.error);
    ck_assert_ptr_null(strstr(answer.error, "hush"));
    aws_credentials_provider_destroy(provider);
}

START_TEST(a_snapshot_keeps_copies)
{
    char id[] = "id";
    struct aws_credentials *c = aws_credentials_new(id, "hush", "", 42, "here");
    id[0] = 'x';
    struct aws_credentials *again = aws_credentials_acquire(c);
    aws_credentials_release(c);
    ck_assert_str_eq(aws_credentials_access_key_id(again), "id");
    ck_assert_ptr_null(aws_credentials_session_token(again));
    ck_assert_int_eq(aws_credentials_expires_ms(again), 42);
    aws_credentials_release(again);
    aws_credentials_release(NULL);
}
END_TEST

START_TEST(the_environment_comes_first)
{
    clear_environment();
    set_files("", "[default]\naws_access_key_id = file\naws_secret_access_key = hush2\n");
    check_found("file", "hush2", NULL, "profile default");
    (void)setenv("AWS_ACCESS_KEY_ID", "env", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "hush1", 1);
    check_found("env", "hush1", NULL, "environment");
    (void)setenv("AWS_SESSION_TOKEN", "TOKEN", 1);
    check_found("env", "hush1", "TOKEN", "environment");
    (void)setenv("AWS_ACCESS_KEY_ID", "", 1); /* empty is unset */
    check_found("file", "hush2", NULL, "profile default");
}
END_TEST

START_TEST(an_id_without_a_secret_is_an_error_and_stops_the_search)
{
    clear_environment();
    set_files("", "[default]\naws_access_key_id = file\naws_secret_access_key = hush2\n");
    (void)setenv("AWS_ACCESS_KEY_ID", "env", 1);
    check_error("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not");
    (void)setenv("AWS_SECRET_ACCESS_KEY", "", 1);
    check_error("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not");
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    (void)setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    set_files("", "");
    check_error("AWS_ACCESS_KEY_ID is not set although AWS_SECRET_ACCESS_KEY is");
}
END_TEST

START_TEST(expiration_of_the_environment_is_read)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: an error */
    } TIMES[] = {{"2030-01-02T03:04:05Z", 1893553445000},
                 {"2030-01-02T03:04:05.678Z", 1893553445000},
                 {"2030-01-02T05:04:05+02:00", 1893553445000},
                 {"2030-01-02T00:34:05-02:30", 1893553445000},
                 {"tomorrow", -1},
                 {"2030-01-02", -1},
                 {"2030-01-02T03:04:05", -1},
                 {"2030-01-02T03:04:05+2", -1}};
    for (size_t i = 0; i < sizeof TIMES / sizeof TIMES[0]; i++) {
        clear_environment();
        (void)setenv("AWS_ACCESS_KEY_ID", "env", 1);
        (void)setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
        (void)setenv("AWS_CREDENTIAL_EXPIRATION", TIMES[i].text, 1);
        struct aws_credentials_provider *provider = aws_credentials_provider_new_default(g_base, NULL);
        struct answer answer = get(provider);
        if (TIMES[i].ms < 0)
            ck_assert_ptr_nonnull(strstr(answer.error, "AWS_CREDENTIAL_EXPIRATION"));
        else
            ck_assert_int_eq(aws_credentials_expires_ms(answer.credentials), TIMES[i].ms);
        aws_credentials_release(answer.credentials);
        aws_credentials_provider_destroy(provider);
    }
}
END_TEST

START_TEST(a_profile_may_be_split_over_both_files)
{
    clear_environment();
    (void)setenv("AWS_PROFILE", "prod", 1);
    set_files("[profile prod]\naws_session_token = TOKEN\naws_access_key_id = old\n",
              "[prod]\naws_access_key_id = id\naws_secret_access_key = hush\n");
    check_found("id", "hush", "TOKEN", "profile prod");
}
END_TEST

START_TEST(every_lack_is_told)
{
    clear_environment();
    check_error("environment: AWS_ACCESS_KEY_ID is not set; profile default: in neither the config nor the "
                "credentials file");
    check_error("web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; container: "
                "AWS_CONTAINER_CREDENTIALS_*_URI is not set; instance: AWS_EC2_METADATA_DISABLED is true");
    set_files("", "[default]\nregion = x\n");
    check_error("profile default: has neither keys nor role_arn nor credential_process");
    set_files("", "[default]\naws_access_key_id = id\n");
    check_error("profile default: has aws_access_key_id but no aws_secret_access_key");
    set_files("", "nonsense\n");
    check_error("line 1: a key before any [section]");
    set_files("", "[default]\naws_access_key_id = i d\naws_secret_access_key = hush\n");
    check_error("not printable ASCII");
}
END_TEST

START_TEST(an_answer_is_kept_until_it_is_refused)
{
    clear_environment();
    (void)setenv("AWS_ACCESS_KEY_ID", "one", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    struct aws_credentials_provider *provider = aws_credentials_provider_new_default(g_base, NULL);
    struct answer first = get(provider);
    (void)setenv("AWS_ACCESS_KEY_ID", "two", 1);
    struct answer second = get(provider);
    ck_assert_ptr_eq(first.credentials, second.credentials);
    aws_credentials_provider_invalidate(provider, first.credentials);
    struct answer third = get(provider);
    ck_assert_str_eq(aws_credentials_access_key_id(third.credentials), "two");
    ck_assert_str_eq(aws_credentials_access_key_id(first.credentials), "one");
    aws_credentials_provider_invalidate(provider, first.credentials); /* late news of the old set */
    (void)setenv("AWS_ACCESS_KEY_ID", "three", 1);
    struct answer fourth = get(provider);
    ck_assert_ptr_eq(third.credentials, fourth.credentials);
    aws_credentials_release(first.credentials);
    aws_credentials_release(second.credentials);
    aws_credentials_release(third.credentials);
    aws_credentials_release(fourth.credentials);
    aws_credentials_provider_destroy(provider);
}
END_TEST

START_TEST(a_refused_set_that_comes_back_is_the_same_pointer)
{
    clear_environment();
    (void)setenv("AWS_ACCESS_KEY_ID", "one", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    struct aws_credentials_provider *provider = aws_credentials_provider_new_default(g_base, NULL);
    struct answer first = get(provider);
    aws_credentials_provider_invalidate(provider, first.credentials);
    struct answer second = get(provider);
    ck_assert_ptr_eq(first.credentials, second.credentials);
    /* And that is not tried again at once. */
    (void)setenv("AWS_ACCESS_KEY_ID", "two", 1);
    aws_credentials_provider_invalidate(provider, first.credentials);
    struct answer third = get(provider);
    ck_assert_ptr_eq(first.credentials, third.credentials);
    aws_credentials_release(first.credentials);
    aws_credentials_release(second.credentials);
    aws_credentials_release(third.credentials);
    aws_credentials_provider_destroy(provider);
}
END_TEST

START_TEST(a_lack_of_settings_is_not_remembered)
{
    clear_environment();
    struct aws_credentials_provider *provider = aws_credentials_provider_new_default(g_base, NULL);
    ck_assert_ptr_null(get(provider).credentials);
    (void)setenv("AWS_ACCESS_KEY_ID", "one", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    struct answer answer = get(provider);
    ck_assert_ptr_nonnull(answer.credentials);
    ck_assert_str_eq(aws_credentials_access_key_id(answer.credentials), "one");
    aws_credentials_release(answer.credentials);
    aws_credentials_provider_destroy(provider);
}
END_TEST

START_TEST(a_set_that_has_ended_by_our_clock_is_used)
{
    clear_environment();
    (void)setenv("AWS_ACCESS_KEY_ID", "one", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    (void)setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z", 1);
    check_found("one", "hush", NULL, "environment");
}
END_TEST

START_TEST(a_static_provider_always_has_its_set)
{
    struct aws_credentials *c = aws_credentials_new("id", "hush", NULL, 0, "test");
    struct aws_credentials_provider *provider = aws_credentials_provider_new_static(c);
    aws_credentials_release(c);
    aws_credentials_provider_invalidate(provider, c);
    struct answer answer = get(provider);
    ck_assert_ptr_eq(answer.credentials, c);
    aws_credentials_release(answer.credentials);
    aws_credentials_provider_destroy(provider);
    aws_credentials_provider_destroy(NULL);
}
END_TEST

START_TEST(clean_up)
{
    (void)unlink(g_config);
    (void)unlink(g_credentials);
    event_base_free(g_base);
}
END_TEST

UNIT_MAIN("credentials", a_snapshot_keeps_copies, the_environment_comes_first,
          an_id_without_a_secret_is_an_error_and_stops_the_search, expiration_of_the_environment_is_read,
          a_profile_may_be_split_over_both_files, every_lack_is_told, an_answer_is_kept_until_it_is_refused,
          a_refused_set_that_comes_back_is_the_same_pointer, a_lack_of_settings_is_not_remembered,
          a_set_that_has_ended_by_our_clock_is_used, a_static_provider_always_has_its_set, clean_up)
