/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "model/estate_internal.h"

static const struct node_field fields[] = {
    FIELDS_OF_ALL_OBJECTS,
    {"entries", KIND_LIST, true},
    {"propagate", KIND_BOOL, false},
    {"matchProcessingUnits", KIND_BOOL, false},
    {"type", KIND_STRING | KIND_NONE, false},
    {"servicePorts", KIND_LIST | KIND_NONE, false},
    {"archived", KIND_BOOL, false},
};

static const char *const unused[] = {"servicePorts", "archived"};

/* Which entry a prefix came from, to name it when the list as a whole is wrong. */
struct entry_ref {
    struct ip_prefix prefix;
    bool hole;
    size_t index;
};

struct entries {
    struct cidr_list cidrs;
    struct entry_ref *refs; /* of cidrs, in written order */
    char **fqdns;
    size_t n_refs, n_fqdns;
};

static void entries_clear(struct entries *entries)
{
    cidr_list_clear(&entries->cidrs);
    free(entries->refs);
}

static void read_cidr(struct reader *reader, const struct node *node, const struct path *path,
                      struct entries *entries)
{
    struct entry_ref ref = {.hole = *node->text == '!', .index = path->index};
    const char *problem = NULL;
    int r;

    r = cidr_list_add(&entries->cidrs, node->text, &problem);
    if (r == -EINVAL) {
        check_error(&reader->check, node, path, "found %s, expected %s", quoted(node->text).text,
                    problem);
        return;
    }
    if (r == 0)
        r = array_grow(&entries->refs, entries->n_refs, sizeof(ref));
    if (r < 0) {
        reader->builder->error = r;
        return;
    }
    ref.prefix = ref.hole ? entries->cidrs.excluded[entries->cidrs.n_excluded - 1]
                          : entries->cidrs.included[entries->cidrs.n_included - 1];
    entries->refs[entries->n_refs++] = ref;
}

static void read_fqdn(struct reader *reader, const struct node *node, const struct path *path,
                      struct entries *entries)
{
    const char *problem = fqdn_problem(node->text);
    char *name;

    if (problem) {
        check_error(&reader->check, node, path, "found %s, expected a CIDR or %s",
                    quoted(node->text).text, problem);
        return;
    }
    name = reader_keep(reader, node->text, node->text_len);
    if (reader->builder->error)
        return;
    for (char *c = name; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    entries->fqdns[entries->n_fqdns++] = name;
}

static int compare_refs(const void *a, const void *b)
{
    const struct entry_ref *x = a, *y = b;
    int r = ip_prefix_compare(&x->prefix, &y->prefix);

    return r ? r : (x->index > y->index) - (x->index < y->index);
}

/* A CIDR stands once in a list, be it included or a hole. */
static void check_cidrs(struct reader *reader, const struct node *list, const struct path *path,
                        struct entries *entries)
{
    struct path here;
    const char *problem;
    size_t at;

    problem = cidr_list_problem(&entries->cidrs, &at);
    for (size_t i = 0, hole = 0; problem && i < entries->n_refs; i++) {
        if (!entries->refs[i].hole || hole++ != at)
            continue;
        here = PATH_INDEX(path, entries->refs[i].index);
        check_error(&reader->check, list->children[here.index], &here, "found %s, expected %s",
                    quoted(list->children[here.index]->text).text, problem);
    }
    if (entries->n_refs > 1)
        qsort(entries->refs, entries->n_refs, sizeof(*entries->refs), compare_refs);
    for (size_t i = 1, first = 0; i < entries->n_refs; i++) {
        if (ip_prefix_compare(&entries->refs[i].prefix, &entries->refs[first].prefix) != 0) {
            first = i;
            continue;
        }
        here = PATH_INDEX(path, entries->refs[i].index);
        check_error(&reader->check, list->children[here.index], &here,
                    "found %s again, expected each CIDR once (first in entries[%zu])",
                    quoted(list->children[here.index]->text).text, entries->refs[first].index);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_fqdns(struct reader *reader, const struct node *list, const struct path *path,
                        struct entries *entries)
{
    if (entries->n_fqdns == 0)
        return;
    qsort(entries->fqdns, entries->n_fqdns, sizeof(*entries->fqdns), compare_names);
    for (size_t i = 1; i < entries->n_fqdns; i++)
        if (strcmp(entries->fqdns[i], entries->fqdns[i - 1]) == 0)
            check_error(&reader->check, list, path, "found %s again, expected each name once",
                        quoted(entries->fqdns[i]).text);
    check_warning(&reader->check, list, path,
                  "found %zu domain names, which match nothing yet: only CIDRs do",
                  entries->n_fqdns);
}

static struct ip_prefix *keep_prefixes(struct reader *reader, const struct ip_prefix *prefixes,
                                       size_t n)
{
    struct ip_prefix *copy = reader_alloc(reader, n, sizeof(*copy));

    if (copy && n)
        memcpy(copy, prefixes, n * sizeof(*copy));
    return copy;
}

static void read_entries(struct reader *reader, const struct node *list, const struct path *path,
                         struct model_network *network)
{
    _cleanup_(entries_clear) struct entries entries = {0};

    if (list->n_children == 0) {
        check_error(&reader->check, list, path, "found an empty list, expected at least one entry");
        return;
    }
    if (!reader_check_count(reader, list, path, MODEL_ENTRIES_PER_NETWORK_MAX, "entries"))
        return;
    entries.fqdns = reader_alloc(reader, list->n_children, sizeof(*entries.fqdns));
    for (size_t i = 0; i < list->n_children && !reader->builder->error; i++) {
        const struct node *node = list->children[i];
        struct path here = PATH_INDEX(path, i);

        if (node->kind != NODE_STRING)
            check_error(&reader->check, node, &here, "found %s, expected a CIDR or domain name",
                        described(node).text);
        else if (cidr_is_meant(node->text))
            read_cidr(reader, node, &here, &entries);
        else
            read_fqdn(reader, node, &here, &entries);
    }
    if (reader->builder->error)
        return;
    check_cidrs(reader, list, path, &entries);
    check_fqdns(reader, list, path, &entries);
    network->cidrs = (struct cidr_list){
        .included = keep_prefixes(reader, entries.cidrs.included, entries.cidrs.n_included),
        .excluded = keep_prefixes(reader, entries.cidrs.excluded, entries.cidrs.n_excluded),
        .n_included = entries.cidrs.n_included,
        .n_excluded = entries.cidrs.n_excluded,
    };
    network->fqdns = entries.fqdns;
    network->n_fqdns = entries.n_fqdns;
}

static void check_legacy(struct reader *reader, const struct node *map, const struct path *path)
{
    static const char *const types[] = {"Subnet", "ENI", "RDSCluster", "RDSInstance",
                                        "SecurityGroup"};
    const struct node *node = reader_get(map, "type");
    struct path here = PATH_KEY(path, "type");
    struct port_match *ports;
    size_t n;

    if (node)
        check_word(&reader->check, node, &here, types, ARRAY_SIZE(types));
    node = reader_get(map, "servicePorts");
    here = PATH_KEY(path, "servicePorts");
    if (node)
        reader_ports(reader, node, &here, &ports, &n);
    reader_warn_unused(reader, map, path, unused, ARRAY_SIZE(unused));
}

void reader_read_network(struct reader *reader, const struct node *map, const struct path *path)
{
    struct estate_builder *builder = reader->builder;
    size_t errors = reader->check.diagnostics->n_errors;
    struct built_network built = {.origin = reader_origin(reader, map, path)};
    _cleanup_tag_set_ struct tag_set tags = {0};
    struct path here = PATH_KEY(path, "name");
    const struct node *name;

    if (!check_map(&reader->check, map, path, fields, ARRAY_SIZE(fields)))
        return;
    name = node_get(map, "name");
    check_text(&reader->check, name, &here, 1, MODEL_NAME_MAX);
    built.object.name = reader_keep(reader, name->text, name->text_len);
    built.object.namespace = reader_namespace(reader, map, path);
    built.object.propagate = reader_flag(map, "propagate");
    built.object.match_processing_units = reader_flag(map, "matchProcessingUnits");
    built.object.position = (struct model_position){reader->file, map->line};
    reader_common(reader, map, path, &tags);
    here = PATH_KEY(path, "entries");
    read_entries(reader, node_get(map, "entries"), &here, &built.object);
    check_legacy(reader, map, path);
    if (reader->check.diagnostics->n_errors > errors || builder->error)
        return;
    builder->error = array_grow(&builder->networks, builder->n_networks, sizeof(built));
    if (builder->error)
        return;
    built.object.tags = tags;
    tags = (struct tag_set){0};
    builder->networks[builder->n_networks++] = built;
}
