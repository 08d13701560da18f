/* Slots of a local fleet: how many, which go, what they need to start. See local_fleet.h. */
#include "supervisor/local_fleet.h"

#include "base/alloc.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "supervisor/local_fleet_internal.h"
#include "supervisor/victims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_ENV_MAX = 10 };

static void tidy(void *arg);

/* ---- the workers' environment ---- */

static void clear_environment(struct local_fleet *fleet)
{
    for (size_t i = 0; i < fleet->own_env_count; i++)
        free(fleet->own_env[i]);
    fleet->own_env_count = 0;
    free(fleet->envp);
    fleet->envp = NULL;
}

static void set_env(struct local_fleet *fleet, const char *name, const char *value)
{
    struct strbuf entry = STRBUF_INIT;
    strbuf_appendf(&entry, "%s=", name);
    strbuf_append_str(&entry, value);
    fleet->own_env[fleet->own_env_count++] = strbuf_take(&entry);
}

static bool config_sets(const struct local_fleet *fleet, const char *name)
{
    size_t len = strlen(name);
    for (char **entry = fleet->config->env; *entry != NULL; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return true;
    return false;
}

/* The configuration's env wins over what the region and endpoint settings say. */
static void set_env_unless_configured(struct local_fleet *fleet, const char *name, const char *value)
{
    if (value != NULL && !config_sets(fleet, name))
        set_env(fleet, name, value);
}

static const char *const *environment(void *arg, const char *worker)
{
    struct local_fleet *fleet = arg;
    char grace[48];
    clear_environment(fleet);
    set_env(fleet, "SQS_QUEUE_URL", fleet->queue_url);
    set_env(fleet, "SLUICE_WORKER_NAME", worker);
    set_env(fleet, "SLUICE_STOP_GRACE", duration_format(fleet->config->stop_grace_ms, grace));
    /* Empty counts as unset; it must not leak in from our own environment. */
    set_env(fleet, "SLUICE_TELEMETRY_FD", fleet->config->telemetry == TELEMETRY_LINES ? "3" : "");
    set_env_unless_configured(fleet, "AWS_REGION", fleet->region);
    set_env_unless_configured(fleet, "AWS_DEFAULT_REGION", fleet->region);
    set_env_unless_configured(fleet, "AWS_ENDPOINT_URL", fleet->endpoint_url);
    set_env_unless_configured(fleet, "AWS_ENDPOINT_URL_SQS", fleet->endpoint_url);
    /* Captured lines are merged into ours when they are JSON, whatever form our own log has. */
    if (fleet->config->log == WORKER_LOG_CAPTURE)
        set_env_unless_configured(fleet, "SLUICE_LOG_FORMAT", "json");
    size_t configured = 0;
    while (fleet->config->env[configured] != NULL)
        configured++;
    const char **over = xcalloc(fleet->own_env_count + configured + 1, sizeof *over);
    for (size_t i = 0; i < fleet->own_env_count; i++)
        over[i] = fleet->own_env[i];
    for (size_t i = 0; i < configured; i++)
        over[fleet->own_env_count + i] = fleet->config->env[i];
    fleet->envp = child_environment(over);
    free(over);
    return fleet->envp;
}

/* ---- slots ---- */

static bool number_in_use(const struct local_fleet *fleet, int number)
{
    char name[64];
    for (size_t i = 0; i < fleet->slot_count; i++)
        if (fleet->slots[i]->number == number)
            return true;
    (void)snprintf(name, sizeof name, "%s-%d", fleet->name, number);
    return orphans_has(fleet->orphans, name);
}

/* Lowest free number: names stay short and stable. The search starts behind the last one given in this round.
 */
static int free_number(const struct local_fleet *fleet, int from)
{
    int number = from;
    while (number_in_use(fleet, number))
        number++;
    return number;
}

static struct local_slot *add_slot(struct local_fleet *fleet, int number)
{
    struct local_slot *slot = local_slot_new(&fleet->shared, number, random_next(&fleet->seed));
    fleet->slots = xrealloc(fleet->slots, (fleet->slot_count + 1) * sizeof(struct local_slot *));
    fleet->slots[fleet->slot_count++] = slot;
    return slot;
}

static int64_t count_places(const struct local_fleet *fleet)
{
    int64_t places = 0;
    for (size_t i = 0; i < fleet->slot_count; i++)
        places += local_slot_is_place(fleet->slots[i]);
    return places;
}

static void grow(struct local_fleet *fleet, int64_t missing)
{
    int number = 1;
    int64_t now = missing < LOCAL_FLEET_BURST ? missing : LOCAL_FLEET_BURST;
    for (int64_t i = 0; i < now; i++) {
        number = free_number(fleet, number);
        local_slot_handle(add_slot(fleet, number), SLOT_START);
    }
    if (missing > now)
        loop_timer_arm_real_ms(&fleet->tidy_timer, 0);
}

static int64_t load_of(const struct local_slot *slot)
{
    const struct telemetry_stats *stats = &slot->account.stats;
    if (!slot->account.has_stats)
        return -1;
    return stats->held > stats->busy ? stats->held : stats->busy;
}

static void shrink(struct local_fleet *fleet, int64_t surplus)
{
    struct victim_candidate *candidates = xcalloc(fleet->slot_count, sizeof *candidates);
    size_t count = 0;
    for (size_t i = 0; i < fleet->slot_count; i++) {
        const struct local_slot *slot = fleet->slots[i];
        if (!local_slot_is_place(slot))
            continue;
        candidates[count++] = (struct victim_candidate){
            .index = i, .state = slot->state, .load = load_of(slot), .started_ms = slot->started_ms};
    }
    victims_sort(candidates, count);
    for (size_t i = 0; i < count && (int64_t)i < surplus; i++)
        local_slot_handle(fleet->slots[candidates[i].index], SLOT_STOP);
    free(candidates);
}

static void balance(struct local_fleet *fleet)
{
    int64_t places = count_places(fleet);
    int64_t want = fleet->stopped ? 0 : fleet->desired;
    if (fleet->queue_url == NULL && want > places)
        return; /* nothing to give the workers yet */
    if (places < want)
        grow(fleet, want - places);
    else if (places > want)
        shrink(fleet, places - want);
}

static void free_gone(struct local_fleet *fleet)
{
    size_t kept = 0;
    for (size_t i = 0; i < fleet->slot_count; i++) {
        struct local_slot *slot = fleet->slots[i];
        if (slot->state == SLOT_GONE) {
            fleet->restarts_of_gone += slot->restarts;
            local_slot_destroy(slot);
        } else {
            fleet->slots[kept++] = slot;
        }
    }
    fleet->slot_count = kept;
}

/* After a turn in which slots changed: frees those that are gone, fills places that were lost. */
static void tidy(void *arg)
{
    struct local_fleet *fleet = arg;
    free_gone(fleet);
    balance(fleet);
    if (fleet->stopped && fleet->slot_count == 0 && !fleet->empty_said) {
        fleet->empty_said = true;
        fleet->on_empty(fleet->empty_arg);
    }
}

static void on_slot_change(void *arg)
{
    struct local_fleet *fleet = arg;
    loop_timer_arm_real_ms(&fleet->tidy_timer, 0);
}

/* ---- the fleet ---- */

struct local_fleet *local_fleet_new(const struct local_fleet_options *options)
{
    struct local_fleet *fleet = xcalloc(1, sizeof *fleet);
    fleet->name = options->name;
    fleet->config = options->config;
    fleet->orphans = options->orphans;
    fleet->region = options->region;
    fleet->endpoint_url = options->endpoint_url;
    fleet->seed = options->seed;
    fleet->on_empty = options->on_empty;
    fleet->empty_arg = options->arg;
    fleet->own_env = xcalloc(OWN_ENV_MAX, sizeof *fleet->own_env);
    fleet->shared = (struct local_slot_shared){
        .base = options->base,
        .reaper = options->reaper,
        .state_dir = options->state_dir,
        .fleet_name = options->name,
        .config = options->config,
        .environment = environment,
        .on_change = on_slot_change,
        .arg = fleet,
    };
    loop_timer_init(&fleet->tidy_timer, options->base, tidy, fleet);
    return fleet;
}

void local_fleet_destroy(struct local_fleet *fleet)
{
    if (fleet == NULL)
        return;
    for (size_t i = 0; i < fleet->slot_count; i++)
        local_slot_destroy(fleet->slots[i]);
    free(fleet->slots);
    account_totals_clean_up(&fleet->shared.dead_totals);
    loop_timer_clean_up(&fleet->tidy_timer);
    clear_environment(fleet);
    free(fleet->own_env);
    free(fleet->queue_url);
    free(fleet);
}

void local_fleet_set_queue_url(struct local_fleet *fleet, const char *queue_url)
{
    free(fleet->queue_url);
    fleet->queue_url = xstrdup(queue_url);
    balance(fleet);
}

void local_fleet_set_desired(struct local_fleet *fleet, int64_t desired)
{
    fleet->desired = desired;
    if (!fleet->stopped)
        balance(fleet);
}

void local_fleet_stop(struct local_fleet *fleet)
{
    fleet->stopped = true;
    balance(fleet);
    loop_timer_arm_real_ms(&fleet->tidy_timer, 0);
}

void local_fleet_hurry(struct local_fleet *fleet)
{
    for (size_t i = 0; i < fleet->slot_count; i++)
        local_slot_handle(fleet->slots[i], SLOT_HURRY);
}

void local_fleet_write_records(const struct local_fleet *fleet)
{
    for (size_t i = 0; i < fleet->slot_count; i++)
        if (local_slot_pid(fleet->slots[i]) != 0)
            local_slot_write_record(fleet->slots[i]);
}

void local_fleet_disown(struct local_fleet *fleet)
{
    fleet->shared.state_dir = NULL;
}
