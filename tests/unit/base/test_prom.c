/* Prometheus's text format: values, escapes, histograms. */
#include "base/prom.h"

#include "../unit.h"

START_TEST(a_family_is_told_once_and_its_samples_follow)
{
    struct strbuf out = STRBUF_INIT;
    struct prom p = PROM_INIT(&out);
    prom_family(&p, "a_total", PROM_COUNTER, "Counts \\ and\nmore \"quoted\"");
    prom_open(&p, "");
    prom_close(&p, PROM_COUNT, 7);
    prom_open(&p, "");
    prom_label(&p, "x", "plain");
    prom_label(&p, "y", "q\"b\\n\nl");
    prom_close(&p, PROM_COUNT, -3);
    ck_assert_str_eq(strbuf_str(&out), "# HELP a_total Counts \\\\ and\\nmore \"quoted\"\n"
                                       "# TYPE a_total counter\n"
                                       "a_total 7\n"
                                       "a_total{x=\"plain\",y=\"q\\\"b\\\\n\\nl\"} -3\n");
    strbuf_clean_up(&out);
}
END_TEST

START_TEST(values_are_told_in_base_units)
{
    static const struct {
        enum prom_unit unit;
        int64_t value;
        const char *text;
    } CASES[] = {
        {PROM_COUNT, 0, "0"},       {PROM_COUNT, INT64_MAX, "9223372036854775807"},
        {PROM_MS, 0, "0.000"},      {PROM_MS, 1, "0.001"},
        {PROM_MS, 61005, "61.005"}, {PROM_MS, -1500, "-1.500"},
        {PROM_MS, -1, "-0.001"},    {PROM_COUNT, INT64_MIN, "-9223372036854775808"},
        {PROM_PERCENT, 5, "0.05"},  {PROM_PERCENT, 150, "1.50"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct strbuf out = STRBUF_INIT;
        struct prom p = {.out = &out, .name = "m"};
        prom_open(&p, "");
        prom_close(&p, CASES[i].unit, CASES[i].value);
        ck_assert_int_eq(strncmp(out.data, "m ", 2), 0);
        ck_assert_int_eq(strncmp(out.data + 2, CASES[i].text, strlen(CASES[i].text)), 0);
        ck_assert_str_eq(out.data + 2 + strlen(CASES[i].text), "\n");
        strbuf_clean_up(&out);
    }
}
END_TEST

static void label(struct prom *p, void *arg)
{
    prom_label(p, "op", arg);
}

START_TEST(a_histogram_counts_up_to_its_bounds_and_to_infinity)
{
    struct histogram h = {.count = 0};
    struct strbuf out = STRBUF_INIT;
    struct prom p = PROM_INIT(&out);
    char op[] = "Get";
    histogram_record(&h, 1);
    histogram_record(&h, 3);
    histogram_record(&h, INT64_C(50000000)); /* beyond the last bound */
    prom_family(&p, "t_seconds", PROM_HISTOGRAM, "Time");
    prom_histogram_ms(&p, &h, label, op);
    ck_assert_ptr_nonnull(strstr(out.data, "t_seconds_bucket{op=\"Get\",le=\"0.001\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "t_seconds_bucket{op=\"Get\",le=\"0.002\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "t_seconds_bucket{op=\"Get\",le=\"0.005\"} 2\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "t_seconds_bucket{op=\"Get\",le=\"+Inf\"} 3\n"
                                           "t_seconds_sum{op=\"Get\"} 50000.004\n"
                                           "t_seconds_count{op=\"Get\"} 3\n"));
    strbuf_clear(&out);
    prom_histogram_ms(&p, &h, NULL, NULL);
    ck_assert_ptr_nonnull(strstr(out.data, "t_seconds_bucket{le=\"0.001\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "t_seconds_count 3\n"));
    strbuf_clean_up(&out);
}
END_TEST

UNIT_MAIN("prom", a_family_is_told_once_and_its_samples_follow, values_are_told_in_base_units,
          a_histogram_counts_up_to_its_bounds_and_to_infinity)
