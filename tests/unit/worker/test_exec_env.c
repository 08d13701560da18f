/* The environment of an exec program: names, what is inherited, what does not fit. */
#include "tests/unit/unit.h"

#include "worker/exec_env.h"

static const char *g_inherited[] = {
    "PATH=/bin",        "SQS_MESSAGE_GROUP_ID=old", "SQS_ATTRIBUTE_X=old",   "SQS_SNS_SUBJECT=old",
    "SQS_QUEUE_URL=no", "SQS_QUEUES=kept",          "SLUICE_TELEMETRY_FD=5", NULL};

struct fixture {
    struct exec_env_base base;
    struct exec_env env;
    struct err err;
    int rc;
};

static struct fixture build(const struct sluice_message *message)
{
    struct fixture f = {.env = {.text = STRBUF_INIT}};
    exec_env_base_init(&f.base, (char *const *)(uintptr_t)g_inherited, "http://q");
    f.rc = exec_env_build(&f.env, &f.base, message, &f.err);
    return f;
}

static void clean_up(struct fixture *f)
{
    exec_env_clean_up(&f->env);
    exec_env_base_clean_up(&f->base);
}

/* The value of a variable, which stands at most once; NULL: not set. */
static const char *value_of(const struct fixture *f, const char *name)
{
    const char *value = NULL;
    size_t len = strlen(name);
    for (const char **entry = f->env.envp; *entry != NULL; entry++) {
        if (strncmp(*entry, name, len) != 0 || (*entry)[len] != '=')
            continue;
        ck_assert_msg(value == NULL, "%s is set twice", name);
        value = *entry + len + 1;
    }
    return value;
}

START_TEST(a_message_is_told_in_full)
{
    struct sluice_sns sns = {.topic_arn = "arn", .subject = "hi"};
    struct sluice_message message = {.id = "id-1",
                                     .receipt_handle = "h",
                                     .receive_count = 3,
                                     .sent_ms = 1700000000123,
                                     .group_id = "g",
                                     .deduplication_id = "d",
                                     .sequence_number = "18",
                                     .sns = &sns};
    struct fixture f = build(&message);
    ck_assert_int_eq(f.rc, 0);
    ck_assert_str_eq(value_of(&f, "SQS_MESSAGE_ID"), "id-1");
    ck_assert_str_eq(value_of(&f, "SQS_RECEIPT_HANDLE"), "h");
    ck_assert_str_eq(value_of(&f, "SQS_RECEIVE_COUNT"), "3");
    ck_assert_str_eq(value_of(&f, "SQS_SENT_TIMESTAMP"), "1700000000123");
    ck_assert_str_eq(value_of(&f, "SQS_QUEUE_URL"), "http://q");
    ck_assert_str_eq(value_of(&f, "SQS_MESSAGE_GROUP_ID"), "g");
    ck_assert_str_eq(value_of(&f, "SQS_MESSAGE_DEDUPLICATION_ID"), "d");
    ck_assert_str_eq(value_of(&f, "SQS_SEQUENCE_NUMBER"), "18");
    ck_assert_str_eq(value_of(&f, "SQS_SNS_TOPIC_ARN"), "arn");
    ck_assert_str_eq(value_of(&f, "SQS_SNS_SUBJECT"), "hi");
    ck_assert_ptr_null(value_of(&f, "SQS_SNS_TIMESTAMP"));
    clean_up(&f);
}
END_TEST

START_TEST(another_message_s_variables_are_not_inherited)
{
    struct sluice_message message = {.id = "id-1"};
    struct fixture f = build(&message);
    ck_assert_int_eq(f.rc, 0);
    ck_assert_str_eq(value_of(&f, "PATH"), "/bin");
    ck_assert_str_eq(value_of(&f, "SQS_QUEUES"), "kept");
    ck_assert_ptr_null(value_of(&f, "SQS_MESSAGE_GROUP_ID"));
    ck_assert_ptr_null(value_of(&f, "SQS_ATTRIBUTE_X"));
    ck_assert_ptr_null(value_of(&f, "SQS_SNS_SUBJECT"));
    ck_assert_ptr_null(value_of(&f, "SQS_RECEIVE_COUNT")); /* unknown */
    ck_assert_ptr_null(value_of(&f, "SLUICE_TELEMETRY_FD"));
    clean_up(&f);
}
END_TEST

START_TEST(names_are_sanitised_and_binary_is_base64)
{
    struct sluice_attribute attributes[] = {
        {"PATH", "String", "/evil", 5},    {"LD_PRELOAD", "String", "x", 1},
        {"a.b-C=d", "String", "a=b\n", 4}, {"A_B_C_D", "String", "second", 6},
        {"\xc3\xa9", "Number", "7", 1},    {"key", "Binary.png", "\0\xff", 2},
    };
    struct sluice_message message = {.id = "id-1", .attributes = attributes, .attribute_count = 6};
    struct fixture f = build(&message);
    ck_assert_int_eq(f.rc, 0);
    ck_assert_str_eq(value_of(&f, "PATH"), "/bin");
    ck_assert_ptr_null(value_of(&f, "LD_PRELOAD"));
    ck_assert_str_eq(value_of(&f, "SQS_ATTRIBUTE_PATH"), "/evil");
    ck_assert_str_eq(value_of(&f, "SQS_ATTRIBUTE_LD_PRELOAD"), "x");
    ck_assert_str_eq(value_of(&f, "SQS_ATTRIBUTE_A_B_C_D"), "a=b\n");
    ck_assert_str_eq(value_of(&f, "SQS_ATTRIBUTE___"), "7");
    ck_assert_str_eq(value_of(&f, "SQS_ATTRIBUTE_KEY"), "AP8=");
    clean_up(&f);
}
END_TEST

static void refuse(size_t count, size_t len, const char *words)
{
    struct sluice_attribute attributes[3];
    char names[3][2] = {"a", "b", "c"};
    char *value = calloc(1, len + 1);
    memset(value, 'x', len);
    for (size_t i = 0; i < count; i++)
        attributes[i] = (struct sluice_attribute){names[i], "String", value, len};
    struct sluice_message message = {.id = "id-1", .attributes = attributes, .attribute_count = count};
    struct fixture f = build(&message);
    ck_assert_int_eq(f.rc, words != NULL ? -1 : 0);
    if (words != NULL)
        ck_assert_ptr_nonnull(strstr(f.err.text, words));
    clean_up(&f);
    free(value);
}

START_TEST(what_execve_would_refuse_is_refused)
{
    size_t name_len = strlen("SQS_ATTRIBUTE_A=");
    refuse(1, EXEC_ENV_ENTRY_MAX - 1 - name_len, NULL);
    refuse(1, EXEC_ENV_ENTRY_MAX - name_len, "SQS_ATTRIBUTE_A is too long");
    refuse(3, EXEC_ENV_MESSAGE_MAX / 3, "together");
    struct sluice_attribute cut = {"n", "String", "a\0b", 3};
    struct sluice_message message = {.id = "id-1", .attributes = &cut, .attribute_count = 1};
    struct fixture f = build(&message);
    ck_assert_int_eq(f.rc, -1);
    ck_assert_ptr_nonnull(strstr(f.err.text, "SQS_ATTRIBUTE_N holds a NUL"));
    clean_up(&f);
}
END_TEST

UNIT_MAIN("exec_env", a_message_is_told_in_full, another_message_s_variables_are_not_inherited,
          names_are_sanitised_and_binary_is_base64, what_execve_would_refuse_is_refused)
