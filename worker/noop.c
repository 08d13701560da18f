/*
 * The noop handler: does nothing and succeeds. It measures the worker itself, and with --noop-time a handler
 * that waits that long: --noop-slow-share of the messages, told by a hash of their bodies, wait
 * --noop-slow-time instead. The same bodies and seed are slow in every run and in every worker.
 *
 * The hash, for others that want to choose alike: FNV-1a of 32 bits over the body, its start value xored with
 * the seed, then the finalizer of MurmurHash3; slow when hash / 2^32 < share. Sources: draft-eastlake-fnv,
 * offset basis and prime of 32 bits; MurmurHash3 (Austin Appleby, public domain), fmix32.
 */
#include "worker/handlers.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/exitcode.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct noop_options {
    int64_t time_ms;
    int64_t slow_time_ms;
    double slow_share;
    int64_t seed;
};

static const struct option_row OPTIONS[] = {
    {"noop_time", OPTION_DURATION, offsetof(struct noop_options, time_ms), "0s", 0, 43200000, NULL, "TIME",
     "product time that handling takes"},
    {"noop_slow_time", OPTION_DURATION, offsetof(struct noop_options, slow_time_ms), "1s", 0, 43200000, NULL,
     "TIME", "product time that handling of a slow message takes"},
    {"noop_slow_share", OPTION_DOUBLE, offsetof(struct noop_options, slow_share), "0", 0, 1, NULL, "SHARE",
     "share of slow messages, chosen by a hash of the body"},
    {"noop_seed", OPTION_INT, offsetof(struct noop_options, seed), "0", 0, UINT32_MAX, NULL, "N",
     "chooses other slow messages"},
    OPTION_END,
};

static const struct option_row NO_ENVIRONMENT[] = {OPTION_END};

static uint32_t hash(const char *text, size_t len, uint32_t seed)
{
    uint32_t h = UINT32_C(2166136261) ^ seed;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT32_C(16777619);
    h = (h ^ (h >> 16)) * UINT32_C(0x85ebca6b);
    h = (h ^ (h >> 13)) * UINT32_C(0xc2b2ae35);
    return h ^ (h >> 16);
}

static bool is_slow(const struct noop_options *o, const struct sluice_message *message)
{
    const double hashes = 4294967296.0;
    return o->slow_share > 0 &&
           hash(message->body, message->body_len, (uint32_t)o->seed) / hashes < o->slow_share;
}

static bool waits(const struct noop_options *o)
{
    return o->time_ms > 0 || (o->slow_share > 0 && o->slow_time_ms > 0);
}

static void *noop_open(const void *options, const struct sluice_host *host, struct err *err)
{
    struct noop_options *instance = xcalloc(1, sizeof *instance);
    (void)host;
    (void)err;
    *instance = *(const struct noop_options *)options;
    return instance;
}

static int64_t noop_limit(const void *instance)
{
    (void)instance;
    return 0;
}

static uint32_t noop_flags(const void *instance)
{
    return waits(instance) ? 0 : SLUICE_NONBLOCKING;
}

static enum sluice_verdict noop_handle(void *instance, const struct sluice_message *message,
                                       const struct sluice_context *context)
{
    const struct noop_options *o = instance;
    if (!waits(o))
        return SLUICE_DONE;
    clock_sleep_product_ms(is_slow(o, message) ? o->slow_time_ms : o->time_ms);
    return context->lease_lost(context) ? SLUICE_FAILED : SLUICE_DONE;
}

static void noop_close(void *instance)
{
    free(instance);
}

const struct handler HANDLER_NOOP = {
    .flags = 0,
    .name = "noop",
    .help = "does nothing, for as long as it is told, and succeeds; for measuring",
    .options = OPTIONS,
    .environment = NO_ENVIRONMENT,
    .options_size = sizeof(struct noop_options),
    .open = noop_open,
    .limit = noop_limit,
    .instance_flags = noop_flags,
    .handle = noop_handle,
    .close = noop_close,
    .open_exit_code = EXIT_CODE_CONFIG,
};
