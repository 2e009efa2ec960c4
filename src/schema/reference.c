/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "schema/internal.h"

/* docs/formats/objects.md. `ninja reference` writes it, a test compares. */

#define REFERENCE_BYTES_MAX (1u << 20)

static const char *type_name(const struct schema_attribute *attribute)
{
    static const char *const names[] = {
        [SCHEMA_STRING] = "string",
        [SCHEMA_BOOL] = "boolean",
        [SCHEMA_INTEGER] = "integer",
        [SCHEMA_FLOAT] = "number",
        [SCHEMA_TIME] = "time",
        [SCHEMA_DURATION] = "duration",
        [SCHEMA_STRINGS] = "list of strings",
        [SCHEMA_TAG_EXPR] = "tag expression",
        [SCHEMA_STRING_MAP] = "map of strings",
        [SCHEMA_STRINGS_MAP] = "map of lists of strings",
        [SCHEMA_FREE] = "any",
    };

    return names[attribute->type];
}

static void put_type(struct buf *text, const struct schema_attribute *attribute)
{
    switch (attribute->type) {
    case SCHEMA_ENUM:
        for (size_t i = 0; attribute->choices[i]; i++)
            buf_printf(text, "%s`%s`", i ? ", " : "", attribute->choices[i]);
        break;
    case SCHEMA_OBJECT:
        buf_printf(text, "[%s](#%s)", attribute->embedded->entity, attribute->embedded->name);
        break;
    case SCHEMA_OBJECTS:
        buf_printf(text, "list of [%s](#%s)", attribute->embedded->entity,
                   attribute->embedded->name);
        break;
    default:
        buf_puts(text, type_name(attribute));
    }
    if (attribute->max_chars)
        buf_printf(text, ", at most %zu characters", attribute->max_chars);
    if (attribute->max_items)
        buf_printf(text, ", at most %zu", attribute->max_items);
    if (attribute->minimum || attribute->maximum)
        buf_printf(text, ", %lld to %lld", (long long)attribute->minimum,
                   (long long)attribute->maximum);
}

static void put_flags(struct buf *text, unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *word;
    } words[] = {
        {SCHEMA_REQUIRED, "required"},           {SCHEMA_READ_ONLY, "read-only"},
        {SCHEMA_CREATION_ONLY, "creation only"}, {SCHEMA_TRANSIENT, "not stored"},
        {SCHEMA_SECRET, "never answered"},       {SCHEMA_ENFORCER_WRITES, "set by Enforcers"},
        {SCHEMA_DEPRECATED, "deprecated"},       {SCHEMA_NO_EFFECT, "no effect yet"},
    };
    const char *between = "";

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!(flags & words[i].flag))
            continue;
        buf_printf(text, "%s%s", between, words[i].word);
        between = ", ";
    }
}

static void put_attribute(struct buf *text, const struct schema_attribute *attribute)
{
    buf_printf(text, "| `%s` | ", attribute->name);
    put_type(text, attribute);
    buf_puts(text, " | ");
    if (attribute->fallback)
        buf_printf(text, "`%s`", attribute->fallback);
    buf_puts(text, " | ");
    put_flags(text, attribute->flags);
    buf_printf(text, " | %s |\n", attribute->help);
}

static void put_attributes(struct buf *text, const struct schema_kind *kind)
{
    const struct schema_attribute *attribute;

    buf_puts(text, "| attribute | type | default | | |\n|---|---|---|---|---|\n");
    for (size_t i = 0; (attribute = schema_attribute_at(kind, i)); i++)
        if ((attribute->flags & (SCHEMA_SECRET | SCHEMA_READ_ONLY)) !=
            (SCHEMA_SECRET | SCHEMA_READ_ONLY))
            put_attribute(text, attribute);
    buf_puts(text, "\n");
}

static void put_keys(struct buf *text, const struct schema_query_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(text, "- `?%s=`: %s", keys[i].name, keys[i].help);
        for (size_t j = 0; keys[i].choices && keys[i].choices[j]; j++)
            buf_printf(text, "%s`%s`", j ? ", " : " One of ", keys[i].choices[j]);
        buf_puts(text, "\n");
    }
}

static void put_route(struct buf *text, unsigned verbs, unsigned verb, const char *method,
                      const char *plural, const char *id)
{
    if (verbs & verb)
        buf_printf(text, "- `%s /%s%s`\n", method, plural, id);
}

static void put_routes(struct buf *text, const struct schema_kind *kind)
{
    put_route(text, kind->verbs, SCHEMA_LIST, "GET", kind->plural, "");
    put_route(text, kind->verbs, SCHEMA_CREATE, "POST", kind->plural, "");
    put_keys(text, kind->keys, kind->n_keys);
    put_route(text, kind->verbs, SCHEMA_GET, "GET", kind->plural, "/:id");
    put_route(text, kind->verbs, SCHEMA_UPDATE, "PUT", kind->plural, "/:id");
    put_route(text, kind->verbs, SCHEMA_UPDATE, "PATCH", kind->plural, "/:id");
    put_route(text, kind->verbs, SCHEMA_DELETE, "DELETE", kind->plural, "/:id");
    for (size_t i = 0; i < kind->n_sub_routes; i++) {
        const struct schema_sub_route *sub = &kind->sub_routes[i];

        buf_printf(text, "- `%s /%s/:id/%s`\n", sub->verbs & SCHEMA_CREATE ? "POST" : "GET",
                   kind->plural, sub->child);
        put_keys(text, sub->keys, sub->n_keys);
    }
    buf_puts(text, "\n");
}

static void put_kind(struct buf *text, const struct schema_kind *kind)
{
    buf_printf(text, "<a id=\"%s\"></a>\n## %s\n\n%s", kind->name, kind->entity, kind->help);
    if (kind->aliases) {
        buf_puts(text, " Short names:");
        for (size_t i = 0; kind->aliases[i]; i++)
            buf_printf(text, "%s `%s`", i ? "," : "", kind->aliases[i]);
        buf_puts(text, ".");
    }
    if (kind->unique)
        buf_printf(text, " The name is unique%s.",
                   kind->unique == SCHEMA_UNIQUE_NAME ? "" : " in its namespace");
    buf_puts(text, "\n\n");
    if (kind->plural && (kind->verbs || kind->n_sub_routes))
        put_routes(text, kind);
    put_attributes(text, kind);
}

static void put_roles(struct buf *text)
{
    const struct schema_role *roles;
    size_t n;

    buf_puts(text, "## Roles\n\nWhat API authorizations and app credentials give. `*` is every "
                   "kind.\n\n| role | | permissions |\n|---|---|---|\n");
    roles = schema_roles(&n);
    for (size_t i = 0; i < n; i++) {
        buf_printf(text, "| `%s` | %s%s |", roles[i].key, roles[i].help,
                   roles[i].is_private ? " For machines." : "");
        for (const char *const *item = roles[i].authorizations; *item; item++)
            buf_printf(text, " `%s`", *item);
        buf_puts(text, " |\n");
    }
}

static void put_head(struct buf *text)
{
    const struct schema_query_key *keys;
    size_t n;

    buf_puts(text,
             "# Objects of the Console\n\n"
             "Made from the tables in `src/schema`: `ninja reference` writes this file, a test "
             "compares it. The same tables are\nserved as OpenAPI 3.0 by `GET /openapi.json`.\n\n"
             "- **time**: RFC 3339 in UTC with milliseconds, null when unset. **duration**: `30s`, "
             "`15m`, `24h`, `1h30m`, `4d`.\n"
             "- **tag expression**: list of lists of tags `key=value`: OR of ANDs.\n"
             "- *read-only*: given with its present value it is no error. *creation only*: cannot "
             "change later. *not stored*: taken or\n  answered once.\n"
             "- An unknown attribute or query parameter is an error that names the nearest known "
             "one.\n"
             "- `null` means the default. `PUT` gives attributes that are absent their default "
             "(but keeps those that the caller may\n  not set); `PATCH` keeps them.\n\n"
             "Query parameters of every list:\n\n");
    keys = schema_verb_keys(SCHEMA_LIST, &n);
    put_keys(text, keys, n);
    buf_puts(text, "\nOf every change and deletion:\n\n");
    keys = schema_verb_keys(SCHEMA_UPDATE, &n);
    put_keys(text, keys, n);
    buf_puts(text, "\n");
}

char *schema_reference(void)
{
    _cleanup_buf_ struct buf text = BUF_INIT(REFERENCE_BYTES_MAX);
    const struct schema_kind *const *kinds;
    size_t n;

    put_head(&text);
    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n; i++)
        if (!kinds[i]->hidden)
            put_kind(&text, kinds[i]);
    put_roles(&text);
    return buf_steal(&text);
}
