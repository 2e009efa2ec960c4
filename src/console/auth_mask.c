/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_internal.h"

#include <string.h>

#define BIT(verb) (1u << (verb))
#define WORD_MAX 128

static const struct {
    const char *word;
    unsigned bits;
} verbs[] = {
    {"any", BIT(AUTH_LIST) | BIT(AUTH_GET) | BIT(AUTH_CREATE) | BIT(AUTH_UPDATE) | BIT(AUTH_PATCH) |
                BIT(AUTH_DELETE)},
    {"get", BIT(AUTH_LIST) | BIT(AUTH_GET)}, /* both are GET */
    {"list", BIT(AUTH_LIST)},
    {"post", BIT(AUTH_CREATE)},
    {"put", BIT(AUTH_UPDATE) | BIT(AUTH_PATCH)}, /* whoever may replace may change in part */
    {"patch", BIT(AUTH_PATCH)},
    {"delete", BIT(AUTH_DELETE)},
};

static int compare_kind(const void *name, const void *kind)
{
    return strcmp(name, (*(const struct schema_kind *const *)kind)->name);
}

/* Place in schema_kinds(), -1 when it is not there. */
static int place_of(const char *name)
{
    size_t n;
    const struct schema_kind *const *kinds = schema_kinds(&n), *const * found;

    assert(n <= AUTH_KINDS_MAX);
    found = bsearch(name, kinds, n, sizeof(*kinds), compare_kind);
    return found ? (int)(found - kinds) : -1;
}

static unsigned verb_bits(const char *word, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strlen(verbs[i].word) == len && memcmp(verbs[i].word, word, len) == 0)
            return verbs[i].bits;
    return 0;
}

/* "kind<separator>verb,verb" */
static void add_raw(struct auth_mask *mask, const char *text, char separator)
{
    const char *at = strchr(text, separator);
    const struct schema_kind *kind;
    char word[WORD_MAX];
    unsigned bits = 0;
    int place;

    if (!at || at - text >= WORD_MAX)
        return;
    memcpy(word, text, (size_t)(at - text));
    word[at - text] = '\0';
    while (*at) {
        size_t len = strcspn(++at, ",");

        bits |= verb_bits(at, len);
        at += len;
    }
    if (strcmp(word, "*") == 0) {
        for (size_t i = 0; i < AUTH_KINDS_MAX; i++)
            mask->verbs[i] |= (uint8_t)bits;
        return;
    }
    kind = schema_kind_find(word);
    place = kind ? place_of(kind->name) : -1;
    if (place >= 0)
        mask->verbs[place] |= (uint8_t)bits;
}

void auth_mask_add(struct auth_mask *mask, const char *permission)
{
    const struct schema_role *role;

    assert(mask);
    assert(permission);

    if (*permission != '@') {
        add_raw(mask, permission, ',');
        return;
    }
    role = schema_role_find(permission);
    for (const char *const *line = role ? role->authorizations : NULL; line && *line; line++)
        add_raw(mask, *line, ':');
}

void auth_mask_or(struct auth_mask *mask, const struct auth_mask *other)
{
    for (size_t i = 0; i < AUTH_KINDS_MAX; i++)
        mask->verbs[i] |= other->verbs[i];
}

void auth_mask_and(struct auth_mask *mask, const struct auth_mask *other)
{
    for (size_t i = 0; i < AUTH_KINDS_MAX; i++)
        mask->verbs[i] &= other->verbs[i];
}

bool auth_mask_has(const struct auth_mask *mask, const struct schema_kind *kind,
                   enum auth_verb verb)
{
    int place = place_of(kind->name);

    return place >= 0 && (mask->verbs[place] & BIT(verb));
}

bool auth_mask_empty(const struct auth_mask *mask)
{
    static const struct auth_mask empty;

    return memcmp(mask, &empty, sizeof(empty)) == 0;
}

bool auth_mask_within(const struct auth_mask *inner, const struct auth_mask *outer)
{
    for (size_t i = 0; i < AUTH_KINDS_MAX; i++)
        if (inner->verbs[i] & ~outer->verbs[i])
            return false;
    return true;
}

const char *auth_verb_name(enum auth_verb verb)
{
    static const char *const names[] = {
        [AUTH_LIST] = "list",  [AUTH_GET] = "get",     [AUTH_CREATE] = "post",
        [AUTH_UPDATE] = "put", [AUTH_PATCH] = "patch", [AUTH_DELETE] = "delete",
    };

    return names[verb];
}

struct exception {
    const char *kind;
    unsigned bits;
};

static bool among(const struct exception *list, size_t n, const struct schema_kind *kind,
                  enum auth_verb verb)
{
    for (size_t i = 0; i < n; i++)
        if ((list[i].bits & BIT(verb)) && strcmp(list[i].kind, kind->name) == 0)
            return true;
    return false;
}

bool auth_is_basic(const struct schema_kind *kind, enum auth_verb verb)
{
    static const struct exception list[] = {
        {"namespace", BIT(AUTH_LIST) | BIT(AUTH_GET)},
        {"namespaceinfo", BIT(AUTH_LIST)},
        {"tag", BIT(AUTH_LIST)},
        {"tagprefix", BIT(AUTH_LIST)},
        {"tagvalue", BIT(AUTH_LIST)},
        {"organizationalmetadata", BIT(AUTH_LIST)},
        {"putrafficaction", BIT(AUTH_LIST)},
        {"healthcheck", BIT(AUTH_LIST)},
    };

    return among(list, ARRAY_SIZE(list), kind, verb);
}

bool auth_is_own(const struct schema_kind *kind, enum auth_verb verb)
{
    static const struct exception list[] = {
        {"authn", BIT(AUTH_LIST) | BIT(AUTH_CREATE)},
        {"apicheck", BIT(AUTH_CREATE)},
        {"logout", BIT(AUTH_CREATE)},
        {"role", BIT(AUTH_LIST)},
        {"accessiblenamespace", BIT(AUTH_LIST)},
    };

    return among(list, ARRAY_SIZE(list), kind, verb);
}
