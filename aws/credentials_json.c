/* Credentials in JSON; see credentials_json.h. */
#include "aws/credentials_json.h"

#include "base/jsonp.h"

#include <stdbool.h>
#include <string.h>

struct fields {
    const char *id, *secret, *token, *expiration, *code, *message; /* NULL: absent */
    int64_t version;                                               /* 0: absent */
};

static bool take_text(struct jsonp *p, const char **ret_text)
{
    size_t len = 0;
    if (jsonp_null(p))
        return true;
    if (!jsonp_string(p, ret_text, &len))
        return false;
    return strlen(*ret_text) == len || jsonp_refuse(p, "a NUL in a text");
}

static bool read_fields(struct jsonp *p, enum credentials_form form, struct fields *f)
{
    const char *token = form == CREDENTIALS_FORM_PROCESS ? "SessionToken" : "Token";
    const char *key = NULL;
    if (!jsonp_object(p))
        return false;
    while (jsonp_next_key(p, &key)) {
        if (strcmp(key, "AccessKeyId") == 0)
            (void)take_text(p, &f->id);
        else if (strcmp(key, "SecretAccessKey") == 0)
            (void)take_text(p, &f->secret);
        else if (strcmp(key, token) == 0)
            (void)take_text(p, &f->token);
        else if (strcmp(key, "Expiration") == 0)
            (void)take_text(p, &f->expiration);
        else if (form == CREDENTIALS_FORM_PROCESS && strcmp(key, "Version") == 0)
            (void)jsonp_int(p, &f->version);
        else if (form == CREDENTIALS_FORM_ENDPOINT && (strcmp(key, "Code") == 0 || strcmp(key, "code") == 0))
            (void)take_text(p, &f->code);
        else if (form == CREDENTIALS_FORM_ENDPOINT &&
                 (strcmp(key, "Message") == 0 || strcmp(key, "message") == 0))
            (void)take_text(p, &f->message);
        else
            (void)jsonp_skip(p);
    }
    return jsonp_finish(p);
}

/* One line of a stranger's text for an error. */
static const char *shown(const char *text, char *out, size_t size)
{
    size_t used = 0;
    for (; text != NULL && *text != '\0' && used + 1 < size; text++)
        out[used++] = (unsigned char)*text >= 0x20 && (unsigned char)*text < 0x7f ? *text : '?';
    out[used] = '\0';
    return out;
}

static const char *missing_of(const struct fields *f, enum credentials_form form)
{
    if (f->id == NULL || f->id[0] == '\0')
        return "AccessKeyId";
    if (f->secret == NULL || f->secret[0] == '\0')
        return "SecretAccessKey";
    if (form == CREDENTIALS_FORM_ENDPOINT && (f->token == NULL || f->token[0] == '\0'))
        return "Token";
    if (form == CREDENTIALS_FORM_ENDPOINT && f->expiration == NULL)
        return "Expiration";
    return NULL;
}

struct aws_credentials *credentials_json_parse(char *text, size_t len, enum credentials_form form,
                                               const char *source, struct err *err)
{
    struct jsonp p = jsonp_start(text, len);
    struct fields f = {.id = NULL};
    char code[64];
    char message[128];
    int64_t expires_ms = 0;
    if (!read_fields(&p, form, &f)) {
        size_t offset = 0;
        const char *problem = jsonp_problem(&p, &offset);
        (void)err_set(err, "%s: the answer is not the JSON it should be: %s at byte %zu", source, problem,
                      offset);
        return NULL;
    }
    if (f.code != NULL && strcmp(f.code, "Success") != 0) {
        (void)err_set(err, "%s: refused with code %s: %s", source, shown(f.code, code, sizeof code),
                      shown(f.message, message, sizeof message));
        return NULL;
    }
    if (form == CREDENTIALS_FORM_PROCESS && f.version != 1) {
        (void)err_set(err, "%s: the program's output has no \"Version\": 1", source);
        return NULL;
    }
    const char *missing = missing_of(&f, form);
    if (missing != NULL) {
        (void)err_set(err, "%s: the answer has no %s", source, missing);
        return NULL;
    }
    if (f.expiration != NULL && !aws_credentials_parse_expiration(f.expiration, &expires_ms)) {
        (void)err_set(err, "%s: Expiration is no time such as 2026-01-01T00:00:00Z", source);
        return NULL;
    }
    return aws_credentials_new_checked(f.id, f.secret, f.token, expires_ms, source, err);
}
