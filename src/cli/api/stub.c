/* SPDX-License-Identifier: Apache-2.0 */
/* An object to begin with: what can be set, with its default, and what it means as a comment. */
#include <string.h>

#include "cli/api/api.h"

#define NOT_SET (SCHEMA_READ_ONLY | SCHEMA_COMPUTED | SCHEMA_ENFORCER_WRITES | SCHEMA_DEPRECATED)

static const char *const type_names[] = {
    [SCHEMA_STRING] = "text",
    [SCHEMA_BOOL] = "true or false",
    [SCHEMA_INTEGER] = "number",
    [SCHEMA_FLOAT] = "number",
    [SCHEMA_TIME] = "time",
    [SCHEMA_DURATION] = "duration",
    [SCHEMA_ENUM] = "one of",
    [SCHEMA_STRINGS] = "list of texts",
    [SCHEMA_TAG_EXPR] = "list of lists of tags",
    [SCHEMA_STRING_MAP] = "map of texts",
    [SCHEMA_STRINGS_MAP] = "map of lists of texts",
    [SCHEMA_OBJECT] = "map",
    [SCHEMA_OBJECTS] = "list of maps",
    [SCHEMA_FREE] = "anything",
};

/* "one of Allow, Reject"; for `describe` as well. */
void stub_type(const struct schema_attribute *attribute, FILE *out)
{
    fputs(type_names[attribute->type], out);
    for (size_t i = 0; attribute->choices && attribute->choices[i]; i++)
        fprintf(out, "%s%s", i ? ", " : " ", attribute->choices[i]);
    if (attribute->embedded)
        fprintf(out, " (%s)", attribute->embedded->entity);
}

json_t *stub_object(const struct schema_kind *kind)
{
    json_t *sparse = json_object();
    json_t *complete = sparse ? schema_complete(kind, sparse, NULL, NULL) : NULL;
    json_t *object = complete ? json_object() : NULL;
    const struct schema_attribute *attribute;

    for (size_t i = 0; object && (attribute = schema_attribute_at(kind, i)); i++) {
        json_t *value = json_object_get(complete, attribute->name);

        if (!(attribute->flags & NOT_SET))
            json_object_set_new(object, attribute->name, value ? json_incref(value) : json_null());
    }
    json_decref(complete);
    json_decref(sparse);
    return object;
}

void stub_print(const struct schema_kind *kind, const json_t *object, FILE *out)
{
    const struct schema_attribute *attribute;

    fprintf(out, "# %s: %s\n", kind->entity, kind->help);
    for (size_t i = 0; (attribute = schema_attribute_at(kind, i)); i++) {
        json_t *value = json_object_get(object, attribute->name);
        json_t *one = value ? json_pack("{s:O}", attribute->name, value) : NULL;

        if (!one)
            continue;
        fprintf(out, "# %s\n# %s%s", attribute->help,
                attribute->flags & SCHEMA_REQUIRED ? "required; " : "",
                attribute->flags & SCHEMA_CREATION_ONLY ? "cannot change later; " : "");
        stub_type(attribute, out);
        fputc('\n', out);
        output_yaml(out, one, false);
        json_decref(one);
    }
}
