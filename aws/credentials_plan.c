/* The choice of a source of credentials; see credentials_plan.h. */
#include "aws/credentials_plan.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DURATION_MIN_S = 900, DURATION_MAX_S = 43200 };

/* What looking at a source gave. */
enum found {
    FOUND_PLAN,
    FOUND_NOTHING, /* not named: err says so, go on */
    FOUND_BAD,     /* named, but it cannot be: err says why, stop */
};

/* An environment variable; empty counts as unset. */
static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static char *copy(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

static enum found nothing(int result)
{
    (void)result; /* of err_set() */
    return FOUND_NOTHING;
}

static enum found bad(int result)
{
    (void)result;
    return FOUND_BAD;
}

static enum found keys_or_bad(struct credentials_plan *plan, struct aws_credentials *keys)
{
    plan->base = CREDENTIALS_BASE_KEYS;
    plan->keys = keys;
    return keys != NULL ? FOUND_PLAN : FOUND_BAD;
}

/* ---- environment ---- */

static enum found from_environment(struct credentials_plan *plan, struct err *err)
{
    const char *id = env("AWS_ACCESS_KEY_ID");
    const char *secret = env("AWS_SECRET_ACCESS_KEY");
    const char *expiration = env("AWS_CREDENTIAL_EXPIRATION");
    int64_t expires_ms = 0;
    if (id == NULL)
        return nothing(err_set(err, "environment: AWS_ACCESS_KEY_ID is not set%s",
                               secret != NULL ? " although AWS_SECRET_ACCESS_KEY is" : ""));
    if (secret == NULL)
        return bad(err_set(err, "environment: AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not"));
    if (expiration != NULL && !aws_credentials_parse_expiration(expiration, &expires_ms))
        return bad(err_set(
            err, "environment: AWS_CREDENTIAL_EXPIRATION=%s: want a time such as 2026-01-01T00:00:00Z",
            expiration));
    (void)snprintf(plan->source, sizeof plan->source, "environment");
    return keys_or_bad(plan, aws_credentials_new_checked(id, secret, env("AWS_SESSION_TOKEN"), expires_ms,
                                                         plan->source, err));
}

/* ---- web identity, container, instance ---- */

static enum found from_web_identity(struct credentials_plan *plan, struct err *err)
{
    const char *file = env("AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *arn = env("AWS_ROLE_ARN");
    if (file == NULL)
        return nothing(err_set(err, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set"));
    if (arn == NULL)
        return bad(err_set(err, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not"));
    plan->base = CREDENTIALS_BASE_WEB_IDENTITY;
    plan->token_file = xstrdup(file);
    plan->identity.arn = xstrdup(arn);
    plan->identity.session_name = copy(env("AWS_ROLE_SESSION_NAME"));
    (void)snprintf(plan->source, sizeof plan->source, "web identity, role %.200s", arn);
    return FOUND_PLAN;
}

static enum found from_container(struct credentials_plan *plan, struct err *err)
{
    if (env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") == NULL &&
        env("AWS_CONTAINER_CREDENTIALS_FULL_URI") == NULL)
        return nothing(err_set(err, "container: AWS_CONTAINER_CREDENTIALS_*_URI is not set"));
    plan->base = CREDENTIALS_BASE_CONTAINER;
    (void)snprintf(plan->source, sizeof plan->source, "container");
    return FOUND_PLAN;
}

bool credentials_instance_disabled(void)
{
    const char *disabled = env("AWS_EC2_METADATA_DISABLED");
    return disabled != NULL && strcasecmp(disabled, "true") == 0;
}

static enum found from_instance(struct credentials_plan *plan, struct err *err)
{
    if (credentials_instance_disabled())
        return nothing(err_set(err, "instance: AWS_EC2_METADATA_DISABLED is true"));
    plan->base = CREDENTIALS_BASE_INSTANCE;
    (void)snprintf(plan->source, sizeof plan->source, "instance");
    return FOUND_PLAN;
}

/* ---- profiles ---- */

/* A walk from the profile in use along source_profile. */
struct walk {
    const struct aws_profiles *profiles;
    struct credentials_plan *plan;
    const char *visited[CREDENTIALS_ROLES_MAX + 1];
    size_t visited_count;
};

static const char *get(const struct walk *walk, const char *name, const char *key)
{
    return aws_profiles_get(walk->profiles, name, key);
}

/* Ways that need a browser or a cache which a person fills: not for a program that runs by itself. */
static enum found refuse_sign_in(const struct walk *walk, const char *name, struct err *err)
{
    static const char *const KEYS[] = {"sso_session", "sso_start_url", "sso_account_id", "sso_role_name",
                                       "login_session"};
    char list[128] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        if (get(walk, name, KEYS[i]) != NULL)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", KEYS[i]);
    if (used == 0)
        return nothing(
            err_set(err, "profile %s: has neither keys nor role_arn nor credential_process", name));
    return bad(err_set(err,
                       "profile %s: gets its credentials by %s, which needs a person to sign in and is not "
                       "supported; use a role, credential_process or keys",
                       name, list));
}

static enum found from_static_keys(const struct walk *walk, const char *name, struct err *err)
{
    char source[160];
    const char *id = get(walk, name, "aws_access_key_id");
    const char *secret = get(walk, name, "aws_secret_access_key");
    if (id == NULL && secret == NULL)
        return nothing(err_set(err, "profile %s: has no aws_access_key_id", name));
    if (id == NULL || secret == NULL)
        return bad(err_set(err, "profile %s: has %s but no %s", name,
                           id != NULL ? "aws_access_key_id" : "aws_secret_access_key",
                           id != NULL ? "aws_secret_access_key" : "aws_access_key_id"));
    (void)snprintf(source, sizeof source, "profile %s", name);
    return keys_or_bad(walk->plan, aws_credentials_new_checked(
                                       id, secret, get(walk, name, "aws_session_token"), 0, source, err));
}

/* Session name as STS takes it: 2 to 64 of [\w+=,.@-]. */
static bool is_session_name(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-");
    return text[len] == '\0' && len >= 2 && len <= 64;
}

static int read_role(const struct walk *walk, const char *name, struct credentials_role *role,
                     struct err *err)
{
    const char *session = get(walk, name, "role_session_name");
    const char *duration = get(walk, name, "duration_seconds");
    role->arn = xstrdup(get(walk, name, "role_arn"));
    role->external_id = copy(get(walk, name, "external_id"));
    role->session_name = copy(session);
    if (session != NULL && !is_session_name(session))
        return err_set(err, "profile %s: role_session_name = %.80s: want 2 to 64 letters, digits or _+=,.@-",
                       name, session);
    if (duration == NULL)
        return 0;
    char *end = NULL;
    errno = 0;
    long seconds = strtol(duration, &end, 10);
    if (errno != 0 || end == duration || *end != '\0' || seconds < DURATION_MIN_S || seconds > DURATION_MAX_S)
        return err_set(err, "profile %s: duration_seconds = %.40s: want a number from %d to %d", name,
                       duration, DURATION_MIN_S, DURATION_MAX_S);
    role->duration_s = (int)seconds;
    return 0;
}

static enum found from_profile(struct walk *walk, const char *name, const char *asker, struct err *err);

/* "a -> b -> a", for the error. */
static enum found tell_loop(const struct walk *walk, const char *name, struct err *err)
{
    char text[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < walk->visited_count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s -> ", walk->visited[i]);
    return bad(err_set(err, "profile %s: source_profile goes round in a circle: %s%s", walk->visited[0], text,
                       name));
}

static enum found from_source_profile(struct walk *walk, const char *name, const char *source,
                                      struct err *err)
{
    struct err keys = {""};
    /* A profile may name itself: then its own keys are meant. Keys of others win over their roles anyway. */
    if (strcmp(source, name) == 0) {
        enum found found = from_static_keys(walk, name, &keys);
        if (found == FOUND_PLAN)
            return found;
        return bad(err_set(err, "%s, although source_profile names the profile itself", keys.text));
    }
    for (size_t i = 0; i < walk->visited_count; i++)
        if (strcmp(walk->visited[i], source) == 0)
            return tell_loop(walk, source, err);
    if (walk->visited_count > CREDENTIALS_ROLES_MAX)
        return bad(err_set(err, "profile %s: more than %d profiles in a chain", walk->visited[0],
                           CREDENTIALS_ROLES_MAX));
    enum found found = from_profile(walk, source, name, err);
    return found == FOUND_NOTHING ? FOUND_BAD : found;
}

static enum found from_credential_source(const struct walk *walk, const char *name, const char *source,
                                         struct err *err)
{
    enum found found = FOUND_BAD;
    if (strcmp(source, "Environment") == 0)
        found = from_environment(walk->plan, err);
    else if (strcmp(source, "Ec2InstanceMetadata") == 0)
        found = from_instance(walk->plan, err);
    else if (strcmp(source, "EcsContainer") == 0)
        found = from_container(walk->plan, err);
    else
        return bad(err_set(
            err,
            "profile %s: credential_source = %.60s: want Environment, Ec2InstanceMetadata or EcsContainer",
            name, source));
    if (found != FOUND_PLAN)
        return bad(err_prefix(err, "profile %s: credential_source = %s", name, source));
    return found;
}

static enum found from_role(struct walk *walk, const char *name, struct err *err)
{
    struct credentials_plan *plan = walk->plan;
    const char *source = get(walk, name, "source_profile");
    const char *named = get(walk, name, "credential_source");
    const char *token_file = get(walk, name, "web_identity_token_file");
    int ways = (source != NULL) + (named != NULL) + (token_file != NULL);
    if (get(walk, name, "mfa_serial") != NULL)
        return bad(err_set(
            err, "profile %s: mfa_serial wants a code that a person types in: not supported here", name));
    if (ways != 1)
        return bad(err_set(err,
                           "profile %s: role_arn wants %s source_profile, credential_source and "
                           "web_identity_token_file",
                           name, ways == 0 ? "one of" : "only one of"));
    if (token_file != NULL) {
        plan->base = CREDENTIALS_BASE_WEB_IDENTITY;
        plan->token_file = xstrdup(token_file);
        return read_role(walk, name, &plan->identity, err) == 0 ? FOUND_PLAN : FOUND_BAD;
    }
    if (plan->role_count == CREDENTIALS_ROLES_MAX)
        return bad(err_set(err, "profile %s: more than %d roles in a chain", walk->visited[0],
                           CREDENTIALS_ROLES_MAX));
    if (read_role(walk, name, &plan->roles[plan->role_count++], err) != 0)
        return FOUND_BAD;
    return source != NULL ? from_source_profile(walk, name, source, err)
                          : from_credential_source(walk, name, named, err);
}

/* `asker` is the profile whose source_profile this is, NULL: the one in use, whose role wins over its keys.
 */
static enum found from_profile(struct walk *walk, const char *name, const char *asker, struct err *err)
{
    if (!aws_profiles_has(walk->profiles, name)) {
        int told =
            asker != NULL
                ? err_set(err, "profile %s: source_profile = %s, which is in neither file", asker, name)
                : err_set(err, "profile %s: in neither the config nor the credentials file", name);
        /* A profile that was asked for by name must be there. */
        return asker == NULL && env("AWS_PROFILE") == NULL ? nothing(told) : bad(told);
    }
    walk->visited[walk->visited_count++] = name;
    bool has_role = get(walk, name, "role_arn") != NULL;
    if (asker != NULL || !has_role) {
        enum found found = from_static_keys(walk, name, err);
        if (found != FOUND_NOTHING)
            return found;
    }
    if (has_role)
        return from_role(walk, name, err);
    const char *process = get(walk, name, "credential_process");
    if (process == NULL)
        return refuse_sign_in(walk, name, err);
    walk->plan->base = CREDENTIALS_BASE_PROCESS;
    walk->plan->process = xstrdup(process);
    return FOUND_PLAN;
}

/* Roles were met from the last to the first. */
static void turn_round(struct credentials_plan *plan)
{
    for (size_t i = 0; i < plan->role_count / 2; i++) {
        struct credentials_role role = plan->roles[i];
        plan->roles[i] = plan->roles[plan->role_count - 1 - i];
        plan->roles[plan->role_count - 1 - i] = role;
    }
}

static enum found from_profiles(const struct aws_profiles *profiles, struct credentials_plan *plan,
                                struct err *err)
{
    struct walk walk = {.profiles = profiles, .plan = plan};
    const char *name = aws_profiles_current_name();
    enum found found = from_profile(&walk, name, NULL, err);
    if (found != FOUND_PLAN)
        return found;
    turn_round(plan);
    const char *arn = plan->role_count > 0                          ? plan->roles[plan->role_count - 1].arn
                      : plan->base == CREDENTIALS_BASE_WEB_IDENTITY ? plan->identity.arn
                                                                    : NULL;
    (void)snprintf(plan->source, sizeof plan->source, "profile %.100s%s%.140s", name,
                   arn != NULL                              ? ", role "
                   : plan->base == CREDENTIALS_BASE_PROCESS ? ", credential_process"
                                                            : "",
                   arn != NULL ? arn : "");
    return found;
}

/* ---- the chain ---- */

int credentials_plan_make(const struct aws_profiles *profiles, struct credentials_plan *ret_plan,
                          struct err *err)
{
    enum { SOURCES = 5 };
    struct err why[SOURCES] = {{""}};
    struct credentials_plan plan = {.base = CREDENTIALS_BASE_KEYS};
    enum found found = FOUND_NOTHING;
    size_t count = 0;
    for (; count < SOURCES && found == FOUND_NOTHING; count++) {
        struct err *reason = &why[count];
        found = count == 0   ? from_environment(&plan, reason)
                : count == 1 ? from_profiles(profiles, &plan, reason)
                : count == 2 ? from_web_identity(&plan, reason)
                : count == 3 ? from_container(&plan, reason)
                             : from_instance(&plan, reason);
    }
    size_t passed = found == FOUND_NOTHING ? count : count - 1; /* sources that are not named */
    size_t used = 0;
    char list[sizeof plan.passed + 160] = "";
    for (size_t i = 0; i < passed && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? "; " : "", why[i].text);
    if (found == FOUND_PLAN) {
        (void)snprintf(plan.passed, sizeof plan.passed, "%s", list);
        *ret_plan = plan;
        return 0;
    }
    credentials_plan_clean_up(&plan);
    return err_set(err, "no AWS credentials: %.480s", found == FOUND_BAD ? why[count - 1].text : list);
}

static void role_clean_up(struct credentials_role *role)
{
    free(role->arn);
    free(role->session_name);
    if (role->external_id != NULL)
        explicit_bzero(role->external_id, strlen(role->external_id));
    free(role->external_id);
}

void credentials_plan_clean_up(struct credentials_plan *plan)
{
    aws_credentials_release(plan->keys);
    free(plan->process);
    free(plan->token_file);
    role_clean_up(&plan->identity);
    for (size_t i = 0; i < plan->role_count; i++)
        role_clean_up(&plan->roles[i]);
    *plan = (struct credentials_plan){.base = CREDENTIALS_BASE_KEYS};
}
