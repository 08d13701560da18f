/* Which source of credentials environment and profiles mean, and what is said when they cannot be meant. */
#include "aws/credentials_plan.h"

#include "base/strbuf.h"
#include "tests/unit/unit.h"

static const char KEYS[] = "aws_access_key_id = id\naws_secret_access_key = hush\n";

static void clear_environment(void)
{
    static const char *const NAMES[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_CREDENTIAL_EXPIRATION",
                                        "AWS_PROFILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_ROLE_SESSION_NAME",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_EC2_METADATA_DISABLED"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        (void)unsetenv(NAMES[i]);
}

/* The plan as a line: base, source, then "> arn session external duration" for each role. */
static char *plan_text(const char *config, const char *credentials)
{
    static const char *const BASES[] = {"keys", "process", "web", "container", "instance"};
    struct err err = {""};
    struct strbuf text = STRBUF_INIT;
    struct credentials_plan plan = {.base = CREDENTIALS_BASE_KEYS};
    struct aws_profiles *profiles = aws_profiles_parse(config, credentials, &err);
    ck_assert_msg(profiles != NULL, "%s", err.text);
    if (credentials_plan_make(profiles, &plan, &err) != 0) {
        ck_assert_ptr_null(strstr(err.text, "hush"));
        strbuf_append_str(&text, err.text);
    } else {
        strbuf_appendf(&text, "%s (%s)", BASES[plan.base], plan.source);
        if (plan.keys != NULL)
            strbuf_appendf(&text, " %s", aws_credentials_access_key_id(plan.keys));
        if (plan.process != NULL)
            strbuf_appendf(&text, " %s", plan.process);
        if (plan.token_file != NULL)
            strbuf_appendf(&text, " %s %s", plan.token_file,
                           plan.identity.session_name != NULL ? plan.identity.session_name : "-");
        for (size_t i = 0; i < plan.role_count; i++)
            strbuf_appendf(&text, " > %s %s %s %d", plan.roles[i].arn,
                           plan.roles[i].session_name != NULL ? plan.roles[i].session_name : "-",
                           plan.roles[i].external_id != NULL ? plan.roles[i].external_id : "-",
                           plan.roles[i].duration_s);
        credentials_plan_clean_up(&plan);
    }
    aws_profiles_destroy(profiles);
    return strbuf_take(&text);
}

static void check(const char *config, const char *wanted)
{
    char *text = plan_text(config, NULL);
    ck_assert_str_eq(text, wanted);
    free(text);
}

static void check_error(const char *config, const char *part)
{
    char *text = plan_text(config, NULL);
    ck_assert_msg(strncmp(text, "no AWS credentials: ", 20) == 0 && strstr(text, part) != NULL, "%s", text);
    free(text);
}

START_TEST(sources_come_in_their_order)
{
    clear_environment();
    check("", "instance (instance)");
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/", 1);
    check("", "container (container)");
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/t", 1);
    (void)setenv("AWS_ROLE_ARN", "arn:r", 1);
    check("", "web (web identity, role arn:r) /t -");
    (void)setenv("AWS_ROLE_SESSION_NAME", "me", 1);
    check("", "web (web identity, role arn:r) /t me");
    check("[default]\naws_access_key_id = id\naws_secret_access_key = hush\n", "keys (profile default) id");
    (void)setenv("AWS_ACCESS_KEY_ID", "env", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    check("[default]\naws_access_key_id = id\naws_secret_access_key = hush\n", "keys (environment) env");
}
END_TEST

START_TEST(what_was_passed_over_is_remembered)
{
    clear_environment();
    struct credentials_plan plan = {.base = CREDENTIALS_BASE_KEYS};
    struct aws_profiles *profiles = aws_profiles_parse("", NULL, NULL);
    ck_assert_int_eq(credentials_plan_make(profiles, &plan, NULL), 0);
    ck_assert_str_eq(plan.passed,
                     "environment: AWS_ACCESS_KEY_ID is not set; profile default: in neither the config nor "
                     "the credentials file; web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; container: "
                     "AWS_CONTAINER_CREDENTIALS_*_URI is not set");
    credentials_plan_clean_up(&plan);
    aws_profiles_destroy(profiles);
}
END_TEST

START_TEST(a_source_that_is_half_set_up_stops_the_search)
{
    clear_environment();
    (void)setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/t", 1);
    check_error("", "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not");
    clear_environment();
    (void)setenv("AWS_PROFILE", "missing", 1);
    check_error("", "profile missing: in neither");
    clear_environment();
    check_error("[default]\naws_access_key_id = id\n", "has aws_access_key_id but no aws_secret_access_key");
    check_error("[default]\naws_secret_access_key = hush\n", "has aws_secret_access_key but no");
}
END_TEST

START_TEST(a_disabled_instance_is_not_asked)
{
    clear_environment();
    (void)setenv("AWS_EC2_METADATA_DISABLED", "TRUE", 1);
    check_error("", "instance: AWS_EC2_METADATA_DISABLED is true");
}
END_TEST

START_TEST(roles_chain_from_the_keys_to_the_profile_in_use)
{
    clear_environment();
    (void)setenv("AWS_PROFILE", "a", 1);
    check("[profile a]\nrole_arn = arn:a\nsource_profile = b\nrole_session_name = sess\n"
          "external_id = ext\nduration_seconds = 900\n"
          "[profile b]\nrole_arn = arn:b\nsource_profile = c\n"
          "[profile c]\naws_access_key_id = id\naws_secret_access_key = hush\n",
          "keys (profile a, role arn:a) id > arn:b - - 0 > arn:a sess ext 900");
}
END_TEST

START_TEST(a_role_beats_the_keys_of_the_profile_in_use_but_not_of_a_source)
{
    clear_environment();
    struct strbuf config = STRBUF_INIT;
    strbuf_appendf(&config, "[default]\n%srole_arn = arn:d\nsource_profile = default\n", KEYS);
    check(strbuf_str(&config), "keys (profile default, role arn:d) id > arn:d - - 0");
    strbuf_clear(&config);
    strbuf_appendf(&config,
                   "[default]\nrole_arn = arn:d\nsource_profile = b\n"
                   "[profile b]\n%srole_arn = arn:b\nsource_profile = default\n",
                   KEYS);
    check(strbuf_str(&config), "keys (profile default, role arn:d) id > arn:d - - 0");
    strbuf_clean_up(&config);
}
END_TEST

START_TEST(circles_are_told_by_name)
{
    clear_environment();
    check_error("[default]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = c\n"
                "[profile c]\nrole_arn = r\nsource_profile = b\n",
                "source_profile goes round in a circle: default -> b -> c -> b");
    check_error("[default]\nrole_arn = r\nsource_profile = default\n",
                "although source_profile names the profile itself");
    check_error("[default]\nrole_arn = r\nsource_profile = gone\n",
                "profile default: source_profile = gone, which is in neither file");
}
END_TEST

START_TEST(a_chain_has_an_end)
{
    clear_environment();
    struct strbuf config = STRBUF_INIT;
    strbuf_append_str(&config, "[default]\nrole_arn = r\nsource_profile = p0\n");
    for (int i = 0; i < 20; i++)
        strbuf_appendf(&config, "[profile p%d]\nrole_arn = r\nsource_profile = p%d\n", i, i + 1);
    check_error(strbuf_str(&config), "more than 8");
    strbuf_clean_up(&config);
}
END_TEST

START_TEST(a_credential_source_is_what_it_names)
{
    clear_environment();
    check("[default]\nrole_arn = arn:d\ncredential_source = Ec2InstanceMetadata\n",
          "instance (profile default, role arn:d) > arn:d - - 0");
    check_error("[default]\nrole_arn = arn:d\ncredential_source = EcsContainer\n",
                "profile default: credential_source = EcsContainer: container: AWS_CONTAINER");
    check_error("[default]\nrole_arn = arn:d\ncredential_source = Environment\n",
                "credential_source = Environment: environment: AWS_ACCESS_KEY_ID is not set");
    check_error("[default]\nrole_arn = arn:d\ncredential_source = ec2\n",
                "want Environment, Ec2InstanceMetadata or EcsContainer");
    check_error("[default]\nrole_arn = arn:d\ncredential_source = Environment\nsource_profile = default\n",
                "only one of source_profile, credential_source and web_identity_token_file");
    check_error("[default]\nrole_arn = arn:d\n", "wants one of source_profile, credential_source");
    (void)setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x", 1);
    check("[default]\nrole_arn = arn:d\ncredential_source = EcsContainer\n",
          "container (profile default, role arn:d) > arn:d - - 0");
}
END_TEST

START_TEST(other_keys_of_a_profile)
{
    clear_environment();
    check("[default]\ncredential_process = /bin/x 'a b'\n",
          "process (profile default, credential_process) /bin/x 'a b'");
    check("[default]\nrole_arn = arn:d\nweb_identity_token_file = /t\nrole_session_name = me\n",
          "web (profile default, role arn:d) /t me");
    check_error("[default]\nrole_arn = arn:d\nsource_profile = b\nmfa_serial = m\n",
                "profile default: mfa_serial wants a code that a person types in");
    check_error("[default]\nsso_session = s\nsso_account_id = 1\n",
                "gets its credentials by sso_session, sso_account_id, which needs a person");
    check_error("[default]\nrole_arn = r\nsource_profile = b\nduration_seconds = 60\n",
                "duration_seconds = 60: want a number from 900 to 43200");
    check_error("[default]\nrole_arn = r\nsource_profile = b\nrole_session_name = a b\n",
                "role_session_name = a b: want 2 to 64");
}
END_TEST

UNIT_MAIN("credentials_plan", sources_come_in_their_order, what_was_passed_over_is_remembered,
          a_source_that_is_half_set_up_stops_the_search, a_disabled_instance_is_not_asked,
          roles_chain_from_the_keys_to_the_profile_in_use,
          a_role_beats_the_keys_of_the_profile_in_use_but_not_of_a_source, circles_are_told_by_name,
          a_chain_has_an_end, a_credential_source_is_what_it_names, other_keys_of_a_profile)
