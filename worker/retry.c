/* Delays of failed messages; see retry.h. */
#include "worker/retry.h"

#include "base/duration.h"

#include <stdio.h>
#include <string.h>

static int wrong(struct err *err, const char *entry, int len)
{
    return err_set(err,
                   "--retry-delays: \"%.*s\": want 1 to %d durations of whole seconds from 0 to 12h, such as "
                   "1s,5s,1m",
                   len < 48 ? len : 48, entry, RETRY_DELAYS_MAX);
}

int retry_delays_parse(const char *text, struct retry_delays *ret_delays, struct err *err)
{
    struct retry_delays delays = {.count = 0};
    const char *entry = text;
    for (;;) {
        int len = (int)strcspn(entry, ",");
        char copy[48];
        int64_t ms = 0;
        if (delays.count == RETRY_DELAYS_MAX)
            return wrong(err, text, (int)strlen(text));
        if (len == 0 || len >= (int)sizeof copy)
            return wrong(err, entry, len);
        (void)snprintf(copy, sizeof copy, "%.*s", len, entry);
        if (duration_parse(copy, &ms) != 0 || ms % 1000 != 0 || ms > (int64_t)RETRY_DELAY_MAX_S * 1000)
            return wrong(err, entry, len);
        delays.seconds[delays.count++] = (int)(ms / 1000);
        if (entry[len] == '\0')
            break;
        entry += len + 1;
    }
    *ret_delays = delays;
    return 0;
}

int retry_delay_s(const struct retry_delays *delays, int64_t receive_count, uint64_t random)
{
    int64_t i = receive_count < 1 ? 0 : receive_count - 1;
    int64_t delay_ms = (int64_t)delays->seconds[i < delays->count ? i : delays->count - 1] * 1000;
    int64_t fifth_ms = delay_ms / 5;
    int64_t varied_ms = delay_ms - fifth_ms + (int64_t)(random % (uint64_t)(2 * fifth_ms + 1));
    int64_t seconds = (varied_ms + 500) / 1000;
    return (int)(seconds < RETRY_DELAY_MAX_S ? seconds : RETRY_DELAY_MAX_S);
}
