/* Figures of a demo from log and ledger; see demo_truth.h. Pure. */
#include "supervisor/demo_truth.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROMISED_WAIT_MS = 5000, KILL_SLACK_MS = 1000 };

double demo_truth_percentile(const double *sorted, size_t count, double p)
{
    if (count == 0)
        return -1;
    double rank = ceil(p / 100 * (double)count);
    size_t index = rank < 1 ? 0 : (size_t)rank - 1;

    return sorted[index < count ? index : count - 1];
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* ---- orders ---- */

enum { ORDER_MALFORMED = 1, ORDER_RESENT = 2 };

/* Per order number: what the log says of it. */
static unsigned char *order_marks(const struct demo_books *books)
{
    unsigned char *marks = xcalloc(books->orders.count + 1, 1);

    for (size_t i = 0; i < books->sent_count; i++) {
        const struct demo_sent *sent = &books->sent[i];
        marks[sent->order] |=
            (unsigned char)((sent->malformed ? ORDER_MALFORMED : 0) | (sent->resent ? ORDER_RESENT : 0));
    }
    return marks;
}

static void count_orders(const struct demo_truth_input *in, const unsigned char *marks, struct demo_truth *t)
{
    const struct demo_books *books = in->books;

    for (size_t order = 0; order < books->orders.count; order++) {
        const char *id = books->orders.names[order];
        bool sent = demo_books_order_sent(books, order), paid = demo_books_order_paid(books, order);
        bool malformed = (marks[order] & ORDER_MALFORMED) != 0;
        bool dead = demo_ids_find(in->dead_letters, id, strlen(id)) >= 0;

        t->sent += sent;
        t->sent_malformed += malformed;
        t->resent += (marks[order] & ORDER_RESENT) != 0;
        t->completed_unique += paid;
        t->malformed_paid += paid && malformed;
        t->paid_unacknowledged += paid && !sent;
        t->lost += sent && !paid && !dead;
        t->dead_malformed += dead && malformed;
    }
    t->failed = (int64_t)in->dead_letters->count - t->dead_malformed;
}

static void count_messages(const struct demo_books *books, struct demo_truth *t)
{
    unsigned char *seen = xcalloc(books->messages.count + 1, 1);

    for (size_t i = 0; i < books->sent_count; i++) {
        t->messages += !seen[books->sent[i].message];
        seen[books->sent[i].message] = 1;
    }
    free(seen);
}

/* ---- doubles ---- */

static bool is_worker_of(const struct demo_kill *kill, pid_t pid)
{
    if (kill->what == DEMO_KILL_WORKER)
        return kill->pid == pid;
    for (size_t i = 0; i < kill->worker_count; i++)
        if (kill->worker_pids[i] == pid)
            return true;
    return false;
}

/* Which kill can have kept the delete of this payment from SQS: the payment was the killed worker's, or of a
 * worker whose supervisor was killed, and ended when its lease was still out. */
static ssize_t kill_that_explains(const struct demo_truth_input *in, const struct demo_payment *first)
{
    for (size_t i = 0; i < in->kill_count; i++) {
        const struct demo_kill *kill = &in->kills[i];
        int64_t after_ms = kill->what == DEMO_KILL_WORKER ? KILL_SLACK_MS : in->stop_grace_ms + KILL_SLACK_MS;

        if (is_worker_of(kill, first->pid) && first->end_ms >= kill->t_ms - in->visibility_ms &&
            first->end_ms <= kill->t_ms + after_ms)
            return (ssize_t)i;
    }
    return -1;
}

static void book_double(struct demo_truth *t, const struct demo_payment *again, ssize_t kill)
{
    t->duplicates++;
    t->duplicates_unexplained += kill < 0;
    if (t->double_count < DEMO_DOUBLES_MAX)
        t->doubles[t->double_count++] = (struct demo_double){
            .order = again->order, .message = again->message, .t_ms = again->end_ms, .kill = kill};
}

/* The ledger is in the order of writing, so the first line of a message is its first payment. */
static void count_doubles(const struct demo_truth_input *in, struct demo_truth *t)
{
    const struct demo_books *books = in->books;
    size_t *first_of_message = xcalloc(books->messages.count + 1, sizeof *first_of_message);
    size_t *first_of_order = xcalloc(books->orders.count + 1, sizeof *first_of_order);

    for (size_t i = 0; i < books->payment_count; i++) {
        const struct demo_payment *payment = &books->payments[i];
        size_t *first = &first_of_message[payment->message], *of_order = &first_of_order[payment->order];

        t->redelivered += payment->receive_count > 1;
        if (*first != 0)
            book_double(t, payment, kill_that_explains(in, &books->payments[*first - 1]));
        else if (*of_order != 0)
            t->resent_paid_twice++;
        if (*first == 0)
            *first = i + 1;
        if (*of_order == 0)
            *of_order = i + 1;
    }
    free(first_of_message);
    free(first_of_order);
}

/* ---- waits ---- */

static void measure_waits(const struct demo_books *books, struct demo_truth *t)
{
    int64_t *sent_ms = xcalloc(books->messages.count + 1, sizeof *sent_ms);
    double *waits = xcalloc(books->payment_count + 1, sizeof *waits);
    size_t count = 0;

    for (size_t i = 0; i < books->sent_count; i++)
        sent_ms[books->sent[i].message] = books->sent[i].sent_ms;
    for (size_t i = 0; i < books->payment_count; i++) {
        int64_t *sent = &sent_ms[books->payments[i].message];
        if (*sent == 0)
            continue;
        int64_t wait_ms = books->payments[i].start_ms - *sent;
        *sent = 0; /* a second payment is no second wait */
        waits[count++] = (double)wait_ms / 1000.0;
        t->waits_above_5s += wait_ms > PROMISED_WAIT_MS;
    }
    qsort(waits, count, sizeof *waits, compare_doubles);
    t->wait_p50_s = demo_truth_percentile(waits, count, 50);
    t->wait_p99_s = demo_truth_percentile(waits, count, 99);
    t->wait_max_s = demo_truth_percentile(waits, count, 100);
    free(waits);
    free(sent_ms);
}

/* ---- physics ---- */

struct moment {
    pid_t pid;
    int64_t t_ms;
    int step; /* -1 an end, +1 a start */
};

/* By process, then time; ends before starts of the same millisecond, since a slot is free when its payment
 * ends. */
static int compare_moments(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;

    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    if (x->t_ms != y->t_ms)
        return x->t_ms < y->t_ms ? -1 : 1;
    return x->step - y->step;
}

/* Walks the moments of one process; returns where the next one begins. */
static size_t measure_process(const struct demo_truth_input *in, const struct moment *moments, size_t count,
                              size_t at, struct demo_truth *t)
{
    size_t first = at;
    int64_t running = 0, completed = 0;

    for (; at < count && moments[at].pid == moments[first].pid; at++) {
        running += moments[at].step;
        completed += moments[at].step < 0;
        if (running > t->concurrency_max)
            t->concurrency_max = running;
    }
    int64_t life_ms = moments[at - 1].t_ms - moments[first].t_ms;
    double rate = life_ms > 0 ? (double)completed * 1000.0 / (double)life_ms : INFINITY;
    if (rate > t->process_rate_max_per_s)
        t->process_rate_max_per_s = rate;
    t->processes++;
    /* Times are whole milliseconds: each payment may look one shorter than it was, and so may the life. */
    if (completed * (in->payment_ms - 1) > in->slots * (life_ms + 1) && t->physics[0] == '\0')
        (void)snprintf(t->physics, sizeof t->physics,
                       "process %d completed %" PRId64 " payments in %.3f s, more than %" PRId64 " slots can",
                       (int)moments[first].pid, completed, (double)life_ms / 1000.0, in->slots);
    return at;
}

static void measure_processes(const struct demo_truth_input *in, struct demo_truth *t)
{
    const struct demo_books *books = in->books;
    size_t count = 2 * books->payment_count;
    struct moment *moments = xcalloc(count + 1, sizeof *moments);

    t->payment_min_ms = -1;
    for (size_t i = 0; i < books->payment_count; i++) {
        const struct demo_payment *p = &books->payments[i];
        moments[2 * i] = (struct moment){p->pid, p->start_ms, 1};
        moments[2 * i + 1] = (struct moment){p->pid, p->end_ms, -1};
        if (t->payment_min_ms < 0 || p->end_ms - p->start_ms < t->payment_min_ms)
            t->payment_min_ms = p->end_ms - p->start_ms;
    }
    qsort(moments, count, sizeof *moments, compare_moments);
    for (size_t at = 0; at < count;)
        at = measure_process(in, moments, count, at, t);
    free(moments);
    if (t->concurrency_max > in->slots && t->physics[0] == '\0')
        (void)snprintf(t->physics, sizeof t->physics,
                       "a process ran %" PRId64 " payments at once in %" PRId64 " slots", t->concurrency_max,
                       in->slots);
    if (t->payments > 0 && t->payment_min_ms < in->payment_ms - 1 && t->physics[0] == '\0')
        (void)snprintf(t->physics, sizeof t->physics, "a payment took %" PRId64 " ms instead of %" PRId64,
                       t->payment_min_ms, in->payment_ms);
}

/* Workers of a killed supervisor end their payments on top of the new fleet's. */
static int64_t payments_on_top(const struct demo_truth_input *in)
{
    int64_t count = 0;

    for (size_t k = 0; k < in->kill_count; k++)
        for (size_t i = 0; in->kills[k].what == DEMO_KILL_SUPERVISOR && i < in->books->payment_count; i++)
            count += in->books->payments[i].end_ms > in->kills[k].t_ms &&
                     is_worker_of(&in->kills[k], in->books->payments[i].pid);
    return count;
}

static void measure_drain(const struct demo_truth_input *in, struct demo_truth *t)
{
    const struct demo_books *books = in->books;
    int64_t last_ms = 0;

    for (size_t i = 0; i < books->payment_count; i++)
        if (books->payments[i].end_ms > last_ms)
            last_ms = books->payments[i].end_ms;
    if (books->payment_count == 0 || t->start_ms == 0)
        return;
    int64_t bounded = t->payments - payments_on_top(in);
    t->drained_s = (double)(last_ms - t->start_ms) / 1000.0;
    t->drained_bound_s = (double)(bounded * in->payment_ms) / (double)(in->workers_max * in->slots) / 1000.0;
    if (t->drained_s < t->drained_bound_s)
        (void)snprintf(t->physics, sizeof t->physics,
                       "drained after %.2f s: %" PRId64 " payments in %" PRId64
                       " workers take at least %.2f s",
                       t->drained_s, bounded, in->workers_max, t->drained_bound_s);
}

void demo_truth_compute(const struct demo_truth_input *input, struct demo_truth *ret_truth)
{
    const struct demo_books *books = input->books;
    struct demo_truth *t = ret_truth;
    unsigned char *marks = order_marks(books);

    *t = (struct demo_truth){.start_ms = books->start_ms, .payments = (int64_t)books->payment_count};
    count_orders(input, marks, t);
    count_messages(books, t);
    count_doubles(input, t);
    measure_waits(books, t);
    measure_drain(input, t);
    measure_processes(input, t);
    free(marks);
}

int64_t demo_truth_running_at(const struct demo_books *books, int64_t t_ms, pid_t pid)
{
    int64_t running = 0;

    for (size_t i = 0; i < books->payment_count; i++) {
        const struct demo_payment *p = &books->payments[i];
        running += (pid == 0 || p->pid == pid) && p->start_ms <= t_ms && t_ms < p->end_ms;
    }
    return running;
}
