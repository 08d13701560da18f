/* URLs, queue URLs, regional endpoints of all partitions, and which setting wins. */
#include "aws/endpoint.h"

#include "aws/client.h"

#include "tests/unit/unit.h"

#include <stdio.h>

static void clear_environment(void)
{
    static const char *const NAMES[] = {"AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_PROFILE",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_SQS",
                                        "AWS_ENDPOINT_URL_CLOUDWATCH",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_STS_REGIONAL_ENDPOINTS",
                                        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                                        "AWS_USE_FIPS_ENDPOINT",
                                        "AWS_USE_DUALSTACK_ENDPOINT"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        (void)unsetenv(NAMES[i]);
}

static const struct {
    const char *url;
    bool https;
    const char *host;
    int port;
    const char *path;
    const char *header;
} URLS[] = {
    {"https://sqs.us-east-1.amazonaws.com", true, "sqs.us-east-1.amazonaws.com", 443, "",
     "sqs.us-east-1.amazonaws.com"},
    {"http://LocalHost:9324/Base/", false, "localhost", 9324, "/Base/", "localhost:9324"},
    {"HTTP://h:80/", false, "h", 80, "/", "h"},
    {"https://h:80/a//b", true, "h", 80, "/a//b", "h:80"},
    {"https://h:443", true, "h", 443, "", "h"},
    {"http://[::1]:1234/x", false, "::1", 1234, "/x", "[::1]:1234"},
    {"http://[FD00:EC2::23]", false, "fd00:ec2::23", 80, "", "[fd00:ec2::23]"},
    {"http://my_host", false, "my_host", 80, "", "my_host"},
};

START_TEST(urls_are_taken_apart)
{
    for (size_t i = 0; i < sizeof URLS / sizeof URLS[0]; i++) {
        struct aws_url url;
        struct strbuf header = STRBUF_INIT;
        ck_assert_int_eq(aws_url_parse(URLS[i].url, &url, NULL), 0);
        ck_assert_int_eq(url.https, URLS[i].https);
        ck_assert_str_eq(url.host, URLS[i].host);
        ck_assert_int_eq(url.port, URLS[i].port);
        ck_assert_str_eq(url.path, URLS[i].path);
        aws_url_host_header(&url, &header);
        ck_assert_str_eq(strbuf_str(&header), URLS[i].header);
        strbuf_clean_up(&header);
    }
}
END_TEST

START_TEST(what_is_no_endpoint_url_is_refused)
{
    static const char *const BAD[] = {"",           "localhost:9324",   "ftp://h",        "//h",
                                      "http://",    "http:///x",        "http://:80",     "http://h:",
                                      "http://h:0", "http://h:65536",   "http://h:8o",    "http://h:123456",
                                      "http://h h", "http://h/x y",     "http://h/x?y=z", "http://h?y",
                                      "http://h#f", "http://[::1",      "http://[::1]x",  "http://[xyz]",
                                      "http://[]",  "http://h\r\nX: y", "http://a%41"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct aws_url url;
        struct err err = {""};
        ck_assert_msg(aws_url_parse(BAD[i], &url, &err) == -1, "%s", BAD[i]);
        ck_assert_msg(err.text[0] != '\0', "%s", BAD[i]);
    }
    struct aws_url url;
    struct err err = {""};
    ck_assert_int_eq(aws_url_parse("https://user:secret@host/x", &url, &err), -1);
    ck_assert_ptr_null(strstr(err.text, "secret"));
}
END_TEST

START_TEST(loopback_and_link_local_hosts_are_known)
{
    static const char *const LOOPBACK[] = {"http://127.0.0.1:1", "http://127.8.9.10",
                                           "http://localhost/x", "https://LOCALHOST",
                                           "http://[::1]:80",    "http://[0:0:0:0:0:0:0:1]"};
    static const char *const OTHERS[] = {"http://128.0.0.1",
                                         "http://localhost.example.com",
                                         "http://127.0.0.1.nip.io",
                                         "http://[::2]",
                                         "http://0.0.0.0",
                                         "https://sqs.us-east-1.amazonaws.com",
                                         "127.0.0.1",
                                         "http://127.0.0.1@evil.example",
                                         "http://example.com/127.0.0.1"};
    static const char *const LINK_LOCAL[] = {"http://169.254.170.2/v2", "http://[fe80::1]",
                                             "http://[fd00:ec2::254]"};
    struct aws_url url;
    for (size_t i = 0; i < sizeof LOOPBACK / sizeof LOOPBACK[0]; i++)
        ck_assert_msg(aws_url_is_loopback(LOOPBACK[i]), "%s", LOOPBACK[i]);
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        ck_assert_msg(!aws_url_is_loopback(OTHERS[i]), "%s", OTHERS[i]);
    for (size_t i = 0; i < sizeof LINK_LOCAL / sizeof LINK_LOCAL[0]; i++) {
        ck_assert_int_eq(aws_url_parse(LINK_LOCAL[i], &url, NULL), 0);
        ck_assert_msg(aws_url_host_is_link_local(&url), "%s", LINK_LOCAL[i]);
    }
    ck_assert_int_eq(aws_url_parse("http://169.253.1.1", &url, NULL), 0);
    ck_assert(!aws_url_host_is_link_local(&url));
}
END_TEST

static const struct {
    const char *url;
    const char *region;
    const char *account;
    const char *name;
} QUEUES[] = {
    {"https://sqs.us-west-2.amazonaws.com/123456789012/order-processing-queue", "us-west-2", "123456789012",
     "order-processing-queue"},
    {"https://sqs-fips.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1", "1", "q"},
    {"https://sqs.cn-north-1.amazonaws.com.cn/1/q.fifo", "cn-north-1", "1", "q.fifo"},
    {"https://sqs.eusc-de-east-1.amazonaws.eu/1/q", "eusc-de-east-1", "1", "q"},
    {"https://eu-west-1.queue.amazonaws.com/1/q", "eu-west-1", "1", "q"},
    {"https://queue.amazonaws.com/1/q", "us-east-1", "1", "q"},
    {"https://vpce-0a1.sqs.us-east-2.vpce.amazonaws.com/1/q", "us-east-2", "1", "q"},
    {"https://sqs.us-east-1.api.aws/1/q", "us-east-1", "1", "q"},
    {"http://127.0.0.1:9324/000000000000/q", "", "000000000000", "q"},
    {"http://localhost:4566/queue/us-east-1/000000000000/q", "", "000000000000", "q"},
    {"http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/q", "us-east-1", "000000000000", "q"},
    {"http://h/q", "", "", "q"},
};

START_TEST(queue_urls_tell_region_account_and_name)
{
    for (size_t i = 0; i < sizeof QUEUES / sizeof QUEUES[0]; i++) {
        struct aws_queue_url queue;
        ck_assert_int_eq(aws_queue_url_parse(QUEUES[i].url, &queue, NULL), 0);
        ck_assert_str_eq(queue.region, QUEUES[i].region);
        ck_assert_str_eq(queue.account, QUEUES[i].account);
        ck_assert_str_eq(queue.name, QUEUES[i].name);
    }
    struct aws_queue_url queue;
    struct err err = {""};
    ck_assert_int_eq(aws_queue_url_parse("https://sqs.us-west-2.amazonaws.com/1/", &queue, &err), -1);
    ck_assert_int_eq(aws_queue_url_parse("https://sqs.us-west-2.amazonaws.com", &queue, &err), -1);
    ck_assert_int_eq(aws_queue_url_parse("orders", &queue, &err), -1);
}
END_TEST

static const struct {
    const char *service;
    const char *region;
    bool fips, dualstack;
    const char *url;
} REGIONAL[] = {
    {"sqs", "us-west-2", false, false, "https://sqs.us-west-2.amazonaws.com"},
    {"sqs", "mx-central-1", false, false, "https://sqs.mx-central-1.amazonaws.com"},
    {"sqs", "xx-new-9", false, false, "https://sqs.xx-new-9.amazonaws.com"},
    {"monitoring", "eu-central-1", false, false, "https://monitoring.eu-central-1.amazonaws.com"},
    {"sqs", "us-west-2", true, false, "https://sqs-fips.us-west-2.amazonaws.com"},
    {"sqs", "us-west-2", false, true, "https://sqs.us-west-2.api.aws"},
    {"sqs", "us-west-2", true, true, "https://sqs-fips.us-west-2.api.aws"},
    {"sqs", "cn-north-1", false, false, "https://sqs.cn-north-1.amazonaws.com.cn"},
    {"sqs", "cn-north-1", false, true, "https://sqs.cn-north-1.api.amazonwebservices.com.cn"},
    {"sqs", "us-gov-west-1", false, false, "https://sqs.us-gov-west-1.amazonaws.com"},
    {"sqs", "us-gov-west-1", true, false, "https://sqs.us-gov-west-1.amazonaws.com"},
    {"sqs", "us-gov-east-1", true, true, "https://sqs-fips.us-gov-east-1.api.aws"},
    {"monitoring", "us-gov-east-1", true, true, "https://monitoring.us-gov-east-1.api.aws"},
    {"ecs", "us-gov-west-1", true, false, "https://ecs-fips.us-gov-west-1.amazonaws.com"},
    {"sqs", "eusc-de-east-1", false, false, "https://sqs.eusc-de-east-1.amazonaws.eu"},
    {"sqs", "eusc-de-east-1", false, true, "https://sqs.eusc-de-east-1.api.amazonwebservices.eu"},
    {"sqs", "us-iso-east-1", false, false, "https://sqs.us-iso-east-1.c2s.ic.gov"},
    {"sqs", "us-iso-east-1", false, true, "https://sqs.us-iso-east-1.api.aws.ic.gov"},
    {"sqs", "us-isob-east-1", false, false, "https://sqs.us-isob-east-1.sc2s.sgov.gov"},
    {"sqs", "us-isob-east-1", false, true, "https://sqs.us-isob-east-1.api.aws.scloud"},
    {"sqs", "eu-isoe-west-1", false, false, "https://sqs.eu-isoe-west-1.cloud.adc-e.uk"},
    {"sqs", "eu-isoe-west-1", false, true, "https://sqs.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
    {"sqs", "us-isof-south-1", false, false, "https://sqs.us-isof-south-1.csp.hci.ic.gov"},
    {"sqs", "us-isof-south-1", false, true, "https://sqs.us-isof-south-1.api.aws.hci.ic.gov"},
};

START_TEST(every_partition_has_its_host_names)
{
    for (size_t i = 0; i < sizeof REGIONAL / sizeof REGIONAL[0]; i++) {
        struct strbuf url = STRBUF_INIT;
        ck_assert_int_eq(aws_endpoint_regional(REGIONAL[i].service, REGIONAL[i].region, REGIONAL[i].fips,
                                               REGIONAL[i].dualstack, &url, NULL),
                         0);
        ck_assert_str_eq(strbuf_str(&url), REGIONAL[i].url);
        strbuf_clean_up(&url);
    }
}
END_TEST

START_TEST(every_service_and_flag_is_as_botocore_has_it)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/endpoints.txt", "r");
    char line[512];
    int rows = 0;
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char service[64];
        char region[64];
        char wanted[256];
        int fips = 0;
        int dualstack = 0;
        struct strbuf url = STRBUF_INIT;
        if (line[0] == '#')
            continue;
        ck_assert_int_eq(sscanf(line, "%63s %63s %d %d %255s", service, region, &fips, &dualstack, wanted),
                         5);
        ck_assert_int_eq(aws_endpoint_regional(service, region, fips != 0, dualstack != 0, &url, NULL), 0);
        ck_assert_str_eq(strbuf_str(&url), wanted);
        strbuf_clean_up(&url);
        rows++;
    }
    (void)fclose(file);
    ck_assert_int_ge(rows, 300);
}
END_TEST

static struct aws_profiles *profiles_of(const char *config)
{
    struct aws_profiles *profiles = aws_profiles_parse(config, NULL, NULL);
    ck_assert_ptr_nonnull(profiles);
    return profiles;
}

static void check_sts(const char *region, const struct aws_profiles *profiles, const char *url,
                      const char *signed_for)
{
    struct aws_endpoint endpoint;
    struct aws_endpoint_query query = {.service = "sts", .region = region, .profiles = profiles};
    ck_assert_int_eq(aws_endpoint_resolve(&query, &endpoint, NULL), 0);
    ck_assert_str_eq(endpoint.url, url);
    ck_assert_str_eq(endpoint.region, signed_for);
    aws_endpoint_clean_up(&endpoint);
}

START_TEST(sts_is_regional_unless_told_otherwise)
{
    clear_environment();
    check_sts("eu-west-1", NULL, "https://sts.eu-west-1.amazonaws.com/", "eu-west-1");
    (void)setenv("AWS_STS_REGIONAL_ENDPOINTS", "regional", 1);
    struct aws_profiles *p = profiles_of("[default]\nsts_regional_endpoints = legacy\n");
    check_sts("eu-west-1", p, "https://sts.eu-west-1.amazonaws.com/", "eu-west-1");
    (void)unsetenv("AWS_STS_REGIONAL_ENDPOINTS");
    check_sts("eu-west-1", p, "https://sts.amazonaws.com/", "us-east-1");
    check_sts("af-south-1", p, "https://sts.af-south-1.amazonaws.com/", "af-south-1");
    check_sts("cn-north-1", p, "https://sts.cn-north-1.amazonaws.com.cn/", "cn-north-1");
    (void)setenv("AWS_USE_FIPS_ENDPOINT", "true", 1);
    check_sts("us-east-1", p, "https://sts-fips.us-east-1.amazonaws.com/", "us-east-1");
    clear_environment();
    (void)setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1", 1);
    check_sts("us-east-1", p, "http://127.0.0.1:1/", "us-east-1");
    aws_profiles_destroy(p);
    clear_environment();
}
END_TEST

START_TEST(a_region_that_is_no_name_is_refused)
{
    static const char *const BAD[] = {
        "",          "us west 2", "US-WEST-2",
        "us_west_2", "-a",        "a-",
        "a.b",       "x/y",       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct err err = {""};
        ck_assert_msg(aws_region_check(BAD[i], &err) == -1, "%s", BAD[i]);
        ck_assert_ptr_nonnull(strstr(err.text, "region"));
    }
}
END_TEST

START_TEST(the_region_is_looked_for_in_order)
{
    clear_environment();
    struct aws_profiles *p = profiles_of("[default]\nregion = from-profile-1\n");
    ck_assert_ptr_null(aws_region_find(NULL));
    ck_assert_str_eq(aws_region_find(p), "from-profile-1");
    (void)setenv("AWS_DEFAULT_REGION", "from-default-1", 1);
    ck_assert_str_eq(aws_region_find(p), "from-default-1");
    (void)setenv("AWS_REGION", "from-region-1", 1);
    ck_assert_str_eq(aws_region_find(p), "from-region-1");
    (void)setenv("AWS_REGION", "", 1); /* empty is unset */
    ck_assert_str_eq(aws_region_find(p), "from-default-1");
    aws_profiles_destroy(p);
}
END_TEST

START_TEST(endpoint_settings_are_looked_for_in_order)
{
    clear_environment();
    struct aws_profiles *p = profiles_of("[default]\nendpoint_url = http://profile\nservices = s\n"
                                         "[services s]\nsqs =\n  endpoint_url = http://service\n");
    ck_assert_ptr_null(aws_endpoint_configured("sqs", NULL));
    ck_assert_str_eq(aws_endpoint_configured("ecs", p), "http://profile");
    ck_assert_str_eq(aws_endpoint_configured("sqs", p), "http://service");
    (void)setenv("AWS_ENDPOINT_URL", "http://all", 1);
    ck_assert_str_eq(aws_endpoint_configured("sqs", p), "http://all");
    (void)setenv("AWS_ENDPOINT_URL_SQS", "http://sqs", 1);
    ck_assert_str_eq(aws_endpoint_configured("sqs", p), "http://sqs");
    ck_assert_str_eq(aws_endpoint_configured("ecs", p), "http://all");
    (void)setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://cw", 1);
    ck_assert_str_eq(aws_endpoint_configured("monitoring", p), "http://cw");
    (void)setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    ck_assert_ptr_null(aws_endpoint_configured("sqs", p));
    (void)setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false", 1);
    ck_assert_str_eq(aws_endpoint_configured("sqs", p), "http://sqs");
    aws_profiles_destroy(p);
    clear_environment();
}
END_TEST

static void check_resolved(struct aws_endpoint_query query, const char *url, const char *host,
                           const char *path, const char *region, bool configured)
{
    struct aws_endpoint endpoint;
    struct err err = {""};
    ck_assert_msg(aws_endpoint_resolve(&query, &endpoint, &err) == 0, "%s", err.text);
    ck_assert_str_eq(endpoint.url, url);
    ck_assert_str_eq(endpoint.host, host);
    ck_assert_str_eq(endpoint.path, path);
    ck_assert_str_eq(endpoint.region, region);
    ck_assert_int_eq(endpoint.configured, configured);
    aws_endpoint_clean_up(&endpoint);
}

START_TEST(option_setting_queue_and_region_decide_in_this_order)
{
    clear_environment();
    struct aws_endpoint_query query = {.service = "sqs", .region = "us-west-2"};
    check_resolved(query, "https://sqs.us-west-2.amazonaws.com/", "sqs.us-west-2.amazonaws.com", "/",
                   "us-west-2", false);
    query.queue_url = "https://sqs.eu-west-1.amazonaws.com/1/q";
    check_resolved(query, "https://sqs.eu-west-1.amazonaws.com/", "sqs.eu-west-1.amazonaws.com", "/",
                   "eu-west-1", false);
    query.queue_url = "http://127.0.0.1:9324/1/q";
    check_resolved(query, "http://127.0.0.1:9324/", "127.0.0.1:9324", "/", "us-west-2", false);
    (void)setenv("AWS_ENDPOINT_URL", "http://LOCALHOST:80/base", 1);
    check_resolved(query, "http://localhost/base", "localhost", "/base", "us-west-2", true);
    query.endpoint_url = "https://option:8443";
    check_resolved(query, "https://option:8443/", "option:8443", "/", "us-west-2", true);
    clear_environment();
}
END_TEST

START_TEST(bad_settings_are_told)
{
    clear_environment();
    struct aws_endpoint endpoint;
    struct err err = {""};
    struct aws_endpoint_query query = {
        .service = "sqs", .region = "us-west-2", .endpoint_url = "localhost:1"};
    ck_assert_int_eq(aws_endpoint_resolve(&query, &endpoint, &err), -1);
    ck_assert_str_eq(err.text, "endpoint of sqs: URL localhost:1: want http:// or https://");
    query.endpoint_url = "http://h";
    (void)setenv("AWS_USE_FIPS_ENDPOINT", "true", 1);
    ck_assert_int_eq(aws_endpoint_resolve(&query, &endpoint, &err), -1);
    query.endpoint_url = NULL;
    check_resolved(query, "https://sqs-fips.us-west-2.amazonaws.com/", "sqs-fips.us-west-2.amazonaws.com",
                   "/", "us-west-2", false);
    query.queue_url = "no url";
    ck_assert_int_eq(aws_endpoint_resolve(&query, &endpoint, &err), -1);
    clear_environment();
}
END_TEST

START_TEST(a_user_name_and_password_never_reach_an_error)
{
    static const char *const WITH_PASSWORD[] = {"https://user:PASSWORD@host/q?x",
                                                "https://user:PA@PASSWORD@host/q",
                                                "https://user:PA/PASSWORD@host:99999999/q",
                                                "ftp://user:PASSWORD@host/q",
                                                "user:PASSWORD@host",
                                                "https://user:PASSWORD@",
                                                "http://PASSWORD@h@st x"};
    for (size_t i = 0; i < sizeof WITH_PASSWORD / sizeof WITH_PASSWORD[0]; i++) {
        struct aws_url url;
        struct aws_queue_url queue;
        struct err err = {""};
        char shown[64];
        ck_assert_int_eq(aws_url_parse(WITH_PASSWORD[i], &url, &err), -1);
        ck_assert_msg(strstr(err.text, "PASSWORD") == NULL, "%s", err.text);
        ck_assert_int_eq(aws_queue_url_parse(WITH_PASSWORD[i], &queue, &err), -1);
        ck_assert_msg(strstr(err.text, "PASSWORD") == NULL, "%s", err.text);
        ck_assert_ptr_null(
            strstr(aws_url_without_userinfo(WITH_PASSWORD[i], shown, sizeof shown), "PASSWORD"));
    }
    char shown[64];
    ck_assert_str_eq(aws_url_without_userinfo("https://u:p@h/q", shown, sizeof shown), "https://***@h/q");
    ck_assert_str_eq(aws_url_without_userinfo("https://h/q", shown, sizeof shown), "https://h/q");
    ck_assert_str_eq(aws_url_without_userinfo("u:p@h", shown, sizeof shown), "***@h");
}
END_TEST

START_TEST(a_queue_is_reached_by_the_endpoint_that_the_flags_ask_for)
{
    static const struct {
        const char *flag, *queue_url, *want;
    } ROWS[] = {
        {"AWS_USE_FIPS_ENDPOINT", "https://sqs.us-east-2.amazonaws.com/123456789012/q",
         "https://sqs-fips.us-east-2.amazonaws.com/"},
        {"AWS_USE_DUALSTACK_ENDPOINT", "https://us-west-1.queue.amazonaws.com/123456789012/q",
         "https://sqs.us-west-1.api.aws/"},
        {"AWS_USE_FIPS_ENDPOINT", "https://queue.example/123456789012/q", NULL},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct aws_endpoint_query query = {
            .service = "sqs", .region = "eu-west-1", .queue_url = ROWS[i].queue_url};
        struct aws_endpoint endpoint;
        struct err err = {""};
        (void)setenv(ROWS[i].flag, "true", 1);
        int result = aws_endpoint_resolve(&query, &endpoint, &err);
        (void)unsetenv(ROWS[i].flag);
        if (ROWS[i].want == NULL) {
            ck_assert_int_eq(result, -1);
            ck_assert_ptr_nonnull(strstr(err.text, "AWS_USE_FIPS_ENDPOINT"));
            continue;
        }
        ck_assert_msg(result == 0, "%s", err.text);
        ck_assert_str_eq(endpoint.url, ROWS[i].want);
        ck_assert_ptr_nonnull(strstr(ROWS[i].queue_url, endpoint.region));
        aws_endpoint_clean_up(&endpoint);
    }
}
END_TEST

UNIT_MAIN("endpoint", urls_are_taken_apart, what_is_no_endpoint_url_is_refused,
          loopback_and_link_local_hosts_are_known, queue_urls_tell_region_account_and_name,
          every_partition_has_its_host_names, every_service_and_flag_is_as_botocore_has_it,
          sts_is_regional_unless_told_otherwise, a_region_that_is_no_name_is_refused,
          the_region_is_looked_for_in_order, endpoint_settings_are_looked_for_in_order,
          option_setting_queue_and_region_decide_in_this_order, bad_settings_are_told,
          a_user_name_and_password_never_reach_an_error,
          a_queue_is_reached_by_the_endpoint_that_the_flags_ask_for)
