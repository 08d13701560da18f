/* Parser and look-up of the shared AWS configuration files; see profile.h. */
#include "aws/profile.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FILE_BYTES_MAX = 1 << 20 };

enum section_kind {
    SECTION_NONE,    /* nothing read yet */
    SECTION_IGNORED, /* unknown kind or bad name */
    SECTION_PROFILE,
    SECTION_SERVICES,
};

enum origin {
    ORIGIN_CONFIG_DEFAULT, /* [default] of the config file: void when [profile default] is there */
    ORIGIN_CONFIG,
    ORIGIN_CREDENTIALS,
};

struct property {
    enum section_kind kind;
    enum origin origin;
    char *section; /* owned; all strings are */
    char *key;     /* NULL: only says that the section is there */
    char *sub;     /* NULL: a plain property */
    struct strbuf value;
};

struct aws_profiles {
    struct property *properties; /* in order of reading: config, then credentials */
    size_t count;
    size_t capacity;
    bool has_profile_default;
};

/* Where the parser stands in one file. */
struct parser {
    struct aws_profiles *profiles;
    const char *path; /* for errors */
    bool credentials_file;
    int line;
    enum section_kind kind;
    enum origin origin;
    char *section;      /* owned */
    size_t open;        /* index + 1 of the property that indented lines belong to, 0: none */
    bool skip_indented; /* the key above was no name; what belongs to it goes with it */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Cuts white space off both ends, in place. */
static char *trim(char *text)
{
    while (is_blank(*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

/* Cuts a comment that starts behind white space. */
static void cut_trailing_comment(char *text)
{
    for (char *p = text; *p != '\0'; p++) {
        if (is_blank(*p) && (p[1] == '#' || p[1] == ';')) {
            *p = '\0';
            return;
        }
    }
}

static bool is_name(const char *text)
{
    static const char MORE[] = "_-/.%@:+";
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        char c = *text;
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && strchr(MORE, c) == NULL)
            return false;
    }
    return true;
}

/* A section name, quoted or not; NULL when it is not one. */
static char *section_name(char *text)
{
    text = trim(text);
    size_t len = strlen(text);
    if (len > 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0]) {
        text[len - 1] = '\0';
        return text + 1;
    }
    return is_name(text) ? text : NULL;
}

static struct property *add(struct parser *p, const char *key, const char *sub, const char *value)
{
    struct aws_profiles *all = p->profiles;
    if (all->count == all->capacity) {
        all->capacity = all->capacity < 16 ? 16 : all->capacity * 2;
        all->properties = xrealloc(all->properties, all->capacity * sizeof *all->properties);
    }
    struct property *property = &all->properties[all->count++];
    *property = (struct property){.kind = p->kind, .origin = p->origin, .section = xstrdup(p->section)};
    property->key = key != NULL ? xstrdup(key) : NULL;
    property->sub = sub != NULL ? xstrdup(sub) : NULL;
    strbuf_append_str(&property->value, value);
    return property;
}

/* Decides what "[text]" opens. */
static void open_section(struct parser *p, char *text)
{
    free(p->section);
    p->section = NULL;
    p->kind = SECTION_IGNORED;
    p->open = 0;
    p->skip_indented = false;
    text = trim(text);
    char *name = NULL;
    if (p->credentials_file) {
        p->kind = SECTION_PROFILE;
        p->origin = ORIGIN_CREDENTIALS;
        name = section_name(text);
    } else if (strcmp(text, "default") == 0) {
        p->kind = SECTION_PROFILE;
        p->origin = ORIGIN_CONFIG_DEFAULT;
        name = text;
    } else if (strncmp(text, "profile", 7) == 0 && is_blank(text[7])) {
        p->kind = SECTION_PROFILE;
        p->origin = ORIGIN_CONFIG;
        name = section_name(text + 7);
    } else if (strncmp(text, "services", 8) == 0 && is_blank(text[8])) {
        p->kind = SECTION_SERVICES;
        p->origin = ORIGIN_CONFIG;
        name = section_name(text + 8);
    }
    if (name == NULL) {
        p->kind = SECTION_IGNORED;
        return;
    }
    p->section = xstrdup(name);
    if (p->kind == SECTION_PROFILE && p->origin == ORIGIN_CONFIG && strcmp(name, "default") == 0)
        p->profiles->has_profile_default = true;
    (void)add(p, NULL, NULL, "");
}

static int parse_section(struct parser *p, char *line, struct err *err)
{
    char *end = strpbrk(line, "]#;");
    if (end == NULL || *end != ']')
        return err_set(err, "%s line %d: section without ']'", p->path, p->line);
    *end = '\0';
    open_section(p, line + 1);
    return 0;
}

/* An indented line: more of the value above, or a sub-property when that value is empty. */
static int parse_indented(struct parser *p, char *line, struct err *err)
{
    if (p->kind == SECTION_IGNORED || p->skip_indented)
        return 0;
    if (p->open == 0)
        return err_set(err, "%s line %d: indented line that belongs to no key", p->path, p->line);
    struct property *owner = &p->profiles->properties[p->open - 1];
    line = trim(line);
    if (owner->value.len > 0) {
        strbuf_append_char(&owner->value, '\n');
        strbuf_append_str(&owner->value, line);
        return 0;
    }
    char *equals = strchr(line, '=');
    if (equals == NULL || equals == line)
        return err_set(err, "%s line %d: want `key = value`", p->path, p->line);
    *equals = '\0';
    char *key = xstrdup(owner->key); /* add() may move the owner */
    (void)add(p, key, trim(line), trim(equals + 1));
    free(key);
    return 0;
}

static int parse_property(struct parser *p, char *line, struct err *err)
{
    if (p->kind == SECTION_NONE)
        return err_set(err, "%s line %d: a key before any [section]", p->path, p->line);
    char *equals = strchr(line, '=');
    if (equals == NULL || equals == line)
        return err_set(err, "%s line %d: want `key = value`", p->path, p->line);
    *equals = '\0';
    char *key = trim(line);
    if (p->kind == SECTION_IGNORED)
        return 0;
    cut_trailing_comment(equals + 1);
    p->skip_indented = !is_name(key);
    if (p->skip_indented)
        return 0;
    (void)add(p, key, NULL, trim(equals + 1));
    p->open = p->profiles->count;
    return 0;
}

static int parse_line(struct parser *p, char *line, struct err *err)
{
    char *text = line;
    while (is_blank(*text))
        text++;
    if (*text == '\0' || line[0] == '#' || line[0] == ';')
        return 0;
    if (is_blank(line[0]))
        return parse_indented(p, line, err);
    if (line[0] == '[')
        return parse_section(p, line, err);
    return parse_property(p, line, err);
}

static int parse_file(struct aws_profiles *profiles, const char *path, const char *text,
                      bool credentials_file, struct err *err)
{
    struct parser p = {.profiles = profiles, .path = path, .credentials_file = credentials_file};
    char *copy = xstrdup(text);
    char *line = copy;
    int result = 0;
    do {
        char *next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        p.line++;
        result = parse_line(&p, line, err);
        line = next;
    } while (line != NULL && result == 0);
    explicit_bzero(copy, strlen(text));
    free(copy);
    free(p.section);
    return result;
}

static struct aws_profiles *parse_both(const char *config_path, const char *config,
                                       const char *credentials_path, const char *credentials, struct err *err)
{
    struct aws_profiles *profiles = xcalloc(1, sizeof *profiles);
    if ((config != NULL && parse_file(profiles, config_path, config, false, err) != 0) ||
        (credentials != NULL && parse_file(profiles, credentials_path, credentials, true, err) != 0)) {
        aws_profiles_destroy(profiles);
        return NULL;
    }
    return profiles;
}

struct aws_profiles *aws_profiles_parse(const char *config, const char *credentials, struct err *err)
{
    return parse_both("config", config, "credentials", credentials, err);
}

/* Path of one file: the variable, or the name below ~/.aws. Empty when there is neither that nor a home
 * folder. */
static void find_file(const char *variable, const char *name, struct strbuf *out)
{
    const char *given = getenv(variable);
    const char *home = getenv("HOME");
    if (given != NULL && given[0] != '\0') {
        bool tilde = given[0] == '~' && (given[1] == '/' || given[1] == '\0') && home != NULL;
        strbuf_append_str(out, tilde ? home : "");
        strbuf_append_str(out, tilde ? given + 1 : given);
    } else if (home != NULL && home[0] != '\0') {
        strbuf_appendf(out, "%s/.aws/%s", home, name);
    }
}

static int read_file(const char *variable, const char *name, struct strbuf *path, struct strbuf *text,
                     struct err *err)
{
    find_file(variable, name, path);
    if (path->len == 0)
        return 0;
    int result = file_read(strbuf_str(path), FILE_BYTES_MAX, text, err);
    return result == -ENOENT || result == -ENOTDIR ? 0 : result;
}

struct aws_profiles *aws_profiles_load(struct err *err)
{
    struct strbuf config_path = STRBUF_INIT;
    struct strbuf config = STRBUF_INIT;
    struct strbuf credentials_path = STRBUF_INIT;
    struct strbuf credentials = STRBUF_INIT;
    struct aws_profiles *profiles = NULL;
    if (read_file("AWS_CONFIG_FILE", "config", &config_path, &config, err) == 0 &&
        read_file("AWS_SHARED_CREDENTIALS_FILE", "credentials", &credentials_path, &credentials, err) == 0)
        profiles = parse_both(strbuf_str(&config_path), strbuf_str(&config), strbuf_str(&credentials_path),
                              strbuf_str(&credentials), err);
    if (config.data != NULL)
        explicit_bzero(config.data, config.len);
    if (credentials.data != NULL)
        explicit_bzero(credentials.data, credentials.len);
    strbuf_clean_up(&config_path);
    strbuf_clean_up(&config);
    strbuf_clean_up(&credentials_path);
    strbuf_clean_up(&credentials);
    return profiles;
}

void aws_profiles_destroy(struct aws_profiles *profiles)
{
    if (profiles == NULL)
        return;
    for (size_t i = 0; i < profiles->count; i++) {
        struct property *property = &profiles->properties[i];
        if (property->value.data != NULL)
            explicit_bzero(property->value.data, property->value.len);
        strbuf_clean_up(&property->value);
        free(property->section);
        free(property->key);
        free(property->sub);
    }
    free(profiles->properties);
    free(profiles);
}

const char *aws_profiles_current_name(void)
{
    const char *name = getenv("AWS_PROFILE");
    return name != NULL && name[0] != '\0' ? name : "default";
}

static bool is_void(const struct aws_profiles *profiles, const struct property *property)
{
    return property->origin == ORIGIN_CONFIG_DEFAULT && profiles->has_profile_default;
}

bool aws_profiles_has(const struct aws_profiles *profiles, const char *profile)
{
    for (size_t i = 0; i < profiles->count; i++)
        if (profiles->properties[i].kind == SECTION_PROFILE &&
            strcmp(profiles->properties[i].section, profile) == 0)
            return true;
    return false;
}

/* From the end: the last one read wins. */
static const char *find(const struct aws_profiles *profiles, enum section_kind kind, const char *section,
                        const char *key, const char *sub)
{
    for (size_t i = profiles->count; i-- > 0;) {
        const struct property *p = &profiles->properties[i];
        if (p->kind != kind || p->key == NULL || is_void(profiles, p) || strcmp(p->section, section) != 0 ||
            strcasecmp(p->key, key) != 0 || (p->sub == NULL) != (sub == NULL))
            continue;
        if (sub == NULL || strcasecmp(p->sub, sub) == 0)
            return p->value.len > 0 ? strbuf_str(&p->value) : NULL;
    }
    return NULL;
}

const char *aws_profiles_get(const struct aws_profiles *profiles, const char *profile, const char *key)
{
    return find(profiles, SECTION_PROFILE, profile, key, NULL);
}

const char *aws_profiles_get_service(const struct aws_profiles *profiles, const char *services_name,
                                     const char *key, const char *sub)
{
    return find(profiles, SECTION_SERVICES, services_name, key, sub);
}
