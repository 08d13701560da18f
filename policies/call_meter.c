/* Calls in a sliding window; see call_meter.h. */
#include "policies/call_meter.h"

#include <string.h>

enum { SPAN_LEAST_MS = 10000, MINUTE_MS = 60000 };

/* Empties the slots between the newest one and that of now. */
static void advance(struct call_meter *meter, int64_t slot)
{
    int64_t passed = slot - meter->slot;
    if (passed < 0 || passed >= CALL_METER_SLOTS)
        memset(meter->slots, 0, sizeof meter->slots);
    else
        for (int64_t i = meter->slot + 1; i <= slot; i++)
            meter->slots[i % CALL_METER_SLOTS] = 0;
    meter->slot = slot;
}

void call_meter_note(struct call_meter *meter, uint32_t calls, int64_t now_ms)
{
    int64_t slot = now_ms / CALL_METER_SLOT_MS;
    if (meter->since_ms == 0 || slot < meter->slot)
        meter->since_ms = now_ms;
    advance(meter, slot);
    meter->slots[slot % CALL_METER_SLOTS] += calls;
    meter->total += calls;
}

double call_meter_per_min(const struct call_meter *meter, int64_t now_ms)
{
    struct call_meter now = *meter;
    double calls = 0;
    if (meter->since_ms == 0 || now_ms < meter->since_ms)
        return 0;
    advance(&now, now_ms / CALL_METER_SLOT_MS);
    for (int i = 0; i < CALL_METER_SLOTS; i++)
        calls += now.slots[i];
    /* The slots that count began here; the newest one is not over yet. */
    int64_t begin_ms = (now.slot - CALL_METER_SLOTS + 1) * CALL_METER_SLOT_MS;
    int64_t span_ms = now_ms - (begin_ms > meter->since_ms ? begin_ms : meter->since_ms);
    return calls * MINUTE_MS / (double)(span_ms > SPAN_LEAST_MS ? span_ms : SPAN_LEAST_MS);
}
