/* Shared secrets; see bearer_token.h. */
#include "base/bearer_token.h"

#include "base/file.h"
#include "base/strbuf.h"

#include <string.h>

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

void bearer_token_wipe(struct bearer_token *token)
{
    explicit_bzero(token, sizeof *token);
}
