/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"
#include "schema/internal.h"

/* Product reference 4.5. */

#define SHOWN (SCHEMA_READ_ONLY | SCHEMA_COMPUTED)
/* With an object's own $-tags and the @org: ones of its namespaces they make one set of the model.
 */
#define OWN_TAGS_MAX 96

static const struct schema_attribute identified[] = {
    {.name = "ID",
     .type = SCHEMA_STRING,
     .flags = SHOWN,
     .help = "Identifier, 24 hexadecimal digits, given by the Console."},
};

static const struct schema_attribute base[] = {
    {.name = "associatedTags",
     .type = SCHEMA_STRINGS,
     .max_items = OWN_TAGS_MAX,
     .check = schema_check_free_tag,
     .whole = schema_whole_unique,
     .help = "Tags `key=value` given by people; they may not start with @, $ or +."},
    {.name = "annotations",
     .type = SCHEMA_STRINGS_MAP,
     .help = "Notes of the user's own: key to list of strings."},
    {.name = "normalizedTags",
     .type = SCHEMA_STRINGS,
     .flags = SHOWN,
     .help = "All tags of the object, as tag expressions and filters see them."},
    {.name = "protected",
     .type = SCHEMA_BOOL,
     .help = "The object is changed and deleted only with `override=true`."},
};

static const struct schema_attribute named[] = {
    {.name = "name",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .max_chars = MODEL_NAME_MAX,
     .check = schema_check_name,
     .help = "Name of the object."},
};

static const struct schema_attribute described[] = {
    {.name = "description",
     .type = SCHEMA_STRING,
     .max_chars = MODEL_DESCRIPTION_MAX,
     .help = "Free text about the object."},
};

static const struct schema_attribute namespaced[] = {
    {.name = "namespace",
     .type = SCHEMA_STRING,
     .flags = SHOWN,
     .help = "Namespace the object is in."},
};

static const struct schema_attribute timeable[] = {
    {.name = "createTime",
     .type = SCHEMA_TIME,
     .flags = SHOWN,
     .help = "When the object was made."},
    {.name = "updateTime",
     .type = SCHEMA_TIME,
     .flags = SHOWN,
     .help = "When the object was changed last; sent back with a change, it must still be true."},
};

static const struct schema_attribute metadatable[] = {
    {.name = "metadata",
     .type = SCHEMA_STRINGS,
     .flags = SCHEMA_CREATION_ONLY,
     .max_items = OWN_TAGS_MAX,
     .check = schema_check_metadata_tag,
     .whole = schema_whole_unique,
     .help = "Tags that start with @ (not @auth:), set by trusted systems at creation."},
};

static const struct schema_attribute disabled[] = {
    {.name = "disabled", .type = SCHEMA_BOOL, .help = "The object has no effect."},
};

static const struct schema_attribute propagated[] = {
    {.name = "propagate",
     .type = SCHEMA_BOOL,
     .help = "The object counts in all namespaces below its own as well."},
};

static const struct schema_attribute fallback[] = {
    {.name = "fallback",
     .type = SCHEMA_BOOL,
     .help = "The policy counts only where no other one that is not a fallback does."},
};

static const struct schema_attribute hidden[] = {
    {.name = "propagationHidden",
     .type = SCHEMA_BOOL,
     .help = "Namespaces below do not see the object, though it counts there."},
};

static const struct schema_attribute schedulable[] = {
    {.name = "activeSchedule",
     .type = SCHEMA_STRING,
     .max_chars = 128,
     .check = schema_check_cron,
     .help = "When the policy becomes active, as five cron fields in UTC; empty: always active."},
    {.name = "activeDuration",
     .type = SCHEMA_DURATION,
     .help = "How long it stays active after each time of `activeSchedule`."},
};

static const struct schema_attribute archivable[] = {
    {.name = "archived",
     .type = SCHEMA_BOOL,
     .flags = SCHEMA_READ_ONLY,
     .help = "The object was deleted and is kept for history."},
};

const struct schema_attribute *schema_mixin_attributes(unsigned mixin, size_t *ret_n)
{
#define MIXIN(bit, array)                                                                          \
    case (bit):                                                                                    \
        *ret_n = ARRAY_SIZE(array);                                                                \
        return array
    switch (mixin) {
        MIXIN(0, identified);
        MIXIN(SCHEMA_BASE, base);
        MIXIN(SCHEMA_NAMED, named);
        MIXIN(SCHEMA_DESCRIBED, described);
        MIXIN(SCHEMA_NAMESPACED, namespaced);
        MIXIN(SCHEMA_TIMEABLE, timeable);
        MIXIN(SCHEMA_METADATABLE, metadatable);
        MIXIN(SCHEMA_DISABLED, disabled);
        MIXIN(SCHEMA_PROPAGATED, propagated);
        MIXIN(SCHEMA_FALLBACK, fallback);
        MIXIN(SCHEMA_HIDDEN, hidden);
        MIXIN(SCHEMA_SCHEDULABLE, schedulable);
        MIXIN(SCHEMA_ARCHIVABLE, archivable);
    default:
        *ret_n = 0;
        return NULL;
    }
#undef MIXIN
}
