/* Asking what "sluice doctor" tells; see doctor.h. */
#include "supervisor/doctor.h"

#include "aws/credentials_plan.h"
#include "aws/endpoint.h"
#include "aws/profile.h"
#include "aws/sts.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/jsonp.h"
#include "base/loop.h"
#include "supervisor/endpoint_rule.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENDPOINTS_MAX = 64, ATTEMPTS = 2 };

struct doctor {
    struct event_base *base;
    struct aws_credentials_provider *credentials;
    struct aws_client *client; /* of what is looked at */
    struct doctor_report *report;
    char *told[ENDPOINTS_MAX]; /* owned: URLs of endpoints that have their line */
    size_t told_count;
    bool has_credentials, identity_told, skew_told;
    bool answered; /* the last question was; its answer: */
    struct aws_result result;
    struct strbuf reply;
};

/* ---- report ---- */

static void add_line(struct doctor *doctor, const char *area, const struct config_fleet *fleet,
                     const char *name, enum doctor_outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

static void add_line(struct doctor *doctor, const char *area, const struct config_fleet *fleet,
                     const char *name, enum doctor_outcome outcome, const char *fmt, ...)
{
    struct doctor_report *report = doctor->report;
    struct strbuf text = STRBUF_INIT;
    va_list args;
    va_start(args, fmt);
    strbuf_vappendf(&text, fmt, args);
    va_end(args);
    report->lines = xrealloc(report->lines, (report->count + 1) * sizeof *report->lines);
    struct doctor_line *line = &report->lines[report->count++];
    *line =
        (struct doctor_line){.area = area, .fleet = fleet != NULL ? fleet->name : NULL, .outcome = outcome};
    (void)snprintf(line->name, sizeof line->name, "%s", name);
    line->text = xstrdup(strbuf_str(&text));
    strbuf_clean_up(&text);
}

size_t doctor_count(const struct doctor_report *report, enum doctor_outcome outcome)
{
    size_t count = 0;
    for (size_t i = 0; i < report->count; i++)
        count += report->lines[i].outcome == outcome;
    return count;
}

void doctor_report_clean_up(struct doctor_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->lines[i].text);
    free(report->lines);
    *report = (struct doctor_report){.lines = NULL};
}

/* Turns the loop until the question is answered. */
static void await(struct doctor *doctor)
{
    while (!doctor->answered && event_base_loop(doctor->base, EVLOOP_ONCE) == 0)
        continue;
    doctor->answered = false;
}

/* ---- credentials ---- */

/* Why the sources before the one that is used are not meant. */
static void look_at_plan(struct doctor *doctor)
{
    struct err err = {.text = ""};
    struct credentials_plan plan = {.base = CREDENTIALS_BASE_KEYS};
    struct aws_profiles *profiles = aws_profiles_load(&err);
    if (profiles != NULL && credentials_plan_make(profiles, &plan, &err) == 0) {
        add_line(doctor, "credentials", NULL, "source", DOCTOR_OK, "%s", plan.source);
        if (plan.passed[0] != '\0')
            add_line(doctor, "credentials", NULL, "passed over", DOCTOR_OK, "%s", plan.passed);
    }
    credentials_plan_clean_up(&plan);
    aws_profiles_destroy(profiles);
}

static void on_credentials(void *arg, struct aws_credentials *credentials, const struct err *err)
{
    struct doctor *doctor = arg;
    char left[96] = "without an end that is known";
    char duration[48];
    doctor->answered = true;
    doctor->has_credentials = credentials != NULL;
    if (credentials == NULL) {
        add_line(doctor, "credentials", NULL, "keys", DOCTOR_FAILED, "%s", err->text);
        return;
    }
    const char *id = aws_credentials_access_key_id(credentials);
    size_t len = strlen(id);
    int64_t expires_ms = aws_credentials_expires_ms(credentials);
    int64_t left_ms = expires_ms - clock_wall_ms();
    bool ended = expires_ms != 0 && left_ms <= 0;
    if (ended)
        (void)snprintf(left, sizeof left, "ended %s ago by this host's clock",
                       duration_format(-left_ms / 1000 * 1000, duration));
    else if (expires_ms != 0)
        (void)snprintf(left, sizeof left, "valid for %s", duration_format(left_ms / 1000 * 1000, duration));
    add_line(doctor, "credentials", NULL, "keys", ended ? DOCTOR_WARNING : DOCTOR_OK,
             "%s key that ends in %s, %s",
             aws_credentials_session_token(credentials) != NULL ? "temporary" : "long-lived",
             len > 8 ? id + len - 4 : "****", left);
}

static void look_at_credentials(struct doctor *doctor)
{
    look_at_plan(doctor);
    aws_credentials_provider_get(doctor->credentials, on_credentials, doctor);
    await(doctor);
}

/* ---- clock and endpoints ---- */

static void look_at_skew(struct doctor *doctor)
{
    struct aws_client_stats stats;
    char text[160];
    if (doctor->skew_told || doctor->result.http_status == 0)
        return;
    doctor->skew_told = true;
    aws_client_get_stats(doctor->client, &stats);
    enum doctor_outcome outcome = doctor_judge_skew(stats.skew_ms, text, sizeof text);
    add_line(doctor, "clock", NULL, "", outcome, "this host's clock %s", text);
}

/* Whether it had not been told about. */
static bool is_news(struct doctor *doctor, const char *url)
{
    for (size_t i = 0; i < doctor->told_count; i++)
        if (strcmp(doctor->told[i], url) == 0)
            return false;
    if (doctor->told_count < ENDPOINTS_MAX)
        doctor->told[doctor->told_count++] = xstrdup(url);
    return true;
}

/* Of the service that was just called. */
static void look_at_endpoint(struct doctor *doctor, const char *service, const char *queue_url)
{
    struct strbuf url = STRBUF_INIT;
    struct err err = {.text = ""};
    char shown[512];
    if (aws_client_endpoint(doctor->client, service, queue_url, &url, &err) != 0) {
        add_line(doctor, "endpoint", NULL, service, DOCTOR_FAILED, "%s", err.text);
    } else if (is_news(doctor, strbuf_str(&url))) {
        (void)aws_url_without_userinfo(strbuf_str(&url), shown, sizeof shown);
        if (doctor->result.http_status != 0)
            add_line(doctor, "endpoint", NULL, service, DOCTOR_OK, "%s answers, in %" PRId64 " ms", shown,
                     doctor->result.latency_ms);
        else
            add_line(doctor, "endpoint", NULL, service, DOCTOR_FAILED, "%s does not answer: %s: %s", shown,
                     doctor->result.code, doctor->result.message);
    }
    strbuf_clean_up(&url);
    look_at_skew(doctor);
}

/* ---- who we are ---- */

struct identity_question {
    struct doctor *doctor;
    struct sts_identity identity;
};

static void on_identity(void *arg, const struct aws_result *result, const struct sts_identity *identity)
{
    struct identity_question *question = arg;
    question->doctor->answered = true;
    question->doctor->result = *result;
    if (identity != NULL)
        question->identity = *identity;
}

/* STS may be out of reach (a VPC without its endpoint): nothing of ours needs it then. */
static void look_at_identity(struct doctor *doctor)
{
    struct identity_question question = {.doctor = doctor};
    char text[640];
    (void)sts_get_caller_identity(doctor->client, on_identity, &question);
    await(doctor);
    if (!doctor->has_credentials)
        return;
    if (doctor->result.kind == AWS_KIND_OK)
        add_line(doctor, "identity", NULL, "", DOCTOR_OK, "%s", question.identity.arn);
    else
        add_line(doctor, "identity", NULL, "",
                 doctor->result.kind == AWS_KIND_CREDENTIALS ? DOCTOR_FAILED : DOCTOR_WARNING, "%s",
                 aws_result_text(&doctor->result, "GetCallerIdentity", text, sizeof text));
    look_at_skew(doctor);
}

/* ---- permissions ---- */

static void on_reply(void *arg, const struct aws_result *result, struct strbuf *reply)
{
    struct doctor *doctor = arg;
    doctor->answered = true;
    doctor->result = *result;
    strbuf_clean_up(&doctor->reply);
    doctor->reply = *reply;
    *reply = (struct strbuf)STRBUF_INIT;
}

/* Without credentials calls go out unsigned: what is answered tells that somebody is there, and what time it
 * is there, and nothing of permissions. */
static void tell_permission(struct doctor *doctor, const struct doctor_subject *subject,
                            const struct doctor_probe *probe, enum doctor_outcome outcome, const char *text)
{
    if (doctor->has_credentials)
        add_line(doctor, "permission", subject->fleet, probe->action, outcome, "%s", text);
}

static void try_probe(struct doctor *doctor, const struct doctor_probe *probe,
                      const struct doctor_subject *subject)
{
    struct strbuf body = STRBUF_INIT;
    struct jsonw w = JSONW_INIT(&body);
    char text[800];
    if (probe->untried != NULL) {
        (void)snprintf(text, sizeof text, "not tried: %s", probe->untried);
        tell_permission(doctor, subject, probe, DOCTOR_SKIPPED, text);
        return;
    }
    if (probe->on_queue && subject->queue_url == NULL) {
        tell_permission(doctor, subject, probe, DOCTOR_SKIPPED, "not tried: the queue's URL is not known");
        return;
    }
    jsonw_object(&w);
    probe->write_body(subject, &w);
    jsonw_end_object(&w);
    struct aws_json_call call = {.service = probe->service,
                                 .target = probe->target,
                                 .content_type = probe->content_type,
                                 .query_mode = strcmp(probe->service, "sqs") == 0 ||
                                               strcmp(probe->service, "monitoring") == 0,
                                 .queue_url = probe->on_queue ? subject->queue_url : NULL,
                                 .body = strbuf_str(&body),
                                 .body_len = body.len};
    (void)aws_client_call_json(doctor->client, &call, on_reply, doctor, NULL);
    strbuf_clean_up(&body);
    await(doctor);
    look_at_endpoint(doctor, probe->service, call.queue_url);
    enum doctor_outcome outcome = doctor_judge(probe, &doctor->result, text, sizeof text);
    tell_permission(doctor, subject, probe, outcome, text);
}

/* GetQueueUrl's answer, kept for the probes after it. */
static char *take_queue_url(struct doctor *doctor)
{
    const char *key = NULL;
    const char *text = NULL;
    size_t len = 0;
    char *url = NULL;
    if (doctor->result.kind != AWS_KIND_OK)
        return NULL;
    struct jsonp p = jsonp_start(doctor->reply.data, doctor->reply.len);
    if (!jsonp_object(&p))
        return NULL;
    while (jsonp_next_key(&p, &key))
        if (url == NULL && strcmp(key, "QueueUrl") == 0 && jsonp_string(&p, &text, &len))
            url = xstrdup(text);
        else
            (void)jsonp_skip(&p);
    return url;
}

static void try_all(struct doctor *doctor, struct doctor_subject *subject)
{
    char *found_url = NULL;
    for (size_t i = 0; i < DOCTOR_PROBE_COUNT; i++) {
        const struct doctor_probe *probe = &DOCTOR_PROBES[i];
        if (!probe->applies(subject))
            continue;
        try_probe(doctor, probe, subject);
        if (strcmp(probe->action, "sqs:GetQueueUrl") == 0)
            subject->queue_url = found_url = take_queue_url(doctor);
    }
    free(found_url);
}

/* ---- what is looked at ---- */

/* Where the region of a client comes from that no configuration tells. */
static const char *region_source(void)
{
    static const char *const NAMES[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        const char *value = getenv(NAMES[i]);
        if (value != NULL && value[0] != '\0')
            return NAMES[i];
    }
    return "the profile or the instance's metadata";
}

/* Makes the client for a region and endpoint; false: it cannot be, which is told. */
static bool open_client(struct doctor *doctor, const struct config_fleet *fleet, const char *region,
                        const char *endpoint_url)
{
    struct err err = {.text = ""};
    struct aws_client_options options = {.base = doctor->base,
                                         .region = region,
                                         .endpoint_url = endpoint_url,
                                         .credentials = doctor->credentials,
                                         .max_attempts = ATTEMPTS};
    doctor->client = aws_client_new(&options, &err);
    if (doctor->client == NULL || (fleet != NULL && endpoint_rule_check(doctor->client, fleet, &err) != 0)) {
        add_line(doctor, "region", fleet, "", DOCTOR_FAILED, "%s", err.text);
        aws_client_destroy(doctor->client);
        doctor->client = NULL;
        return false;
    }
    add_line(doctor, "region", fleet, "", DOCTOR_OK, "%s, from %s", aws_client_region(doctor->client),
             region == NULL ? region_source() : "the configuration or the queue's URL");
    return true;
}

static void look_at(struct doctor *doctor, const struct config *config, const struct config_fleet *fleet)
{
    struct doctor_subject subject = {config, fleet, fleet != NULL ? fleet->queue.url : NULL,
                                     clock_product_ms()};
    const char *region = fleet != NULL               ? config_fleet_region(config, fleet)
                         : config->ha.region != NULL ? config->ha.region
                                                     : config->region;
    const char *endpoint_url = fleet != NULL                     ? config_fleet_endpoint(config, fleet)
                               : config->ha.endpoint_url != NULL ? config->ha.endpoint_url
                                                                 : config->endpoint_url;
    if (!open_client(doctor, fleet, region, endpoint_url))
        return;
    if (!doctor->identity_told)
        look_at_identity(doctor);
    doctor->identity_told = true;
    try_all(doctor, &subject);
    aws_client_destroy(doctor->client);
}

static void look_at_all(struct doctor *doctor, const struct config *config, const struct config_fleet *only)
{
    if (config == NULL) {
        if (open_client(doctor, NULL, NULL, NULL)) {
            look_at_identity(doctor);
            look_at_endpoint(doctor, "sts", NULL);
            aws_client_destroy(doctor->client);
        }
        return;
    }
    for (size_t i = 0; i < config->fleet_count; i++)
        if (only == NULL || only == &config->fleets[i])
            look_at(doctor, config, &config->fleets[i]);
    if (config->ha.type == HA_DYNAMODB || config->metrics[METRICS_CLOUDWATCH].enabled)
        look_at(doctor, config, NULL);
}

void doctor_run(const struct config *config, const struct config_fleet *only,
                struct doctor_report *ret_report)
{
    struct doctor doctor = {.base = loop_base_new(), .report = ret_report, .reply = STRBUF_INIT};
    const char *region = config == NULL ? NULL
                         : only != NULL ? config_fleet_region(config, only)
                                        : config_fleet_region(config, &config->fleets[0]);
    *ret_report = (struct doctor_report){.lines = NULL};
    doctor.credentials = aws_credentials_provider_new_default(doctor.base, region);
    look_at_credentials(&doctor);
    if (!doctor.has_credentials) {
        aws_credentials_provider_destroy(doctor.credentials);
        doctor.credentials = aws_credentials_provider_new_anonymous();
        doctor.identity_told = true; /* we are nobody */
    }
    look_at_all(&doctor, config, only);
    aws_credentials_provider_destroy(doctor.credentials);
    event_base_free(doctor.base);
    strbuf_clean_up(&doctor.reply);
    for (size_t i = 0; i < doctor.told_count; i++)
        free(doctor.told[i]);
}
