/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/internal.h"

/* Query parameters that every route of a verb takes (product reference 4.1). */

static const struct schema_query_key list_keys[] = {
    {.name = "q",
     .help = "Only objects that match this filter (docs/user/filters.md); repeated: or."},
    {.name = "page",
     .type = SCHEMA_INTEGER,
     .help = "Number of the page, from 1; with `pagesize`."},
    {.name = "pagesize", .type = SCHEMA_INTEGER, .help = "Objects on a page; 0: all."},
    {.name = "pageSize", .type = SCHEMA_INTEGER, .help = "The same."},
    {.name = "limit",
     .type = SCHEMA_INTEGER,
     .help = "Most objects to answer; with `after`, not with `pagesize`."},
    {.name = "after", .help = "Cursor: the `X-Next` of the answer before."},
    {.name = "order", .help = "Attribute to order by, `-` in front: descending; repeated."},
    {.name = "recursive", .help = "Also objects of namespaces below; any value."},
    {.name = "propagated", .help = "Also objects that namespaces above propagate; any value."},
    {.name = "archived", .help = "Also archived objects; any value."},
};

static const struct schema_query_key write_keys[] = {
    {.name = "override", .help = "Also when the object is protected; any value."},
};

const struct schema_query_key *schema_verb_keys(enum schema_verb verb, size_t *ret_n)
{
    assert(ret_n);

    *ret_n = 0;
    if (verb == SCHEMA_LIST)
        *ret_n = ARRAY_SIZE(list_keys);
    if (verb == SCHEMA_UPDATE || verb == SCHEMA_DELETE)
        *ret_n = ARRAY_SIZE(write_keys);
    return verb == SCHEMA_LIST ? list_keys : write_keys;
}
