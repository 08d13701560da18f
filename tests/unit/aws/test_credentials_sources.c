/* Sources that have to be asked, against a scripted server and real programs; one fetch for many who ask. */
#include "aws/credentials.h"

#include "aws/credentials_container.h"
#include "aws/credentials_json.h"
#include "aws/credentials_process.h"
#include "aws/sts.h"
#include "base/child_wait.h"
#include "base/clock.h"
#include "base/file.h"
#include "tests/unit/aws/fake_server.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/wait.h>

/* In 2040: to be renewed a quarter of an hour before. */
static const char SET_ONE[] = "{\"AccessKeyId\":\"ONE\",\"SecretAccessKey\":\"hush\",\"Token\":\"T\","
                              "\"Expiration\":\"2040-01-01T00:00:00Z\"}";
static const char SET_TWO[] = "{\"Code\":\"Success\",\"AccessKeyId\":\"TWO\",\"SecretAccessKey\":\"hush\","
                              "\"Token\":\"T\",\"Expiration\":\"2040-01-01T00:00:00Z\"}";

struct answer {
    struct aws_credentials *credentials; /* acquired */
    char error[512];
    int calls;
};

static struct event_base *g_base;
static struct fake_server g_server;
static struct aws_credentials_provider *g_provider;
static char g_token_path[] = "/tmp/sluice-token-XXXXXX";

static void on_answer(void *arg, struct aws_credentials *credentials, const struct err *err)
{
    struct answer *answer = arg;
    answer->calls++;
    answer->credentials = credentials != NULL ? aws_credentials_acquire(credentials) : NULL;
    (void)snprintf(answer->error, sizeof answer->error, "%s", err != NULL ? err->text : "");
    ck_assert_ptr_null(strstr(answer->error, "hush"));
}

static void set_up(void)
{
    static const char *const NAMES[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_DISABLED",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_MAX_ATTEMPTS"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        (void)unsetenv(NAMES[i]);
    (void)setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    (void)setenv("AWS_REGION", "us-west-2", 1);
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not be used */
    ck_assert_int_eq(clock_init_from(NULL, NULL), 0);
    g_base = loop_base_new();
    fake_start(&g_server, g_base);
    g_provider = aws_credentials_provider_new_default(g_base, NULL);
}

static void set_up_container(void)
{
    char url[128];
    set_up();
    (void)snprintf(url, sizeof url, "%s/creds?role=a", g_server.url);
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
}

static void set_up_instance(void)
{
    set_up();
    (void)setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", g_server.url, 1);
}

static void tear_down(void)
{
    aws_credentials_provider_destroy(g_provider);
    fake_stop(&g_server);
    event_base_free(g_base);
}

static void wait_for(const struct answer *answer)
{
    while (answer->calls == 0)
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
}

static struct answer get(void)
{
    struct answer answer = {.credentials = NULL};
    aws_credentials_provider_get(g_provider, on_answer, &answer);
    wait_for(&answer);
    ck_assert_int_eq(answer.calls, 1);
    return answer;
}

static void expect_key(const char *id, const char *source)
{
    struct answer answer = get();
    ck_assert_msg(answer.credentials != NULL, "%s", answer.error);
    ck_assert_str_eq(aws_credentials_access_key_id(answer.credentials), id);
    ck_assert_str_eq(aws_credentials_source(answer.credentials), source);
    aws_credentials_release(answer.credentials);
}

static void expect_error(const char *part)
{
    struct answer answer = get();
    ck_assert_ptr_null(answer.credentials);
    ck_assert_msg(strstr(answer.error, part) != NULL, "%s", answer.error);
}

static bool has_line(int index, const char *line)
{
    ck_assert_int_lt(index, g_server.request_count);
    return strncmp(g_server.requests[index].head, line, strlen(line)) == 0;
}

static void write_file(const char *path, const char *text)
{
    ck_assert_int_eq(file_write_unsynced(path, text, strlen(text), 0600, NULL), 0);
}

/* ---- container ---- */

START_TEST(many_who_ask_share_one_fetch)
{
    set_up_container();
    struct answer answers[5] = {{.calls = 0}};
    FAKE_SCRIPT(&g_server, {.status = 200, .body = SET_ONE});
    for (int i = 0; i < 5; i++)
        aws_credentials_provider_get(g_provider, on_answer, &answers[i]);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(answers[i].calls, i == 0 ? 0 : answers[0].calls);
        wait_for(&answers[i]);
        ck_assert_ptr_eq(answers[i].credentials, answers[0].credentials);
    }
    expect_key("ONE", "container"); /* and the next ones are answered from the cache */
    ck_assert_int_eq(g_server.request_count, 1);
    ck_assert(has_line(0, "GET /creds?role=a HTTP/1.1\r\n"));
    ck_assert_str_eq(fake_header(&g_server, 0, "Authorization"), "");
    for (int i = 0; i < 5; i++)
        aws_credentials_release(answers[i].credentials);
    tear_down();
}
END_TEST

START_TEST(the_token_file_is_read_for_each_fetch_and_wins)
{
    set_up_container();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = SET_ONE}, {.status = 200, .body = SET_TWO});
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "plain", 1);
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", g_token_path, 1);
    write_file(g_token_path, "first token");
    struct answer one = get();
    write_file(g_token_path, "second");
    aws_credentials_provider_invalidate(g_provider, one.credentials);
    expect_key("TWO", "container");
    ck_assert_str_eq(fake_header(&g_server, 0, "Authorization"), "first token");
    ck_assert_str_eq(fake_header(&g_server, 1, "Authorization"), "second");
    ck_assert_str_eq(aws_credentials_access_key_id(one.credentials), "ONE"); /* a snapshot does not change */
    aws_credentials_release(one.credentials);
    tear_down();
}
END_TEST

START_TEST(a_token_with_a_line_break_is_refused)
{
    set_up_container();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = SET_ONE});
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nX-Evil: 1", 1);
    expect_error("AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break");
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", g_token_path, 1);
    write_file(g_token_path, "token\n");
    expect_error("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE has a line break");
    (void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nonexistent", 1);
    expect_error("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: open /nonexistent");
    ck_assert_int_eq(g_server.request_count, 0);
    tear_down();
}
END_TEST

START_TEST(a_throttled_endpoint_is_asked_three_times)
{
    set_up_container();
    FAKE_SCRIPT(&g_server, {.status = 429}, {.act = FAKE_RESET}, {.status = 200, .body = SET_ONE});
    expect_key("ONE", "container");
    ck_assert_int_eq(g_server.request_count, 3);
    tear_down();
}
END_TEST

START_TEST(a_refusal_is_told_and_the_instance_is_not_asked_instead)
{
    set_up_container();
    (void)setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", g_server.url, 1);
    FAKE_SCRIPT(&g_server,
                {.status = 404, .body = "{\"code\":\"NoIdInRequest\",\"message\":\"no id\\nhere\"}"});
    expect_error("container: refused with code NoIdInRequest: no id?here, HTTP 404");
    ck_assert_int_eq(g_server.request_count, 1);
    tear_down();
}
END_TEST

START_TEST(only_known_hosts_are_asked_over_http)
{
    static const struct {
        const char *relative, *full;
        const char *url; /* NULL: refused */
    } ROWS[] = {{"/v2/credentials/x", NULL, "http://169.254.170.2/v2/credentials/x"},
                {"/x", "http://evil.example/", "http://169.254.170.2/x"},
                {NULL, "https://anywhere.example/x", "https://anywhere.example/x"},
                {NULL, "http://169.254.170.2/x?a=b", "http://169.254.170.2/x?a=b"},
                {NULL, "http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"},
                {NULL, "http://[fd00:ec2::23]/v1", "http://[fd00:ec2::23]/v1"},
                {NULL, "http://[fd00:ec2:0::23]:80/v1", "http://[fd00:ec2:0::23]:80/v1"},
                {NULL, "http://127.9.9.9:1/x", "http://127.9.9.9:1/x"},
                {NULL, "http://[::1]/x", "http://[::1]/x"},
                {NULL, "http://localhost/x", "http://localhost/x"},
                {NULL, "http://evil.example/x", NULL},
                {NULL, "http://169.254.169.254/x", NULL},
                {NULL, "http://169.254.170.2.evil.example/x", NULL},
                {NULL, "http://169.254.170.22/x", NULL},
                {NULL, "http://127.0.0.1.evil.example/x", NULL},
                {NULL, "http://evil.example?http://127.0.0.1/", NULL},
                {NULL, "http://127.0.0.1@evil.example/", NULL},
                {NULL, "http://[fd00:ec2::254]/x", NULL},
                {NULL, "http://10.0.0.1/x", NULL},
                {NULL, "ftp://127.0.0.1/x", NULL},
                {NULL, "http://127.0.0.1/x y", NULL},
                {"x", NULL, NULL},
                {"@evil.example/", NULL, NULL},
                {"/x\r\nHost: y", NULL, NULL}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct strbuf url = STRBUF_INIT;
        struct err err = {""};
        int rc = credentials_container_url(ROWS[i].relative, ROWS[i].full, &url, &err);
        ck_assert_msg((rc == 0) == (ROWS[i].url != NULL), "row %zu: %s %s", i, strbuf_str(&url), err.text);
        ck_assert_str_eq(strbuf_str(&url), ROWS[i].url != NULL ? ROWS[i].url : "");
        ck_assert(rc == 0 || strstr(err.text, "container: AWS_CONTAINER_CREDENTIALS_") != NULL);
        strbuf_clean_up(&url);
    }
}
END_TEST

START_TEST(a_refused_set_is_replaced_and_a_failed_search_for_another_is_told)
{
    set_up_container();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = SET_ONE}, {.status = 403});
    struct answer one = get();
    aws_credentials_provider_invalidate(g_provider, one.credentials);
    expect_error("the endpoint answered HTTP 403");
    ck_assert_int_eq(g_server.request_count, 2);
    expect_error("the endpoint answered HTTP 403"); /* remembered for a second */
    ck_assert_int_eq(g_server.request_count, 2);
    aws_credentials_release(one.credentials);
    tear_down();
}
END_TEST

START_TEST(who_waits_when_the_provider_ends_is_told)
{
    set_up_container();
    struct answer answer = {.calls = 0};
    FAKE_SCRIPT(&g_server, {.act = FAKE_HANG});
    aws_credentials_provider_get(g_provider, on_answer, &answer);
    while (g_server.request_count == 0)
        (void)event_base_loop(g_base, EVLOOP_ONCE);
    ck_assert_int_eq(answer.calls, 0);
    tear_down();
    ck_assert_int_eq(answer.calls, 1);
    ck_assert_ptr_null(answer.credentials);
}
END_TEST

/* ---- instance ---- */

START_TEST(the_instance_is_asked_by_version_two)
{
    set_up_instance();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "TOKEN=="}, {.status = 200, .body = "my-role\n"},
                {.status = 200, .body = "TOKEN2"}, {.status = 200, .body = SET_TWO});
    expect_key("TWO", "instance, role my-role");
    ck_assert_int_eq(g_server.request_count, 4);
    ck_assert(has_line(0, "PUT /latest/api/token HTTP/1.1\r\n"));
    ck_assert_str_eq(fake_header(&g_server, 0, "X-aws-ec2-metadata-token-ttl-seconds"), "21600");
    ck_assert(has_line(1, "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n"));
    ck_assert_str_eq(fake_header(&g_server, 1, "X-aws-ec2-metadata-token"), "TOKEN==");
    ck_assert(has_line(3, "GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1\r\n"));
    ck_assert_str_eq(fake_header(&g_server, 3, "X-aws-ec2-metadata-token"), "TOKEN2");
    tear_down();
}
END_TEST

START_TEST(a_refused_token_is_renewed_once)
{
    set_up_instance();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "A"}, {.status = 401}, {.status = 200, .body = "B"},
                {.status = 401});
    expect_error("instance: GET of metadata answered HTTP 401");
    ck_assert_int_eq(g_server.request_count, 4);
    ck_assert_str_eq(fake_header(&g_server, 3, "X-aws-ec2-metadata-token"), "B");
    tear_down();
}
END_TEST

START_TEST(a_put_that_hangs_names_the_hop_limit_and_every_other_source)
{
    set_up_instance();
    FAKE_SCRIPT(&g_server, {.act = FAKE_HANG});
    struct answer answer = get();
    static const char *const PARTS[] = {"environment: AWS_ACCESS_KEY_ID is not set",
                                        "profile default: in neither",
                                        "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set",
                                        "container: AWS_CONTAINER_CREDENTIALS_*_URI is not set",
                                        "instance: PUT of a token to ",
                                        "hop limit of 2 or more"};
    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++)
        ck_assert_msg(strstr(answer.error, PARTS[i]) != NULL, "%s", answer.error);
    ck_assert_int_eq(g_server.request_count, 1); /* no version 1, no other attempt */
    tear_down();
}
END_TEST

START_TEST(every_other_refusal_of_a_token_is_told_and_version_one_is_not_used)
{
    static const struct {
        struct fake_step step;
        const char *text;
    } ROWS[] = {{{.status = 403}, "is turned off for this instance"},
                {{.status = 404}, "has no IMDSv2 (HTTP 404), and version 1 is not used"},
                {{.status = 405}, "has no IMDSv2"},
                {{.status = 400}, "PUT of a token to http://127.0.0.1"},
                {{.status = 200}, "brought no token"},
                {{.status = 200, .body = "a\r\nb"}, "brought no token"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        set_up_instance();
        fake_script(&g_server, &ROWS[i].step, 1);
        expect_error(ROWS[i].text);
        ck_assert_int_eq(g_server.request_count, 1);
        tear_down();
    }
}
END_TEST

START_TEST(an_instance_without_a_good_role_is_told)
{
    set_up_instance();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "A"}, {.status = 404});
    expect_error("no role is attached to the instance");
    tear_down();
    set_up_instance();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "A"}, {.status = 200, .body = "../x"});
    expect_error("names no valid role");
    tear_down();
    set_up_instance();
    FAKE_SCRIPT(&g_server, {.status = 200, .body = "A"}, {.status = 200, .body = "r"},
                {.status = 200, .body = "A"},
                {.status = 200, .body = "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"trust\"}"});
    expect_error("instance, role r: refused with code AssumeRoleUnauthorizedAccess: trust");
    tear_down();
}
END_TEST

/* ---- programs ---- */

static void use_process(const char *command)
{
    char text[512];
    (void)snprintf(text, sizeof text, "[default]\ncredential_process = %s\n", command);
    write_file(g_token_path, text);
    (void)setenv("AWS_CONFIG_FILE", g_token_path, 1);
}

START_TEST(a_program_prints_credentials)
{
    set_up();
    use_process("/bin/echo '{\"Version\":1,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"hush\"}'");
    expect_key("P", "profile default, credential_process");
    tear_down();
}
END_TEST

START_TEST(what_goes_wrong_with_a_program_is_told_without_its_output)
{
    static const char *const ROWS[][2] = {
        {"/bin/false", "the program ended with exit 1"},
        {"/bin/sh -c 'kill -9 $$'", "the program ended with signal 9"},
        {"/bin/sh -c 'echo hush; exit 3'", "the program ended with exit 3"},
        {"/bin/echo hush", "not the JSON it should be"},
        {"/bin/echo '{\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"hush\"}'", "no \"Version\": 1"},
        {"/bin/echo '{\"Version\":1,\"AccessKeyId\":\"P\"}'", "the answer has no SecretAccessKey"},
        {"/bin/echo "
         "'{\"Version\":1,\"AccessKeyId\":\"P\",\"SecretAccessKey\":\"hush\",\"Expiration\":\"x\"}'",
         "Expiration is no time"},
        {"/usr/bin/yes hush", "printed too much and was killed"},
        {"/nonexistent/program", "start /nonexistent/program"},
        {"/bin/echo 'open", "a quote that is not closed"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        set_up();
        use_process(ROWS[i][0]);
        expect_error(ROWS[i][1]);
        tear_down();
    }
}
END_TEST

START_TEST(a_program_that_takes_too_long_is_killed_with_its_group)
{
    set_up();
    struct answer answer = {.calls = 0};
    struct credentials_io io = {.base = g_base};
    struct err err = {""};
    ck_assert_ptr_nonnull(credentials_process_start(&io, "/bin/sh -c 'sleep 1000 & wait'", "here", 50,
                                                    on_answer, &answer, &err));
    wait_for(&answer);
    ck_assert_str_eq(answer.error, "here: the program took too long and was killed");
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* reaped */
    tear_down();
}
END_TEST

/* What a reaper does that knows nothing of our child. */
static void steal(evutil_socket_t number, short what, void *arg)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, 0);
    (void)number;
    (void)what;
    (void)arg;
    if (pid < 0)
        return; /* a late signal: our own look at the child was sooner */
    ck_assert(child_wait_deliver(pid, status));
    ck_assert(!child_wait_deliver(pid, status));
}

START_TEST(a_program_whose_status_a_reaper_took_ends_with_it)
{
    set_up();
    struct event *signal_event = evsignal_new(g_base, SIGCHLD, steal, NULL);
    (void)event_add(signal_event, NULL);
    use_process("/bin/sh -c 'exec >/dev/null; sleep 0.05; exit 5'");
    expect_error("the program ended with exit 5");
    event_free(signal_event);
    tear_down();
}
END_TEST

START_TEST(command_lines_are_split_as_the_aws_tools_do)
{
    static const char *const ROWS[][2] = {{"a b", "a|b"},
                                          {"  a\t'b c'  ", "a|b c"},
                                          {"\"a b\"c d", "a bc|d"},
                                          {"a '' \"\"", "a||"},
                                          {"a\\ b \"\\\"\\\\\\n\" 'x\\y'", "a b|\"\\\\n|x\\y"},
                                          {"a $HOME `x` ; * > f", "a|$HOME|`x`|;|*|>|f"},
                                          {"", NULL},
                                          {"   ", NULL},
                                          {"a 'b", NULL},
                                          {"a \"b", NULL},
                                          {"a\\", NULL}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct strbuf joined = STRBUF_INIT;
        struct err err = {""};
        char **words = credentials_process_split(ROWS[i][0], &err);
        for (size_t k = 0; words != NULL && words[k] != NULL; k++)
            strbuf_appendf(&joined, "%s%s", k > 0 ? "|" : "", words[k]);
        ck_assert((words != NULL) == (ROWS[i][1] != NULL));
        ck_assert_str_eq(strbuf_str(&joined), ROWS[i][1] != NULL ? ROWS[i][1] : "");
        ck_assert(words != NULL || strstr(err.text, "credential_process has ") != NULL);
        strbuf_clean_up(&joined);
        free(words);
    }
}
END_TEST

/* ---- roles ---- */

#define ROLE_REPLY(id)                                                                                       \
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>" id "</AccessKeyId>"                   \
    "<SecretAccessKey>hush</SecretAccessKey><SessionToken>T-" id "</SessionToken>"                           \
    "<Expiration>2040-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"

static void use_config(const char *text)
{
    write_file(g_token_path, text);
    (void)setenv("AWS_CONFIG_FILE", g_token_path, 1);
    (void)setenv("AWS_ENDPOINT_URL_STS", g_server.url, 1);
}

START_TEST(roles_are_assumed_one_by_the_other)
{
    set_up();
    use_config("[default]\nrole_arn = arn:aws:iam::1:role/outer\nsource_profile = b\nexternal_id = x y\n"
               "duration_seconds = 900\nrole_session_name = me\n"
               "[profile b]\nrole_arn = arn:inner\nsource_profile = c\n"
               "[profile c]\naws_access_key_id = BASE\naws_secret_access_key = hush\n");
    FAKE_SCRIPT(&g_server, {.status = 200, .body = ROLE_REPLY("INNER")},
                {.status = 200, .body = ROLE_REPLY("OUTER")});
    expect_key("OUTER", "profile default, role arn:aws:iam::1:role/outer");
    ck_assert_int_eq(g_server.request_count, 2);
    ck_assert_ptr_nonnull(strstr(fake_header(&g_server, 0, "Authorization"), "Credential=BASE/"));
    ck_assert_ptr_nonnull(strstr(fake_header(&g_server, 0, "Authorization"), "/us-west-2/sts/aws4_request"));
    ck_assert_ptr_nonnull(strstr(g_server.requests[0].body,
                                 "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Ainner&RoleSessionName="
                                 "sluice-"));
    ck_assert_ptr_nonnull(strstr(fake_header(&g_server, 1, "Authorization"), "Credential=INNER/"));
    ck_assert_str_eq(fake_header(&g_server, 1, "X-Amz-Security-Token"), "T-INNER");
    ck_assert_str_eq(g_server.requests[1].body,
                     "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fouter&"
                     "RoleSessionName=me&ExternalId=x%20y&DurationSeconds=900");
    tear_down();
}
END_TEST

START_TEST(a_role_that_is_denied_is_told)
{
    set_up();
    use_config("[default]\nrole_arn = arn:r\nsource_profile = default\naws_access_key_id = BASE\n"
               "aws_secret_access_key = hush\n");
    FAKE_SCRIPT(&g_server, {.status = 403,
                            .body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                                    "<Message>not authorized</Message></Error></ErrorResponse>"});
    expect_error("profile default, role arn:r: AssumeRole: denied: AccessDenied: not authorized");
    ck_assert_int_eq(g_server.request_count, 1);
    tear_down();
}
END_TEST

START_TEST(a_web_identity_is_unsigned_and_its_token_read_each_time)
{
    set_up();
    use_config("");
    char path[] = "/tmp/sluice-web-XXXXXX";
    (void)close(mkstemp(path));
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", path, 1);
    (void)setenv("AWS_ROLE_ARN", "arn:w", 1);
    (void)setenv("AWS_ROLE_SESSION_NAME", "web", 1);
    FAKE_SCRIPT(&g_server, {.status = 200, .body = ROLE_REPLY("WEB1")},
                {.status = 200, .body = ROLE_REPLY("WEB2")});
    expect_error("web identity, role arn:w: token file: ");
    write_file(path, "a.b.c\n");
    expect_key("WEB1", "web identity, role arn:w");
    struct answer one = get();
    write_file(path, "d.e.f");
    aws_credentials_provider_invalidate(g_provider, one.credentials);
    expect_key("WEB2", "web identity, role arn:w");
    ck_assert_str_eq(fake_header(&g_server, 0, "Authorization"), "");
    ck_assert_str_eq(fake_header(&g_server, 0, "X-Amz-Date"), "");
    ck_assert_str_eq(g_server.requests[0].body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn="
                                                "arn%3Aw&RoleSessionName=web&WebIdentityToken=a.b.c");
    ck_assert_ptr_nonnull(strstr(g_server.requests[1].body, "WebIdentityToken=d.e.f"));
    aws_credentials_release(one.credentials);
    (void)unlink(path);
    tear_down();
}
END_TEST

START_TEST(every_source_can_be_left_in_the_middle)
{
    for (int i = 0; i < 4; i++) {
        struct answer answer = {.calls = 0};
        if (i == 0)
            set_up_instance();
        else
            set_up();
        FAKE_SCRIPT(&g_server, {.act = FAKE_HANG});
        if (i == 1)
            use_config("[default]\nrole_arn = arn:r\nsource_profile = default\naws_access_key_id = BASE\n"
                       "aws_secret_access_key = hush\n");
        if (i == 2)
            use_config("[default]\nrole_arn = arn:r\nweb_identity_token_file = /proc/self/comm\n");
        if (i == 3)
            use_process("/bin/sleep 1000");
        aws_credentials_provider_get(g_provider, on_answer, &answer);
        while (i < 3 && g_server.request_count == 0)
            (void)event_base_loop(g_base, EVLOOP_ONCE);
        ck_assert_int_eq(answer.calls, 0);
        tear_down();
        ck_assert_int_eq(answer.calls, 1);
        ck_assert_ptr_null(answer.credentials);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    }
}
END_TEST

/* ---- who we are ---- */

struct who {
    int calls;
    enum aws_kind kind;
    char code[96];
    struct sts_identity identity;
};

static void on_identity(void *arg, const struct aws_result *result, const struct sts_identity *identity)
{
    struct who *who = arg;
    who->calls++;
    who->kind = result->kind;
    (void)snprintf(who->code, sizeof who->code, "%s", result->code);
    ck_assert((identity != NULL) == (result->kind == AWS_KIND_OK));
    if (identity != NULL)
        who->identity = *identity;
}

static struct who ask_who(void)
{
    struct err err = {""};
    struct who who = {.calls = 0};
    struct aws_credentials *keys = aws_credentials_new("AKID", "hush", NULL, 0, "test");
    struct aws_credentials_provider *signer = aws_credentials_provider_new_static(keys);
    struct aws_client *client = aws_client_new(
        &(struct aws_client_options){.base = g_base, .endpoint_url = g_server.url, .credentials = signer},
        &err);
    ck_assert_msg(client != NULL, "%s", err.text);
    (void)sts_get_caller_identity(client, on_identity, &who);
    while (who.calls == 0)
        ck_assert_int_eq(event_base_loop(g_base, EVLOOP_ONCE), 0);
    aws_client_destroy(client);
    aws_credentials_provider_destroy(signer);
    aws_credentials_release(keys);
    return who;
}

START_TEST(sts_tells_who_we_are)
{
    set_up();
    FAKE_SCRIPT(&g_server,
                {.status = 200,
                 .body =
                     "<GetCallerIdentityResponse xmlns=\"x\"><GetCallerIdentityResult>"
                     "<Arn>arn:aws:iam::1:user/u</Arn><UserId>AIDA</UserId><Account>123456789012</Account>"
                     "</GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId>"
                     "</ResponseMetadata></GetCallerIdentityResponse>"},
                {.status = 200, .body = "<GetCallerIdentityResponse/>"},
                {.status = 200, .body = "<GetCallerIdentityResponse>"},
                {.status = 403,
                 .body = "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>"});
    struct who who = ask_who();
    ck_assert_int_eq(who.kind, AWS_KIND_OK);
    ck_assert_str_eq(who.identity.account, "123456789012");
    ck_assert_str_eq(who.identity.arn, "arn:aws:iam::1:user/u");
    ck_assert_str_eq(who.identity.user_id, "AIDA");
    ck_assert_str_eq(g_server.requests[0].body, "Action=GetCallerIdentity&Version=2011-06-15");
    ck_assert_str_eq(fake_header(&g_server, 0, "X-Amz-Target"), "");
    ck_assert_int_eq(ask_who().kind, AWS_KIND_BAD_REPLY);
    ck_assert_int_eq(ask_who().kind, AWS_KIND_BAD_REPLY);
    who = ask_who();
    ck_assert_int_eq(who.kind, AWS_KIND_CREDENTIALS);
    ck_assert_str_eq(who.code, "InvalidClientTokenId");
    tear_down();
}
END_TEST

/* ---- the JSON of sources ---- */

START_TEST(no_bytes_lead_the_json_astray)
{
    uint32_t state = 7;
    struct err err = {""};
    size_t len = strlen(SET_TWO);
    for (long i = 0; i < unit_steps(20000); i++) {
        char *text = xstrdup(SET_TWO);
        for (int k = 0; k < 1 + i % 3; k++) {
            state = state * 1664525U + 1013904223U;
            text[(state >> 8) % len] = "{}[]\",:\\u0 n\1\xff"[(state >> 4) % 15];
        }
        aws_credentials_release(
            credentials_json_parse(text, len - (size_t)(i % 5), CREDENTIALS_FORM_ENDPOINT, "test", &err));
        ck_assert_ptr_null(strstr(err.text, "hush"));
        free(text);
    }
}
END_TEST

START_TEST(clean_up)
{
    (void)unlink(g_token_path);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {many_who_ask_share_one_fetch,
                            the_token_file_is_read_for_each_fetch_and_wins,
                            a_token_with_a_line_break_is_refused,
                            a_throttled_endpoint_is_asked_three_times,
                            a_refusal_is_told_and_the_instance_is_not_asked_instead,
                            only_known_hosts_are_asked_over_http,
                            a_refused_set_is_replaced_and_a_failed_search_for_another_is_told,
                            who_waits_when_the_provider_ends_is_told,
                            the_instance_is_asked_by_version_two,
                            a_refused_token_is_renewed_once,
                            a_put_that_hangs_names_the_hop_limit_and_every_other_source,
                            every_other_refusal_of_a_token_is_told_and_version_one_is_not_used,
                            an_instance_without_a_good_role_is_told,
                            a_program_prints_credentials,
                            what_goes_wrong_with_a_program_is_told_without_its_output,
                            a_program_that_takes_too_long_is_killed_with_its_group,
                            a_program_whose_status_a_reaper_took_ends_with_it,
                            command_lines_are_split_as_the_aws_tools_do,
                            roles_are_assumed_one_by_the_other,
                            a_role_that_is_denied_is_told,
                            a_web_identity_is_unsigned_and_its_token_read_each_time,
                            every_source_can_be_left_in_the_middle,
                            sts_tells_who_we_are,
                            no_bytes_lead_the_json_astray,
                            clean_up};
    (void)close(mkstemp(g_token_path));
    return unit_run("credentials_sources", tests, sizeof tests / sizeof tests[0]);
}
