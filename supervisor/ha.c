/* The lease and the shared state in DynamoDB; see ha.h. */
#include "supervisor/ha.h"

#include "aws/dynamodb.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "supervisor/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CALL_TIMEOUT_MIN_MS = 200,
    RETIRE_WAIT_MS = 3000, /* at most so long for saves that are under way when we leave */
};

/* One fleet's item. */
struct kept {
    struct ha *ha;
    size_t index;
    char *id;              /* owned: partition key */
    struct aws_call *call; /* fence or save under way */
    bool fenced;           /* it has our token */
    char *pending;         /* owned: the newest state that is not under way; NULL: none */
    char *sending;         /* owned: the one that is */
};

struct ha {
    struct ha_options options;
    const struct config_ha *config;
    struct aws_client *client;
    struct lease lease;
    bool led;      /* on_lead was called, on_lost was not */
    bool retiring; /* waits for saves */

    struct aws_call *call;        /* the lease's */
    struct loop_timer timer;      /* the lease's next deed, or the end of its validity */
    struct loop_timer call_timer; /* its call takes too long */
    struct loop_timer retire_timer;

    struct kept *fleets; /* config->fleet_count */
    uint64_t saves, save_failures, fences;
    int64_t renewed_ms; /* boot clock: last good renewal or takeover */
    char holder[LEASE_OWNER_BYTES];
    bool failing; /* the lease's last call failed */
    char error[320];
    char save_error[320];
};

static void step(struct ha *ha);
static void flush(struct ha *ha);

/* ---- a fleet's item ---- */

static void drop_texts(struct kept *kept)
{
    free(kept->pending);
    free(kept->sending);
    kept->pending = NULL;
    kept->sending = NULL;
}

static void forget_fleet(struct kept *kept)
{
    aws_call_cancel(kept->call);
    kept->call = NULL;
    kept->fenced = false;
    drop_texts(kept);
}

static void on_fence_read(void *arg, const struct aws_result *result, bool refused,
                          const struct dynamodb_attribute *attributes, size_t count)
{
    struct kept *kept = arg;
    (void)refused;
    kept->call = NULL;
    if (result->kind == AWS_KIND_OK)
        lease_fenced(&kept->ha->lease, dynamodb_number(attributes, count, "fence", 0), clock_boot_ms());
    step(kept->ha);
}

/* Somebody with a later token was here. Its number matters only when the lease was deleted and began anew
 * with a lower one: ours must rise above it. */
static void note_fenced(struct kept *kept)
{
    struct ha *ha = kept->ha;
    struct dynamodb_attribute key = {.name = "id", .text = kept->id};
    ha->fences++;
    lease_fenced(&ha->lease, 0, clock_boot_ms());
    step(ha);
    kept->call = dynamodb_get(ha->client, ha->config->table, &key, on_fence_read, kept);
}

static void note_item_failure(struct ha *ha, const char *what, const struct aws_result *result)
{
    char text[300];
    bool news = ha->save_error[0] == '\0';
    ha->save_failures++;
    (void)snprintf(ha->save_error, sizeof ha->save_error, "%s",
                   aws_result_text(result, "UpdateItem", text, sizeof text));
    if (news)
        LOG(LOG_ERROR, what, LOG_STR("error", ha->save_error));
}

static void on_saved(void *arg, const struct aws_result *result, bool refused,
                     const struct dynamodb_attribute *attributes, size_t count)
{
    struct kept *kept = arg;
    struct ha *ha = kept->ha;
    (void)attributes;
    (void)count;
    kept->call = NULL;
    if (refused) {
        drop_texts(kept);
        note_fenced(kept);
        return;
    }
    if (result->kind != AWS_KIND_OK) {
        note_item_failure(ha, "cannot keep the shared state; a takeover now would know an older one", result);
        if (kept->pending == NULL) {
            kept->pending = kept->sending;
            kept->sending = NULL;
        }
    } else {
        if (ha->save_error[0] != '\0')
            LOG(LOG_INFO, "the shared state can be kept again");
        ha->save_error[0] = '\0';
        ha->saves++;
    }
    free(kept->sending);
    kept->sending = NULL;
    if (result->kind == AWS_KIND_OK)
        flush(ha);
    if (ha->retiring)
        ha_retire(ha);
}

static void save(struct kept *kept)
{
    struct ha *ha = kept->ha;
    struct dynamodb_attribute set[] = {{.name = "state", .text = kept->pending},
                                       {.name = "saved_ms", .number = clock_wall_ms()},
                                       {.name = "owner", .text = ha->lease.owner}};
    struct dynamodb_condition ours = {DYNAMODB_EQUAL, {.name = "fence", .number = ha->lease.token}};
    struct dynamodb_update update = {.table = ha->config->table,
                                     .key = {.name = "id", .text = kept->id},
                                     .set = set,
                                     .set_count = sizeof set / sizeof set[0],
                                     .conditions = &ours,
                                     .condition_count = 1};
    kept->sending = kept->pending;
    kept->pending = NULL;
    kept->call = dynamodb_update(ha->client, &update, on_saved, kept);
}

static void on_fenced(void *arg, const struct aws_result *result, bool refused,
                      const struct dynamodb_attribute *attributes, size_t count)
{
    struct kept *kept = arg;
    struct ha *ha = kept->ha;
    kept->call = NULL;
    if (refused) {
        note_fenced(kept);
        return;
    }
    if (result->kind != AWS_KIND_OK) {
        note_item_failure(ha, "cannot read the shared state of a fleet, trying again", result);
        return;
    }
    ha->save_error[0] = '\0';
    kept->fenced = true;
    ha->options.on_state(ha->options.arg, kept->index, dynamodb_text(attributes, count, "state", NULL));
}

/* Raises the item's fence to our token, and reads it with the same call. */
static void fence(struct kept *kept)
{
    struct ha *ha = kept->ha;
    struct dynamodb_attribute set = {.name = "fence", .number = ha->lease.token};
    struct dynamodb_condition not_later = {DYNAMODB_ABSENT_OR_AT_MOST, set};
    struct dynamodb_update update = {.table = ha->config->table,
                                     .key = {.name = "id", .text = kept->id},
                                     .set = &set,
                                     .set_count = 1,
                                     .conditions = &not_later,
                                     .condition_count = 1,
                                     .want_item = true};
    kept->call = dynamodb_update(ha->client, &update, on_fenced, kept);
}

/* Sends what waits, as long as we lead. */
static void flush(struct ha *ha)
{
    if (!ha_may_act(ha))
        return;
    for (size_t i = 0; i < ha->options.config->fleet_count; i++) {
        struct kept *kept = &ha->fleets[i];
        if (kept->call != NULL)
            continue;
        if (!kept->fenced)
            fence(kept);
        else if (kept->pending != NULL)
            save(kept);
    }
}

const char *ha_keep(struct ha *ha, size_t fleet, const char *text)
{
    struct kept *kept = &ha->fleets[fleet];
    if (!kept->fenced || !ha_may_act(ha))
        return NULL; /* the leader does that */
    free(kept->pending);
    kept->pending = xstrdup(text);
    if (kept->call == NULL)
        save(kept);
    return ha->save_error[0] != '\0' ? ha->save_error : NULL;
}

/* ---- the lease's calls ---- */

static void note_answer(struct ha *ha, const char *operation, const struct aws_result *result)
{
    char text[300];
    bool failed = result->kind != AWS_KIND_OK;
    if (failed)
        (void)snprintf(ha->error, sizeof ha->error, "%s",
                       aws_result_text(result, operation, text, sizeof text));
    if (failed && !ha->failing)
        LOG(LOG_WARNING, "cannot reach the lease", LOG_STR("table", ha->config->table),
            LOG_STR("error", ha->error));
    if (!failed && ha->failing)
        LOG(LOG_INFO, "the lease can be reached again", LOG_STR("table", ha->config->table));
    if (!failed)
        ha->error[0] = '\0';
    ha->failing = failed;
}

static void end_call(struct ha *ha)
{
    ha->call = NULL;
    loop_timer_cancel(&ha->call_timer);
}

static void on_read(void *arg, const struct aws_result *result, bool refused,
                    const struct dynamodb_attribute *attributes, size_t count)
{
    struct ha *ha = arg;
    struct lease_record record = {.exists = dynamodb_find(attributes, count, "rvn") != NULL,
                                  .rvn = dynamodb_number(attributes, count, "rvn", 0),
                                  .lease_ms = dynamodb_number(attributes, count, "lease_ms", 0)};
    (void)refused;
    end_call(ha);
    (void)snprintf(record.owner, sizeof record.owner, "%s", dynamodb_text(attributes, count, "owner", ""));
    note_answer(ha, "GetItem", result);
    bool good = result->kind == AWS_KIND_OK;
    if (good)
        memcpy(ha->holder, record.owner, sizeof ha->holder);
    lease_answer(&ha->lease, good ? LEASE_DONE : LEASE_FAILED, &record, clock_boot_ms());
    step(ha);
}

static void on_written(void *arg, const struct aws_result *result, bool refused,
                       const struct dynamodb_attribute *attributes, size_t count)
{
    struct ha *ha = arg;
    (void)attributes;
    (void)count;
    end_call(ha);
    note_answer(ha, "UpdateItem", result);
    enum lease_answer answer = result->kind != AWS_KIND_OK ? LEASE_FAILED
                               : refused                   ? LEASE_REFUSED
                                                           : LEASE_DONE;
    lease_answer(&ha->lease, answer, NULL, clock_boot_ms());
    if (answer == LEASE_DONE && ha->lease.role == LEASE_LEADER)
        ha->renewed_ms = clock_boot_ms();
    step(ha);
    flush(ha);
}

static void write_lease(struct ha *ha, const struct lease_action *action)
{
    const char *owner = action->what == LEASE_RELEASE ? ""
                        : action->what == LEASE_MAKE  ? LEASE_NOBODY
                                                      : ha->lease.owner;
    struct dynamodb_attribute set[] = {
        {.name = "owner", .text = owner},
        {.name = "rvn", .number = action->new_rvn},
        {.name = "lease_ms", .number = ha->config->lease_ms},
        {.name = "token", .number = action->what == LEASE_TAKE ? action->new_rvn : ha->lease.token}};
    struct dynamodb_condition conditions[2];
    size_t count = 0;
    if (action->what == LEASE_MAKE)
        conditions[count++] = (struct dynamodb_condition){DYNAMODB_ABSENT, {.name = "rvn"}};
    if (action->what == LEASE_RENEW || action->what == LEASE_RELEASE)
        conditions[count++] =
            (struct dynamodb_condition){DYNAMODB_EQUAL, {.name = "owner", .text = ha->lease.owner}};
    if (action->what == LEASE_RENEW || action->what == LEASE_TAKE)
        conditions[count++] =
            (struct dynamodb_condition){DYNAMODB_EQUAL, {.name = "rvn", .number = action->rvn}};
    struct dynamodb_update update = {.table = ha->config->table,
                                     .key = {.name = "id", .text = ha->config->key},
                                     .set = set,
                                     .set_count = sizeof set / sizeof set[0],
                                     .conditions = conditions,
                                     .condition_count = count};
    ha->call = dynamodb_update(ha->client, &update, on_written, ha);
}

static int64_t call_timeout_ms(const struct config_ha *config)
{
    return config->heartbeat_ms / 2 > CALL_TIMEOUT_MIN_MS ? config->heartbeat_ms / 2 : CALL_TIMEOUT_MIN_MS;
}

static void on_call_timer(void *arg)
{
    struct ha *ha = arg;
    struct aws_result result = {.kind = AWS_KIND_TRANSIENT, .code = "Timeout"};
    aws_call_cancel(ha->call);
    ha->call = NULL;
    note_answer(ha, "the lease", &result);
    lease_answer(&ha->lease, LEASE_FAILED, NULL, clock_boot_ms());
    step(ha);
}

/* ---- roles ---- */

static void become_leader(struct ha *ha)
{
    ha->led = true;
    LOG(LOG_INFO, "this supervisor leads", LOG_STR("key", ha->config->key), LOG_STR("owner", ha->lease.owner),
        LOG_INT("token", ha->lease.token));
    ha->options.on_lead(ha->options.arg);
}

static void stop_leading(struct ha *ha)
{
    ha->led = false;
    for (size_t i = 0; i < ha->options.config->fleet_count; i++)
        forget_fleet(&ha->fleets[i]);
    LOG(LOG_ERROR, "this supervisor does not lead any more", LOG_STR("key", ha->config->key),
        LOG_STR("why", ha->lease.why));
    ha->options.on_lost(ha->options.arg, ha->lease.why);
}

/* Follows the role, and does what the lease wants done. */
static void step(struct ha *ha)
{
    struct lease_action action = lease_next(&ha->lease, clock_boot_ms());
    bool leads = ha->lease.role == LEASE_LEADER;
    struct dynamodb_attribute key = {.name = "id", .text = ha->config->key};
    if (action.what == LEASE_READ)
        ha->call = dynamodb_get(ha->client, ha->config->table, &key, on_read, ha);
    else if (action.what != LEASE_WAIT)
        write_lease(ha, &action);
    if (action.what != LEASE_WAIT)
        loop_timer_arm_real_ms(&ha->call_timer, call_timeout_ms(ha->config));
    if (action.wake_ms >= 0)
        loop_timer_arm_real_ms(&ha->timer, action.wake_ms);
    if (leads && !ha->led) {
        become_leader(ha);
        flush(ha);
    } else if (!leads && ha->led && ha->lease.role != LEASE_LEAVING && ha->lease.role != LEASE_OVER) {
        stop_leading(ha);
    }
    if (ha->lease.role == LEASE_OVER && ha->options.on_retired != NULL) {
        void (*fn)(void *arg) = ha->options.on_retired;
        ha->options.on_retired = NULL; /* once */
        fn(ha->options.arg);
    }
}

static void on_timer(void *arg)
{
    step(arg);
}

bool ha_may_act(const struct ha *ha)
{
    return lease_valid(&ha->lease, clock_boot_ms());
}

const char *ha_role(const struct ha *ha)
{
    return lease_role_name(ha->lease.role);
}

void ha_set_ready(struct ha *ha)
{
    lease_set_ready(&ha->lease, true);
    step(ha);
}

/* ---- life ---- */

static void make_owner(char *out, size_t size)
{
    char host[65] = "?";
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(out, size, "%s:%ld:%08" PRIx32, host, (long)getpid(), (uint32_t)random_seed());
}

static int check_endpoint(const struct ha *ha, struct err *err)
{
    struct strbuf url = STRBUF_INIT;
    int rc = aws_client_endpoint(ha->client, "dynamodb", NULL, &url, err);
    if (rc == 0 && clock_scale() != 1 && !aws_url_is_loopback(strbuf_str(&url)))
        rc = err_set(err, "SLUICE_TIME_SCALE: refused: the endpoint %s of ha is not on loopback",
                     strbuf_str(&url));
    strbuf_clean_up(&url);
    return rc;
}

int ha_new(const struct ha_options *options, struct ha **ret_ha, struct err *err)
{
    const struct config *config = options->config;
    const struct config_ha *rules = &config->ha;
    struct aws_client_options client = {
        .base = options->base,
        .region = rules->region != NULL ? rules->region : config->region,
        .endpoint_url = rules->endpoint_url != NULL ? rules->endpoint_url : config->endpoint_url,
        .credentials = options->credentials,
        .max_attempts = 1, /* the lease repeats what is worth it, and counts from when it asked */
        .connect_timeout_ms = call_timeout_ms(rules),
        .reply_margin_ms = call_timeout_ms(rules)};
    struct ha *ha = xcalloc(1, sizeof *ha);
    struct lease_rules lease = lease_rules_of(rules->lease_ms, rules->heartbeat_ms);
    char owner[LEASE_OWNER_BYTES];
    ha->options = *options;
    ha->config = rules;
    ha->fleets = xcalloc(config->fleet_count, sizeof *ha->fleets);
    for (size_t i = 0; i < config->fleet_count; i++) {
        struct strbuf id = STRBUF_INIT;
        strbuf_appendf(&id, "%s/fleet/%s", rules->key, config->fleets[i].name);
        ha->fleets[i] = (struct kept){.ha = ha, .index = i, .id = strbuf_take(&id)};
    }
    make_owner(owner, sizeof owner);
    lease_init(&ha->lease, &lease, owner, clock_wall_ms(), clock_boot_ms());
    loop_timer_init(&ha->timer, options->base, on_timer, ha);
    loop_timer_init(&ha->call_timer, options->base, on_call_timer, ha);
    ha->client = aws_client_new(&client, err);
    if (ha->client == NULL || check_endpoint(ha, err) != 0) {
        ha_destroy(ha);
        return err_prefix(err, "%s: ha", config->path);
    }
    *ret_ha = ha;
    return 0;
}

void ha_destroy(struct ha *ha)
{
    if (ha == NULL)
        return;
    aws_client_destroy(ha->client);
    for (size_t i = 0; i < ha->options.config->fleet_count; i++) {
        drop_texts(&ha->fleets[i]);
        free(ha->fleets[i].id);
    }
    free(ha->fleets);
    loop_timer_clean_up(&ha->timer);
    loop_timer_clean_up(&ha->call_timer);
    loop_timer_clean_up(&ha->retire_timer);
    free(ha);
}

void ha_start(struct ha *ha)
{
    lease_set_ready(&ha->lease, true);
    step(ha);
}

static void retire_now(void *arg)
{
    struct ha *ha = arg;
    lease_retire(&ha->lease, clock_boot_ms());
    step(ha);
}

void ha_retire(struct ha *ha)
{
    bool saving = false;
    for (size_t i = 0; i < ha->options.config->fleet_count; i++)
        saving = saving || ha->fleets[i].call != NULL;
    if (!ha->retiring) {
        loop_timer_init(&ha->retire_timer, ha->options.base, retire_now, ha);
        loop_timer_arm_real_ms(&ha->retire_timer, RETIRE_WAIT_MS);
    }
    ha->retiring = true;
    if (!saving)
        loop_timer_arm_real_ms(&ha->retire_timer, 0);
}

/* ---- status ---- */

void ha_write_status(const struct ha *ha, struct jsonw *w)
{
    const struct lease *lease = &ha->lease;
    int64_t now_ms = clock_boot_ms();
    bool leads = lease->role == LEASE_LEADER;
    jsonw_key_str(w, "table", ha->config->table);
    jsonw_key_str(w, "key", ha->config->key);
    jsonw_key_str(w, "owner", lease->owner);
    jsonw_key_str(w, "holder", leads ? lease->owner : ha->holder[0] != '\0' ? ha->holder : NULL);
    jsonw_key_int(w, "since_ms", now_ms - lease->since_ms);
    jsonw_key_int(w, "token", leads ? lease->token : 0);
    if (leads) {
        jsonw_key_int(w, "lease_age_ms", now_ms - ha->renewed_ms);
        jsonw_key_int(w, "lease_left_ms",
                      lease->valid_until_ms > now_ms ? lease->valid_until_ms - now_ms : 0);
    } else if (lease->known) {
        jsonw_key_int(w, "lease_age_ms", now_ms - lease->watch_ms);
    }
    jsonw_key_int(w, "takeovers", (int64_t)lease->takeovers);
    jsonw_key_int(w, "losses", (int64_t)lease->losses);
    jsonw_key_str(w, "last_loss", lease->why[0] != '\0' ? lease->why : NULL);
    jsonw_key_int(w, "renewals", (int64_t)lease->renewals);
    jsonw_key_int(w, "failures", (int64_t)lease->failures);
    jsonw_key_str(w, "last_error", ha->error[0] != '\0' ? ha->error : NULL);
    jsonw_key_int(w, "saves", (int64_t)ha->saves);
    jsonw_key_int(w, "save_failures", (int64_t)ha->save_failures);
    jsonw_key_str(w, "save_error", ha->save_error[0] != '\0' ? ha->save_error : NULL);
    jsonw_key_int(w, "fenced", (int64_t)ha->fences);
}
