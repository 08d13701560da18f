/* The grammar of the shared AWS configuration files, and look-up in them. */
#include "aws/profile.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct aws_profiles *parse(const char *config, const char *credentials)
{
    struct err err = {""};
    struct aws_profiles *profiles = aws_profiles_parse(config, credentials, &err);
    ck_assert_msg(profiles != NULL, "%s", err.text);
    return profiles;
}

static void refuse(const char *config, const char *credentials, const char *message)
{
    struct err err = {""};
    ck_assert_ptr_null(aws_profiles_parse(config, credentials, &err));
    ck_assert_str_eq(err.text, message);
}

START_TEST(keys_are_found_in_their_profile)
{
    struct aws_profiles *p = parse("[default]\nregion = us-west-2\n[profile prod]\nregion=eu-west-1\n"
                                   "url = http://x/?a=b=c\nempty =\n",
                                   NULL);
    ck_assert_str_eq(aws_profiles_get(p, "default", "region"), "us-west-2");
    ck_assert_str_eq(aws_profiles_get(p, "prod", "region"), "eu-west-1");
    ck_assert_str_eq(aws_profiles_get(p, "prod", "REGION"), "eu-west-1");
    ck_assert_str_eq(aws_profiles_get(p, "prod", "url"), "http://x/?a=b=c");
    ck_assert_ptr_null(aws_profiles_get(p, "prod", "empty"));
    ck_assert_ptr_null(aws_profiles_get(p, "prod", "absent"));
    ck_assert_ptr_null(aws_profiles_get(p, "absent", "region"));
    ck_assert(aws_profiles_has(p, "prod"));
    ck_assert(!aws_profiles_has(p, "absent"));
    aws_profiles_destroy(p);
}
END_TEST

START_TEST(the_credentials_file_wins_and_needs_no_prefix)
{
    struct aws_profiles *p = parse("[profile a]\naws_access_key_id = config\nregion = r-c-1\n",
                                   "[a]\naws_access_key_id = creds\n[profile b]\nx = 1\n[b]\ny = 2\n");
    ck_assert_str_eq(aws_profiles_get(p, "a", "aws_access_key_id"), "creds");
    ck_assert_str_eq(aws_profiles_get(p, "a", "region"), "r-c-1");
    ck_assert_ptr_null(aws_profiles_get(p, "b", "x")); /* "profile b" is no name there */
    ck_assert_str_eq(aws_profiles_get(p, "b", "y"), "2");
    aws_profiles_destroy(p);
}
END_TEST

START_TEST(profile_default_voids_the_whole_of_default)
{
    struct aws_profiles *p =
        parse("[profile default]\nregion = one\n[default]\nregion = two\noutput = json\n", NULL);
    ck_assert_str_eq(aws_profiles_get(p, "default", "region"), "one");
    ck_assert_ptr_null(aws_profiles_get(p, "default", "output"));
    aws_profiles_destroy(p);
    p = parse("[profile default]\nregion = one\n", "[default]\nregion = three\n");
    ck_assert_str_eq(aws_profiles_get(p, "default", "region"), "three");
    aws_profiles_destroy(p);
}
END_TEST

START_TEST(the_last_of_repeated_keys_and_sections_wins)
{
    struct aws_profiles *p = parse(
        "[default]\na = 1\na = 2\n[profile x]\nb = 1\n[default]\na = 3\nc = 4\n[profile x]\nb = 2\n", NULL);
    ck_assert_str_eq(aws_profiles_get(p, "default", "a"), "3");
    ck_assert_str_eq(aws_profiles_get(p, "default", "c"), "4");
    ck_assert_str_eq(aws_profiles_get(p, "x", "b"), "2");
    aws_profiles_destroy(p);
}
END_TEST

START_TEST(comments_and_white_space_are_cut_where_they_may_be)
{
    struct aws_profiles *p =
        parse("# first\r\n; second\r\n\r\n  \t\r\n[ default ] # why\r\n"
              "[profile  a ] ; b\r\n  \r\nk1 =  v # comment\r\nk2=v#not\r\nk3=v;not ; comment\r\n"
              "k4 = # comment only\r\n\tk = v\r\n",
              NULL);
    ck_assert_str_eq(aws_profiles_get(p, "a", "k1"), "v");
    ck_assert_str_eq(aws_profiles_get(p, "a", "k2"), "v#not");
    ck_assert_str_eq(aws_profiles_get(p, "a", "k3"), "v;not");
    ck_assert_ptr_null(aws_profiles_get(p, "a", "k4"));
    aws_profiles_destroy(p);
}
END_TEST

START_TEST(indented_lines_go_on_with_a_value)
{
    struct aws_profiles *p = parse("[default]\nlong = one\n  two # kept\n\tthree = four\nnext = 5\n", NULL);
    ck_assert_str_eq(aws_profiles_get(p, "default", "long"), "one\ntwo # kept\nthree = four");
    ck_assert_str_eq(aws_profiles_get(p, "default", "next"), "5");
    aws_profiles_destroy(p);
}
END_TEST

START_TEST(services_have_one_level_below)
{
    struct aws_profiles *p = parse("[profile dev]\nservices = local\n[services local]\nsqs =\n"
                                   "  endpoint_url = http://127.0.0.1:1\n  other = x\necs = \n"
                                   "  endpoint_url=http://127.0.0.1:2\n",
                                   "[services local]\nsqs =\n  endpoint_url = no\n");
    ck_assert_str_eq(aws_profiles_get_service(p, "local", "sqs", "endpoint_url"), "http://127.0.0.1:1");
    ck_assert_str_eq(aws_profiles_get_service(p, "local", "ecs", "endpoint_url"), "http://127.0.0.1:2");
    ck_assert_str_eq(aws_profiles_get_service(p, "local", "sqs", "other"), "x");
    ck_assert_ptr_null(aws_profiles_get_service(p, "local", "sts", "endpoint_url"));
    ck_assert_ptr_null(aws_profiles_get_service(p, "other", "sqs", "endpoint_url"));
    ck_assert_ptr_null(aws_profiles_get(p, "local", "sqs"));
    aws_profiles_destroy(p);
}
END_TEST

START_TEST(unknown_sections_and_bad_names_are_passed_over)
{
    struct aws_profiles *p =
        parse("[profile bad name]\na = 1\n  b\n[sso-session s]\nsso_region = x\n[plain]\nc = 1\n"
              "[profile good]\nba!d = 1\n  sub\nd = 2\n[profile \"two words\"]\ne = 3\n"
              "[profile]\nf = 1\n",
              NULL);
    ck_assert(!aws_profiles_has(p, "bad name"));
    ck_assert(!aws_profiles_has(p, "plain"));
    ck_assert(!aws_profiles_has(p, "s"));
    ck_assert_str_eq(aws_profiles_get(p, "good", "d"), "2");
    ck_assert_ptr_null(aws_profiles_get(p, "good", "ba!d"));
    ck_assert_str_eq(aws_profiles_get(p, "two words", "e"), "3");
    aws_profiles_destroy(p);
}
END_TEST

START_TEST(broken_files_are_refused_with_file_and_line)
{
    refuse("[default]\na = 1\n[profile x\n", NULL, "config line 3: section without ']'");
    refuse("[profile x # c ]\n", NULL, "config line 1: section without ']'");
    refuse("a = 1\n", NULL, "config line 1: a key before any [section]");
    refuse(NULL, "[x]\n\nnonsense\n", "credentials line 3: want `key = value`");
    refuse(NULL, "[x]\n= v\n", "credentials line 2: want `key = value`");
    refuse("[default]\n  orphan\n", NULL, "config line 2: indented line that belongs to no key");
    refuse("  orphan\n", NULL, "config line 1: indented line that belongs to no key");
    refuse("[services s]\nsqs =\n  nonsense\n", NULL, "config line 3: want `key = value`");
}
END_TEST

START_TEST(nothing_and_odd_ends_are_fine)
{
    struct aws_profiles *p = parse(NULL, NULL);
    ck_assert_ptr_null(aws_profiles_get(p, "default", "region"));
    aws_profiles_destroy(p);
    p = parse("", "\n\n");
    aws_profiles_destroy(p);
    p = parse("[default]\nk = no newline", NULL);
    ck_assert_str_eq(aws_profiles_get(p, "default", "k"), "no newline");
    aws_profiles_destroy(p);
    aws_profiles_destroy(NULL);
}
END_TEST

/* ---- files ---- */

static char g_folder[] = "/tmp/sluice-profile-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", g_folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

START_TEST(files_are_found_by_variable_or_in_the_home_folder)
{
    char path[256];
    struct err err = {""};
    ck_assert_ptr_nonnull(mkdtemp(g_folder));
    (void)snprintf(path, sizeof path, "%s/.aws", g_folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    write_file(".aws/config", "[default]\nregion = home\n");
    write_file("other", "[default]\nregion = other\n");
    write_file("keys", "[default]\naws_access_key_id = id\n");
    (void)setenv("HOME", g_folder, 1);
    (void)unsetenv("AWS_CONFIG_FILE");
    (void)unsetenv("AWS_SHARED_CREDENTIALS_FILE");

    struct aws_profiles *p = aws_profiles_load(&err);
    ck_assert_str_eq(aws_profiles_get(p, "default", "region"), "home");
    ck_assert_ptr_null(aws_profiles_get(p, "default", "aws_access_key_id"));
    aws_profiles_destroy(p);

    (void)setenv("AWS_CONFIG_FILE", "~/other", 1);
    (void)snprintf(path, sizeof path, "%s/keys", g_folder);
    (void)setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    p = aws_profiles_load(&err);
    ck_assert_str_eq(aws_profiles_get(p, "default", "region"), "other");
    ck_assert_str_eq(aws_profiles_get(p, "default", "aws_access_key_id"), "id");
    aws_profiles_destroy(p);

    (void)setenv("AWS_CONFIG_FILE", "/nonexistent/file", 1); /* a missing file is an empty one */
    p = aws_profiles_load(&err);
    ck_assert_ptr_nonnull(p);
    aws_profiles_destroy(p);

    (void)setenv("AWS_CONFIG_FILE", g_folder, 1); /* a folder is none */
    ck_assert_ptr_null(aws_profiles_load(&err));
    ck_assert_ptr_nonnull(strstr(err.text, g_folder));

    write_file("other", "broken\n");
    (void)setenv("AWS_CONFIG_FILE", "~/other", 1);
    ck_assert_ptr_null(aws_profiles_load(&err));
    ck_assert_ptr_nonnull(strstr(err.text, "/other line 1: a key before any [section]"));

    (void)snprintf(path, sizeof path, "rm -r %s", g_folder);
    ck_assert_int_eq(system(path), 0);
}
END_TEST

START_TEST(the_current_profile_comes_from_the_environment)
{
    (void)unsetenv("AWS_PROFILE");
    ck_assert_str_eq(aws_profiles_current_name(), "default");
    (void)setenv("AWS_PROFILE", "", 1);
    ck_assert_str_eq(aws_profiles_current_name(), "default");
    (void)setenv("AWS_PROFILE", "prod", 1);
    ck_assert_str_eq(aws_profiles_current_name(), "prod");
}
END_TEST

UNIT_MAIN("profile", keys_are_found_in_their_profile, the_credentials_file_wins_and_needs_no_prefix,
          profile_default_voids_the_whole_of_default, the_last_of_repeated_keys_and_sections_wins,
          comments_and_white_space_are_cut_where_they_may_be, indented_lines_go_on_with_a_value,
          services_have_one_level_below, unknown_sections_and_bad_names_are_passed_over,
          broken_files_are_refused_with_file_and_line, nothing_and_odd_ends_are_fine,
          files_are_found_by_variable_or_in_the_home_folder, the_current_profile_comes_from_the_environment)
