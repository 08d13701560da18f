/* The registry of policies, and helpers that build proposals. Pure. */
#include "policies/policy.h"

#include "policies/threshold.h"

#include <stdio.h>
#include <string.h>

static const struct policy *const POLICIES[] = {&POLICY_THRESHOLD, NULL};

const struct policy *const *policy_list(void)
{
    return POLICIES;
}

const struct policy *policy_find(const char *name)
{
    for (size_t i = 0; POLICIES[i] != NULL; i++)
        if (strcmp(POLICIES[i]->name, name) == 0)
            return POLICIES[i];
    return NULL;
}

void proposal_set_reason(struct proposal *proposal, const char *reason)
{
    (void)snprintf(proposal->reason, sizeof proposal->reason, "%s", reason);
}

void proposal_add_term(struct proposal *proposal, const char *name, double value)
{
    if (proposal->term_count >= POLICY_TERMS_MAX)
        return;
    struct proposal_term *term = &proposal->terms[proposal->term_count++];
    (void)snprintf(term->name, sizeof term->name, "%s", name);
    term->value = value;
}

void proposal_add_timer(struct proposal *proposal, const char *name, int64_t left_ms)
{
    if (proposal->timer_count >= POLICY_TIMERS_MAX)
        return;
    struct proposal_timer *timer = &proposal->timers[proposal->timer_count++];
    (void)snprintf(timer->name, sizeof timer->name, "%s", name);
    timer->left_ms = left_ms;
}

double proposal_get_term(const struct proposal *proposal, const char *name, double fallback)
{
    for (int i = 0; i < proposal->term_count; i++)
        if (strcmp(proposal->terms[i].name, name) == 0)
            return proposal->terms[i].value;
    return fallback;
}
