/* SPDX-License-Identifier: Apache-2.0 */

/* Objects by what they have or where they are, at one go. */
#include "console/objects_internal.h"

void objects_by_tags(const struct objects *objects, const struct schema_kind *kind,
                     const struct tag_set *clause,
                     bool (*visit)(void *context, const struct object *object), void *context)
{
    const struct tag_record *best = NULL;

    for (size_t i = 0; i < clause->n; i++) {
        const struct tag_record *record = tag_table_find(&objects->tags, clause->tags[i]);

        if (!record)
            return;
        if (!best || record->n < best->n)
            best = record;
    }
    for (uint32_t i = 0; best && i < best->n; i++) {
        const struct object_entry *entry = best->members[i].entry;

        if (entry->linked && entry->public.kind == kind &&
            tag_set_has_all(&entry->public.tags, clause) && !visit(context, &entry->public))
            return;
    }
}

void objects_in_space(const struct objects *objects, const struct space *space,
                      const struct schema_kind *kind,
                      bool (*visit)(void *context, const struct object *object), void *context)
{
    const struct id_list *list = space_bucket_find((const struct space_entry *)(const void *)space,
                                                   objects_table(objects, kind->name));

    for (size_t i = 0; list && i < list->n; i++)
        if (!visit(context, &list->items[i]->public))
            return;
}
