/* Shared secrets; see bearer_token.h. */
#include "base/bearer_token.h"

#include "base/file.h"
#include "base/strbuf.h"

#include <string.h>
#include <strings.h>

int bearer_token_set(const char *name, const char *text, size_t len, struct bearer_token *ret,
                     struct err *err)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (len < BEARER_TOKEN_MIN || len > BEARER_TOKEN_MAX)
        return err_set(err, "%s: a token of %zu characters: want %d to %d", name, len, BEARER_TOKEN_MIN,
                       BEARER_TOKEN_MAX);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return err_set(err,
                           "%s: a token with a space, a line break or another character that is not "
                           "printable ASCII",
                           name);
    memset(ret, 0, sizeof *ret);
    memcpy(ret->text, text, len);
    ret->len = len;
    return 0;
}

int bearer_token_read(const char *name, const char *path, struct bearer_token *ret, struct err *err)
{
    struct strbuf text = STRBUF_INIT;
    int rc = file_read(path, (size_t)BEARER_TOKEN_MAX + 2, &text, err) == 0 ? 0 : err_prefix(err, "%s", name);
    if (rc == 0)
        rc = bearer_token_set(name, strbuf_str(&text), text.len, ret, err);
    if (text.data != NULL)
        explicit_bzero(text.data, text.capacity);
    strbuf_clean_up(&text);
    return rc;
}

bool bearer_token_matches(const struct bearer_token *token, const char *authorization)
{
    static const char SCHEME[] = "Bearer ";
    char given[BEARER_TOKEN_MAX + 1] = "";
    unsigned char differs = 0;
    if (token->len == 0 || authorization == NULL ||
        strncasecmp(authorization, SCHEME, sizeof SCHEME - 1) != 0)
        return false;
    const char *rest = authorization + sizeof SCHEME - 1;
    size_t len = strnlen(rest, BEARER_TOKEN_MAX + 1);
    if (len > BEARER_TOKEN_MAX)
        return false;
    memcpy(given, rest, len);
    /* All of both, padded: neither where they differ nor how long the token is shows in the time. */
    for (size_t i = 0; i < sizeof given; i++)
        differs |= (unsigned char)((unsigned char)given[i] ^ (unsigned char)token->text[i]);
    explicit_bzero(given, sizeof given);
    return differs == 0;
}

void bearer_token_wipe(struct bearer_token *token)
{
    explicit_bzero(token, sizeof *token);
}
