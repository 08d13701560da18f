/* Endpoint resolution; see endpoint.h. */
#include "aws/endpoint.h"

#include "aws/client.h"
#include "base/alloc.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- URLs ---- */

enum { SHOWN_BYTES = 512 }; /* of a URL in an error */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int parse_scheme(const char *url, struct aws_url *ret, const char **ret_rest)
{
    if (strncasecmp(url, "https://", 8) == 0) {
        ret->https = true;
        *ret_rest = url + 8;
        return 0;
    }
    if (strncasecmp(url, "http://", 7) == 0) {
        ret->https = false;
        *ret_rest = url + 7;
        return 0;
    }
    return -1;
}

char *aws_url_without_userinfo(const char *url, char *out, size_t size)
{
    const char *at = strrchr(url, '@');
    size_t scheme = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    if (at == NULL)
        (void)snprintf(out, size, "%s", url);
    else if (strncmp(url + scheme, "://", 3) == 0)
        (void)snprintf(out, size, "%.*s://***%s", (int)scheme, url, at);
    else
        (void)snprintf(out, size, "***%s", at);
    return out;
}

/* Copies a host of `len` bytes in lower case; false when it cannot be one. */
static bool copy_host(const char *text, size_t len, struct aws_url *ret)
{
    if (len == 0 || len >= sizeof ret->host)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = lower(text[i]);
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        if (!word && !(ret->ipv6 && c == ':'))
            return false;
        ret->host[i] = c;
    }
    ret->host[len] = '\0';
    struct in6_addr address;
    return !ret->ipv6 || inet_pton(AF_INET6, ret->host, &address) == 1;
}

static int parse_port(const char *text, size_t len)
{
    int port = 0;
    if (len == 0 || len > 5)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        port = port * 10 + (text[i] - '0');
    }
    return port >= 1 && port <= 65535 ? port : -1;
}

int aws_url_parse(const char *url, struct aws_url *ret_url, struct err *err)
{
    struct aws_url parsed = {0};
    const char *rest = NULL;
    char shown[SHOWN_BYTES];
    (void)aws_url_without_userinfo(url, shown, sizeof shown);
    if (parse_scheme(url, &parsed, &rest) != 0)
        return err_set(err, "URL %s: want http:// or https://", shown);
    if (strchr(rest, '@') != NULL)
        return err_set(err, "URL %s: a user name or '@' is not allowed", shown);
    size_t len = strcspn(rest, "/?#");
    parsed.path = rest + len;
    if (strpbrk(parsed.path, "?# \t\r\n") != NULL)
        return err_set(err, "URL %s: a query, fragment or white space is not allowed", shown);
    parsed.port = parsed.https ? 443 : 80;
    const char *host = rest;
    size_t host_len = strcspn(rest, ":/");
    if (rest[0] == '[') {
        const char *end = memchr(rest, ']', len);
        parsed.ipv6 = true;
        host = rest + 1;
        host_len = end != NULL ? (size_t)(end - host) : 0;
    }
    const char *after = host + host_len + (parsed.ipv6 && host_len > 0);
    if (!copy_host(host, host_len, &parsed) || (after < rest + len && *after != ':'))
        return err_set(err, "URL %s: no valid host name", shown);
    if (after < rest + len)
        parsed.port = parse_port(after + 1, (size_t)(rest + len - after - 1));
    if (parsed.port < 0)
        return err_set(err, "URL %s: the port must be a number from 1 to 65535", shown);
    *ret_url = parsed;
    return 0;
}

void aws_url_host_header(const struct aws_url *url, struct strbuf *out)
{
    strbuf_appendf(out, url->ipv6 ? "[%s]" : "%s", url->host);
    if (url->port != (url->https ? 443 : 80))
        strbuf_appendf(out, ":%d", url->port);
}

bool aws_url_host_is_loopback(const struct aws_url *url)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (url->ipv6)
        return inet_pton(AF_INET6, url->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    if (inet_pton(AF_INET, url->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcmp(url->host, "localhost") == 0;
}

bool aws_url_host_is_link_local(const struct aws_url *url)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (url->ipv6)
        return inet_pton(AF_INET6, url->host, &v6) == 1 &&
               (IN6_IS_ADDR_LINKLOCAL(&v6) || strncmp(url->host, "fd00:ec2:", 9) == 0);
    return inet_pton(AF_INET, url->host, &v4) == 1 && ntohl(v4.s_addr) >> 16 == 0xA9FE;
}

bool aws_url_is_loopback(const char *url)
{
    struct aws_url parsed;
    return aws_url_parse(url, &parsed, NULL) == 0 && aws_url_host_is_loopback(&parsed);
}

/* ---- queue URLs ---- */

/* "us-west-2", "us-gov-east-1", "eusc-de-east-1": words of small letters, at the end a number. */
static bool is_region(const char *text, size_t len)
{
    size_t dashes = 0;
    if (len < 5 || len >= AWS_REGION_BYTES || text[len - 1] < '0' || text[len - 1] > '9')
        return false;
    for (size_t i = 0; i < len; i++) {
        dashes += text[i] == '-';
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || text[i] == '-'))
            return false;
    }
    return dashes >= 2 && text[0] >= 'a';
}

/* "sqs.<region>.", "sqs-fips.<region>." (also below a VPC endpoint's name), "<region>.queue.",
 * "queue.amazonaws.com". */
static void host_region(const char *host, char region[static AWS_REGION_BYTES])
{
    const char *before = "";
    size_t before_len = 0;
    region[0] = '\0';
    if (strcmp(host, "queue.amazonaws.com") == 0) {
        memcpy(region, "us-east-1", sizeof "us-east-1");
        return;
    }
    for (const char *label = host; *label != '\0';) {
        size_t len = strcspn(label, ".");
        bool after_sqs = (before_len == 3 && memcmp(before, "sqs", 3) == 0) ||
                         (before_len == 8 && memcmp(before, "sqs-fips", 8) == 0);
        bool before_queue = strncmp(label + len, ".queue.", 7) == 0;
        if ((after_sqs || before_queue) && is_region(label, len)) {
            memcpy(region, label, len);
            region[len] = '\0';
            return;
        }
        before = label;
        before_len = len;
        label += len + (label[len] == '.');
    }
}

int aws_queue_url_parse(const char *queue_url, struct aws_queue_url *ret_queue, struct err *err)
{
    struct aws_url url;
    struct aws_queue_url queue = {0};
    if (aws_url_parse(queue_url, &url, err) != 0)
        return err_prefix(err, "queue");
    const char *name = strrchr(url.path, '/');
    if (name == NULL || name[1] == '\0' || strlen(name + 1) >= sizeof queue.name)
        return err_set(err, "queue URL %.200s: has no queue name of 1 to 80 characters at its end",
                       queue_url);
    memcpy(queue.name, name + 1, strlen(name + 1) + 1);
    const char *account = name;
    while (account > url.path && account[-1] != '/')
        account--;
    if (account < name && (size_t)(name - account) < sizeof queue.account)
        memcpy(queue.account, account, (size_t)(name - account));
    host_region(url.host, queue.region);
    *ret_queue = queue;
    return 0;
}

/* ---- regions and partitions ---- */

static const struct partition {
    const char *prefix; /* of the region's name */
    const char *suffix;
    const char *dualstack_suffix;
} PARTITIONS[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"us-gov-", "amazonaws.com", "api.aws"},
    {"eusc-de-", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
    {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
    {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"", "amazonaws.com", "api.aws"}, /* aws, and whatever is new */
};

static const struct partition *find_partition(const char *region)
{
    const struct partition *p = PARTITIONS;
    while (strncmp(region, p->prefix, strlen(p->prefix)) != 0)
        p++;
    return p;
}

int aws_region_check(const char *region, struct err *err)
{
    size_t len = strlen(region);
    bool good = len > 0 && len < AWS_REGION_BYTES && region[0] != '-' && region[len - 1] != '-';
    for (size_t i = 0; i < len; i++)
        good = good && ((region[i] >= 'a' && region[i] <= 'z') || (region[i] >= '0' && region[i] <= '9') ||
                        region[i] == '-');
    return good ? 0
                : err_set(err, "region \"%s\": want small letters, digits and dashes, such as us-west-2",
                          region);
}

/* An environment variable; empty counts as unset. */
static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *aws_region_find(const struct aws_profiles *profiles)
{
    const char *region = env("AWS_REGION");
    if (region == NULL)
        region = env("AWS_DEFAULT_REGION");
    if (region == NULL && profiles != NULL)
        region = aws_profiles_get(profiles, aws_profiles_current_name(), "region");
    return region;
}

/* GovCloud's plain hosts of the services in SERVICES are FIPS endpoints themselves, all but ECS's (endpoint
 * rule sets of the services). */
static bool plain_is_fips(const char *service, const char *region, bool dualstack)
{
    if (strncmp(region, "us-gov-", 7) != 0)
        return false;
    if (strcmp(service, "monitoring") == 0)
        return true;
    return !dualstack && strcmp(service, "ecs") != 0;
}

/* STS had one endpoint for all before regions had their own; AWS_STS_REGIONAL_ENDPOINTS=legacy keeps to it in
 * the regions of that time. */
static bool is_legacy_sts(const char *service, const char *region, const struct aws_profiles *profiles)
{
    static const char *const REGIONS[] = {
        "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
        "eu-central-1",   "eu-north-1", "eu-west-1",      "eu-west-2",      "eu-west-3",
        "sa-east-1",      "us-east-1",  "us-east-2",      "us-west-1",      "us-west-2"};
    const char *mode = env("AWS_STS_REGIONAL_ENDPOINTS");
    if (strcmp(service, "sts") != 0)
        return false;
    if (mode == NULL && profiles != NULL)
        mode = aws_profiles_get(profiles, aws_profiles_current_name(), "sts_regional_endpoints");
    if (mode == NULL || strcasecmp(mode, "legacy") != 0)
        return false;
    for (size_t i = 0; i < sizeof REGIONS / sizeof REGIONS[0]; i++)
        if (strcmp(REGIONS[i], region) == 0)
            return true;
    return false;
}

int aws_endpoint_regional(const char *service, const char *region, bool fips, bool dualstack,
                          struct strbuf *out, struct err *err)
{
    if (aws_region_check(region, err) != 0)
        return -1;
    const struct partition *partition = find_partition(region);
    const char *mark = fips && !plain_is_fips(service, region, dualstack) ? "-fips" : "";
    strbuf_appendf(out, "https://%s%s.%s.%s", service, mark, region,
                   dualstack ? partition->dualstack_suffix : partition->suffix);
    return 0;
}

/* ---- settings ---- */

/* Signing name, end of the environment variable's name, key in a services section. */
static const struct service_names {
    const char *service;
    const char *variable;
    const char *key;
} SERVICES[] = {
    {"sqs", "AWS_ENDPOINT_URL_SQS", "sqs"},
    {"sns", "AWS_ENDPOINT_URL_SNS", "sns"},
    {"sts", "AWS_ENDPOINT_URL_STS", "sts"},
    {"ecs", "AWS_ENDPOINT_URL_ECS", "ecs"},
    {"dynamodb", "AWS_ENDPOINT_URL_DYNAMODB", "dynamodb"},
    {"monitoring", "AWS_ENDPOINT_URL_CLOUDWATCH", "cloudwatch"},
    {"application-autoscaling", "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING", "application_auto_scaling"},
};

static const struct service_names *find_service(const char *service)
{
    for (size_t i = 0; i < sizeof SERVICES / sizeof SERVICES[0]; i++)
        if (strcmp(SERVICES[i].service, service) == 0)
            return &SERVICES[i];
    return NULL;
}

/* A switch set by variable or profile key; only "true" (any case) turns it on, as in the SDKs. */
static bool setting_on(const char *variable, const char *key, const struct aws_profiles *profiles)
{
    const char *value = env(variable);
    if (value == NULL && profiles != NULL)
        value = aws_profiles_get(profiles, aws_profiles_current_name(), key);
    return value != NULL && strcasecmp(value, "true") == 0;
}

const char *aws_endpoint_configured(const char *service, const struct aws_profiles *profiles)
{
    const struct service_names *names = find_service(service);
    const char *profile = aws_profiles_current_name();
    if (setting_on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls", profiles))
        return NULL;
    const char *url = names != NULL ? env(names->variable) : NULL;
    if (url == NULL)
        url = env("AWS_ENDPOINT_URL");
    if (url == NULL && profiles != NULL) {
        const char *services = aws_profiles_get(profiles, profile, "services");
        if (services != NULL && names != NULL)
            url = aws_profiles_get_service(profiles, services, names->key, "endpoint_url");
        if (url == NULL)
            url = aws_profiles_get(profiles, profile, "endpoint_url");
    }
    return url;
}

/* ---- resolution ---- */

static void fill(struct aws_endpoint *endpoint, const struct aws_url *url, bool with_path, const char *region)
{
    struct strbuf host = STRBUF_INIT;
    struct strbuf text = STRBUF_INIT;
    const char *path = with_path && url->path[0] != '\0' ? url->path : "/";
    aws_url_host_header(url, &host);
    strbuf_appendf(&text, "%s://%s%s", url->https ? "https" : "http", strbuf_str(&host), path);
    endpoint->url = strbuf_take(&text);
    endpoint->host = strbuf_take(&host);
    endpoint->path = xstrdup(path);
    endpoint->region = xstrdup(region);
}

static int refuse_flags(const char *what, const char *url, struct err *err)
{
    char shown[SHOWN_BYTES];
    return err_set(err, "%s %s: cannot go together with AWS_USE_FIPS_ENDPOINT or AWS_USE_DUALSTACK_ENDPOINT",
                   what, aws_url_without_userinfo(url, shown, sizeof shown));
}

static int resolve_regional(const char *service, const char *region, bool fips, bool dualstack,
                            struct aws_endpoint *ret_endpoint, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    struct aws_url url;
    int result = aws_endpoint_regional(service, region, fips, dualstack, &text, err);
    if (result == 0)
        result = aws_url_parse(strbuf_str(&text), &url, err);
    if (result == 0)
        fill(ret_endpoint, &url, false, region);
    strbuf_clean_up(&text);
    return result;
}

int aws_endpoint_resolve(const struct aws_endpoint_query *query, struct aws_endpoint *ret_endpoint,
                         struct err *err)
{
    struct aws_url url;
    struct aws_queue_url queue;
    struct aws_endpoint endpoint = {0};
    bool fips = setting_on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", query->profiles);
    bool dualstack = setting_on("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", query->profiles);
    const char *custom = query->endpoint_url;
    if (custom == NULL)
        custom = aws_endpoint_configured(query->service, query->profiles);
    if (custom != NULL) {
        if (fips || dualstack)
            return refuse_flags("endpoint", custom, err);
        if (aws_url_parse(custom, &url, err) != 0)
            return err_prefix(err, "endpoint of %s", query->service);
        endpoint.configured = true;
        fill(&endpoint, &url, true, query->region);
    } else if (query->queue_url != NULL) {
        if (aws_queue_url_parse(query->queue_url, &queue, err) != 0 ||
            aws_url_parse(query->queue_url, &url, err) != 0)
            return -1;
        if (!fips && !dualstack)
            fill(&endpoint, &url, false, queue.region[0] != '\0' ? queue.region : query->region);
        else if (queue.region[0] == '\0')
            return refuse_flags("queue URL", query->queue_url, err);
        else if (resolve_regional(query->service, queue.region, fips, dualstack, &endpoint, err) != 0)
            return -1;
    } else if (!fips && !dualstack && is_legacy_sts(query->service, query->region, query->profiles)) {
        if (aws_url_parse("https://sts.amazonaws.com", &url, err) != 0)
            return -1;
        fill(&endpoint, &url, false, "us-east-1");
    } else if (resolve_regional(query->service, query->region, fips, dualstack, &endpoint, err) != 0) {
        return -1;
    }
    *ret_endpoint = endpoint;
    return 0;
}

void aws_endpoint_clean_up(struct aws_endpoint *endpoint)
{
    free(endpoint->url);
    free(endpoint->host);
    free(endpoint->path);
    free(endpoint->region);
    *endpoint = (struct aws_endpoint){0};
}
