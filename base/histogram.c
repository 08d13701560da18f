/* Log-linear histogram; see histogram.h. */
#include "base/histogram.h"

#define SUB_COUNT (INT64_C(1) << HISTOGRAM_SUB_BITS)
#define VALUE_MAX ((INT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)

/* Values below 16 have a bucket each; from then on the top bit chooses the row and the four bits below it the
 * bucket. */
int histogram_bucket(int64_t value)
{
    if (value < SUB_COUNT)
        return value < 0 ? 0 : (int)value;
    if (value > VALUE_MAX)
        value = VALUE_MAX;
    int shift = 63 - __builtin_clzll((unsigned long long)value) - HISTOGRAM_SUB_BITS;
    return (int)(((int64_t)shift << HISTOGRAM_SUB_BITS) + (value >> shift));
}

int64_t histogram_low(int bucket)
{
    int shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    if (shift <= 0)
        return bucket;
    return (SUB_COUNT + (bucket & (SUB_COUNT - 1))) << shift;
}

int64_t histogram_high(int bucket)
{
    return bucket + 1 < HISTOGRAM_BUCKETS ? histogram_low(bucket + 1) - 1 : VALUE_MAX;
}

void histogram_record(struct histogram *h, int64_t value)
{
    if (value < 0)
        value = 0;
    h->count++;
    h->sum += value;
    if (value > h->max)
        h->max = value;
    h->buckets[histogram_bucket(value)]++;
}

/* Counts may come from elsewhere: too large a sum stays at the end of its range. */
static int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

void histogram_merge(struct histogram *sum, const struct histogram *more)
{
    sum->count = add_saturating(sum->count, more->count);
    sum->sum = add_saturating(sum->sum, more->sum);
    if (more->max > sum->max)
        sum->max = more->max;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum->buckets[i] = add_saturating(sum->buckets[i], more->buckets[i]);
}

int64_t histogram_quantile(const struct histogram *h, double quantile)
{
    int64_t seen = 0;
    double wanted = quantile * (double)h->count;
    if (h->count == 0)
        return 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen = add_saturating(seen, h->buckets[i]);
        if (seen > 0 && (double)seen >= wanted)
            return histogram_high(i) < h->max ? histogram_high(i) : h->max;
    }
    return h->max;
}

int64_t histogram_count_to(const struct histogram *h, int64_t limit)
{
    int64_t count = 0;
    int last = limit < 0 ? -1 : histogram_bucket(limit);
    for (int i = 0; i <= last; i++)
        count = add_saturating(count, h->buckets[i]);
    return count;
}
