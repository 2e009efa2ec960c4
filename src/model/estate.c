/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "model/estate_internal.h"

int estate_builder_new(const char *namespace, struct estate_builder **ret)
{
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;

    assert(namespace);
    assert(ret);

    if (namespace_problem(namespace))
        return -EINVAL;
    builder = calloc(1, sizeof(*builder));
    if (!builder)
        return -ENOMEM;
    builder->arena = calloc(1, sizeof(*builder->arena));
    builder->namespace = strdup(namespace);
    if (!builder->arena || !builder->namespace)
        return -ENOMEM;
    *ret = TAKE_PTR(builder);
    return 0;
}

void estate_builder_free(struct estate_builder **builder)
{
    struct estate_builder *b;

    if (!builder || !*builder)
        return;
    b = *builder;
    for (size_t i = 0; i < b->n_networks; i++)
        tag_set_clear(&b->networks[i].object.tags);
    free(b->namespaces);
    free(b->networks);
    free(b->rulesets);
    free(b->namespace);
    if (b->arena)
        arena_clear(b->arena);
    free(b->arena);
    free(b);
    *builder = NULL;
}

/* By namespace depth, namespace, name; equal ones in the order in which they were read. */
static int compare_placed(const char *namespace_a, const char *name_a, const struct origin *a,
                          const char *namespace_b, const char *name_b, const struct origin *b)
{
    unsigned depth_a = namespace_depth(namespace_a), depth_b = namespace_depth(namespace_b);
    int r;

    if (depth_a != depth_b)
        return depth_a < depth_b ? -1 : 1;
    r = strcmp(namespace_a, namespace_b);
    if (r == 0)
        r = strcmp(name_a, name_b);
    if (r == 0 && a && b)
        r = a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
    return r;
}

static int compare_namespaces(const void *a, const void *b)
{
    const struct built_namespace *x = a, *y = b;
    int r = strcmp(x->object.name, y->object.name);

    if (r == 0)
        r = x->origin.sequence < y->origin.sequence ? -1 : x->origin.sequence > y->origin.sequence;
    return r;
}

static int compare_networks(const void *a, const void *b)
{
    const struct built_network *x = a, *y = b;

    return compare_placed(x->object.namespace, x->object.name, &x->origin, y->object.namespace,
                          y->object.name, &y->origin);
}

static int compare_rulesets(const void *a, const void *b)
{
    const struct built_ruleset *x = a, *y = b;

    return compare_placed(x->object.namespace, x->object.name, &x->origin, y->object.namespace,
                          y->object.name, &y->origin);
}

static void sort_all(struct estate_builder *builder)
{
    if (builder->n_namespaces)
        qsort(builder->namespaces, builder->n_namespaces, sizeof(*builder->namespaces),
              compare_namespaces);
    if (builder->n_networks)
        qsort(builder->networks, builder->n_networks, sizeof(*builder->networks), compare_networks);
    if (builder->n_rulesets)
        qsort(builder->rulesets, builder->n_rulesets, sizeof(*builder->rulesets), compare_rulesets);
}

static void report_duplicate(struct diagnostics *diagnostics, const char *kind,
                             const char *namespace, const char *name, const struct origin *first,
                             const struct origin *again)
{
    struct check check = {.file = again->file, .diagnostics = diagnostics};
    const struct path top = PATH_ROOT;
    const struct path data = PATH_KEY(&top, "data");
    const struct path list = PATH_KEY(&data, kind);
    const struct path here = PATH_INDEX(&list, again->index);

    check_report(&check, DIAGNOSTIC_ERROR, again->line, again->column, &here,
                 "found the name %s again%s%s, expected it once (first at %s:%u)",
                 quoted(name).text, *namespace ? " in namespace " : "", namespace, first->file,
                 first->line);
}

/* The lists are sorted: equal ones are neighbours. */
static void report_duplicates(const struct estate_builder *builder, struct diagnostics *diagnostics)
{
    for (size_t i = 1; i < builder->n_namespaces; i++) {
        const struct built_namespace *a = &builder->namespaces[i - 1], *b = a + 1;

        if (strcmp(a->object.name, b->object.name) == 0)
            report_duplicate(diagnostics, "namespaces", "", b->object.name, &a->origin, &b->origin);
    }
    for (size_t i = 1; i < builder->n_networks; i++) {
        const struct built_network *a = &builder->networks[i - 1], *b = a + 1;

        if (compare_placed(a->object.namespace, a->object.name, NULL, b->object.namespace,
                           b->object.name, NULL) == 0)
            report_duplicate(diagnostics, "externalnetworks", b->object.namespace, b->object.name,
                             &a->origin, &b->origin);
    }
    for (size_t i = 1; i < builder->n_rulesets; i++) {
        const struct built_ruleset *a = &builder->rulesets[i - 1], *b = a + 1;

        if (compare_placed(a->object.namespace, a->object.name, NULL, b->object.namespace,
                           b->object.name, NULL) == 0)
            report_duplicate(diagnostics, "networkrulesetpolicies", b->object.namespace,
                             b->object.name, &a->origin, &b->origin);
    }
}

static const struct built_namespace *find_namespace(const struct estate_builder *builder,
                                                    const char *name)
{
    size_t low = 0, high = builder->n_namespaces;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int r = strcmp(builder->namespaces[middle].object.name, name);

        if (r == 0)
            return &builder->namespaces[middle];
        if (r < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static int add_network_tags(const struct estate_builder *builder, struct built_network *built)
{
    struct model_network *network = &built->object;
    const struct built_namespace *namespace = find_namespace(builder, network->namespace);
    int r;

    r = tag_set_add(&network->tags, "$identity=externalnetwork");
    if (r == 0)
        r = tag_set_addf(&network->tags, "$namespace=%s", network->namespace);
    if (r == 0)
        r = tag_set_addf(&network->tags, "$name=%s", network->name);
    for (size_t i = 0; namespace && r == 0 && i < namespace->org.n; i++)
        r = tag_set_add(&network->tags, namespace->org.tags[i]);
    return r;
}

/* From the heap into the arena, where the estate's other strings are. */
static int move_tags(struct arena *arena, struct tag_set *tags)
{
    char **copy = arena_alloc(arena, tags->n, sizeof(*copy));

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < tags->n; i++) {
        copy[i] = arena_copy(arena, tags->tags[i], strlen(tags->tags[i]));
        if (!copy[i])
            return -ENOMEM;
    }
    for (size_t i = 0; i < tags->n; i++)
        free(tags->tags[i]);
    free(tags->tags);
    tags->tags = copy;
    return 0;
}

static int finish_networks(struct estate_builder *builder, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < builder->n_networks; i++) {
        struct built_network *built = &builder->networks[i];
        struct check check = {.file = built->origin.file, .diagnostics = diagnostics};
        const struct path top = PATH_ROOT;
        const struct path data = PATH_KEY(&top, "data");
        const struct path list = PATH_KEY(&data, "externalnetworks");
        const struct path here = PATH_INDEX(&list, built->origin.index);
        int r = add_network_tags(builder, built);

        if (r == -ENOMEM)
            return r;
        if (r < 0)
            check_report(&check, DIAGNOSTIC_ERROR, built->origin.line, built->origin.column, &here,
                         "found too many or too long tags with those of the namespace, expected at "
                         "most %d of %d bytes",
                         MODEL_TAGS_PER_SET_MAX, MODEL_TAG_BYTES_MAX);
    }
    return 0;
}

static int fill_networks(struct estate_builder *builder, struct arena *arena, struct estate *estate)
{
    estate->networks = arena_alloc(arena, builder->n_networks, sizeof(*estate->networks));
    if (!estate->networks)
        return -ENOMEM;
    for (; estate->n_networks < builder->n_networks; estate->n_networks++) {
        struct tag_set *tags = &builder->networks[estate->n_networks].object.tags;
        int r = move_tags(arena, tags);

        if (r < 0)
            return r;
        estate->networks[estate->n_networks] = builder->networks[estate->n_networks].object;
        *tags = (struct tag_set){0};
    }
    return 0;
}

static int fill(struct estate_builder *builder, struct estate *estate)
{
    struct arena *arena = builder->arena;

    estate->namespaces = arena_alloc(arena, builder->n_namespaces, sizeof(*estate->namespaces));
    estate->rulesets = arena_alloc(arena, builder->n_rulesets, sizeof(*estate->rulesets));
    if (!estate->namespaces || !estate->rulesets)
        return -ENOMEM;
    for (; estate->n_namespaces < builder->n_namespaces; estate->n_namespaces++)
        estate->namespaces[estate->n_namespaces] = builder->namespaces[estate->n_namespaces].object;
    for (; estate->n_rulesets < builder->n_rulesets; estate->n_rulesets++)
        estate->rulesets[estate->n_rulesets] = builder->rulesets[estate->n_rulesets].object;
    return fill_networks(builder, arena, estate);
}

int estate_builder_finish(struct estate_builder *builder, struct diagnostics *diagnostics,
                          struct estate **ret)
{
    _cleanup_estate_ struct estate *estate = NULL;
    size_t errors;
    int r;

    assert(builder);
    assert(builder->arena); /* finished once */
    assert(diagnostics);
    assert(ret);

    if (builder->error)
        return builder->error;
    errors = diagnostics->n_errors;
    sort_all(builder);
    report_duplicates(builder, diagnostics);
    r = finish_networks(builder, diagnostics);
    if (r < 0)
        return r;
    if (builder->failed || diagnostics->n_errors > errors)
        return -BULKHEAD_EINVALID_INPUT;
    estate = calloc(1, sizeof(*estate));
    if (!estate)
        return -ENOMEM;
    r = fill(builder, estate);
    if (r < 0)
        return r;
    estate->private_data = TAKE_PTR(builder->arena);
    *ret = TAKE_PTR(estate);
    return 0;
}

void estate_free(struct estate **estate)
{
    struct arena *arena;

    if (!estate || !*estate)
        return;
    arena = (*estate)->private_data;
    if (arena)
        arena_clear(arena);
    free(arena);
    free(*estate);
    *estate = NULL;
}
