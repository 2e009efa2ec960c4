/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "schema/internal.h"

/* Policy as code (product reference 1.12, 4.6 E). */

#define LABEL_MAX 256

/* The plural that was meant, NULL when there is none near. */
static const char *meant(const char *word)
{
    const struct schema_kind *kind = schema_kind_find(word);
    const char *nearest = kind ? NULL : schema_kind_nearest(word);

    if (nearest)
        kind = schema_kind_find(nearest);
    return kind && !kind->hidden ? kind->plural : NULL;
}

/* Lists of objects by the plural of their kind; the objects are checked when they are imported. */
static bool check_data(const json_t *value, struct schema_problems *problems)
{
    const char *plural;
    json_t *list;
    bool ok = true;

    json_object_foreach((json_t *)value, plural, list)
    {
        const struct schema_kind *kind = schema_kind_by_plural(plural);
        struct schema_path here = {.key = plural};
        const char *nearest;

        if (!ok && schema_problems_full(problems))
            break;
        nearest = kind ? NULL : meant(plural);
        if (!kind || kind->hidden) {
            schema_report(problems, &here, "found unknown kind '%.80s'%s%s%s", plural,
                          nearest ? ", did you mean '" : ", expected the plural of a kind",
                          nearest ? nearest : "", nearest ? "'?" : "");
            ok = false;
        } else if (!json_is_array(list) && !json_is_null(list)) {
            schema_report(problems, &here, "found something else, expected a list of objects");
            ok = false;
        }
    }
    return ok;
}

static bool check_exported(const json_t *value, struct buf *problem)
{
    if (!schema_check_identity(value, problem))
        return false;
    if (schema_kind_can_be_exported(schema_kind_find(json_string_value(value))))
        return true;
    buf_puts(problem, "the name of a kind that can be exported");
    return false;
}

static const struct schema_attribute export_attributes[] = {
    {.name = "APIVersion",
     .type = SCHEMA_INTEGER,
     .fallback = "1",
     .maximum = 1,
     .help = "Form of the envelope: 0 or 1."},
    {.name = "label",
     .type = SCHEMA_STRING,
     .max_chars = LABEL_MAX,
     .check = schema_check_name,
     .help = "Name of the import; another import with it replaces this one."},
    {.name = "identities",
     .type = SCHEMA_STRINGS,
     .max_items = 128,
     .check = check_exported,
     .help = "Kinds to export."},
    {.name = "data",
     .type = SCHEMA_FREE,
     .fallback = "{}",
     .check = schema_check_object_map,
     .whole = check_data,
     .help = "Plural of a kind to list of objects."},
};

static const struct schema_query_key export_keys[] = {
    {.name = "q", .help = "Only objects that match this filter."},
    {.name = "recursive", .help = "Also objects of namespaces below; any value."},
};
static const struct schema_query_key import_keys[] = {
    {.name = "dryRun", .help = "Answer what would change, and change nothing; any value."},
    {.name = "override", .help = "Also objects that are protected; any value."},
};
static const struct schema_query_key reference_keys[] = {
    {.name = "override",
     .verbs = SCHEMA_CREATE,
     .help = "Also objects that are protected; any value."},
};

const struct schema_kind schema_kind_export = {
    .name = "export",
    .plural = "export",
    .entity = "Export",
    .help = "Objects of a namespace as an import envelope.",
    .verbs = SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(export_attributes),
    SCHEMA_KEYS(export_keys),
    .columns = SCHEMA_WORDS("label", "identities", "data"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute import_attributes[] = {
    {.name = "data",
     .type = SCHEMA_OBJECT,
     .flags = SCHEMA_REQUIRED,
     .embedded = &schema_kind_export,
     .help = "The envelope."},
    {.name = "mode",
     .type = SCHEMA_ENUM,
     .fallback = "\"Import\"",
     .choices = SCHEMA_WORDS("ReplacePartial", "Import", "Remove"),
     .help = "Put the objects in place, or take them away."},
};

static const struct schema_kind kind_import = {
    .name = "import",
    .plural = "import",
    .entity = "Import",
    .help = "Put the objects of an envelope in place, all or none.",
    .verbs = SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(import_attributes),
    SCHEMA_KEYS(import_keys),
    .columns = SCHEMA_WORDS("mode", "data"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute reference_attributes[] = {
    {.name = "data",
     .type = SCHEMA_OBJECT,
     .flags = SCHEMA_REQUIRED | SCHEMA_CREATION_ONLY,
     .embedded = &schema_kind_export,
     .help = "The envelope."},
    {.name = "constraint",
     .type = SCHEMA_ENUM,
     .flags = SCHEMA_CREATION_ONLY,
     .fallback = "\"Unrestricted\"",
     .choices = SCHEMA_WORDS("Unrestricted", "Unique", "NamespaceUnique"),
     .help = "Whether there may be another one with this label."},
    {.name = "label",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_READ_ONLY,
     .help = "Label of the envelope."},
    {.name = "claims",
     .type = SCHEMA_STRINGS,
     .flags = SCHEMA_READ_ONLY,
     .help = "Claims of who imported it."},
};

static const struct schema_kind kind_importreference = {
    .name = "importreference",
    .plural = "importreferences",
    .entity = "ImportReference",
    .aliases = SCHEMA_WORDS("importref", "impref"),
    .help = "An import that is kept: when it is deleted, its objects are.",
    .verbs = SCHEMA_LIST | SCHEMA_CREATE | SCHEMA_GET | SCHEMA_DELETE,
    .mixins = SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_DESCRIBED | SCHEMA_METADATABLE |
              SCHEMA_NAMED | SCHEMA_TIMEABLE,
    .unique = SCHEMA_UNIQUE_NAME_IN_NAMESPACE,
    .stored = true,
    .exported = SCHEMA_EXPORT_NEVER,
    SCHEMA_ATTRIBUTES(reference_attributes),
    SCHEMA_KEYS(reference_keys),
    .columns = SCHEMA_WORDS("ID", "name", "namespace", "label", "constraint"),
    .index = SCHEMA_INDEX,
};

const struct schema_kind *const schema_kinds_import[] = {
    &schema_kind_export,
    &kind_import,
    &kind_importreference,
    NULL,
};
