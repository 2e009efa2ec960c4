/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "model/model.h"
#include "schema/internal.h"

#define KINDS_MAX 128
#define WORDS_MAX 512

static const struct schema_kind *const *const groups[] = {
    schema_kinds_policy,    schema_kinds_units,  schema_kinds_enforcers,
    schema_kinds_mapping,   schema_kinds_access, schema_kinds_tokens,
    schema_kinds_operation, schema_kinds_import, schema_kinds_hidden,
};

static struct {
    pthread_once_t once;
    const struct schema_kind *kinds[KINDS_MAX];
    size_t n;
} registry = {.once = PTHREAD_ONCE_INIT};

static pthread_mutex_t index_lock = PTHREAD_MUTEX_INITIALIZER;

/* In the order in which they are shown: before a kind's own attributes, and behind them. */
static const unsigned mixins_before[] = {
    SCHEMA_NAMESPACED, SCHEMA_NAMED,    SCHEMA_DESCRIBED, SCHEMA_DISABLED,
    SCHEMA_PROPAGATED, SCHEMA_FALLBACK, SCHEMA_HIDDEN,
};
static const unsigned mixins_behind[] = {
    SCHEMA_SCHEDULABLE, SCHEMA_METADATABLE, SCHEMA_BASE, SCHEMA_ARCHIVABLE, SCHEMA_TIMEABLE,
};

/* ---- The index of a kind ---- */

static unsigned hash_name(const char *name)
{
    unsigned hash = 2166136261u; /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash ^ (hash >> 16);
}

int schema_index_find(const struct schema_index *index, const char *name)
{
    for (unsigned at = hash_name(name);; at++) {
        unsigned slot = index->slots[at % SCHEMA_SLOTS];

        if (slot == 0)
            return -1;
        if (strcmp(index->attributes[slot - 1]->name, name) == 0)
            return (int)slot - 1;
    }
}

/* The first one of a name stays: a kind's own before a mixin's. */
static void index_put(struct schema_index *index, const struct schema_attribute *attribute)
{
    unsigned at = hash_name(attribute->name);

    assert(index->n < SCHEMA_ATTRIBUTES_MAX);
    while (index->slots[at % SCHEMA_SLOTS])
        at++;
    index->attributes[index->n++] = attribute;
    index->slots[at % SCHEMA_SLOTS] = (uint8_t)index->n;
}

static const struct schema_attribute *own_attribute(const struct schema_kind *kind,
                                                    const char *name)
{
    for (size_t i = 0; i < kind->n_attributes; i++)
        if (strcmp(kind->attributes[i].name, name) == 0)
            return &kind->attributes[i];
    return NULL;
}

static void index_mixin(struct schema_index *index, const struct schema_kind *kind, unsigned mixin)
{
    size_t n;
    const struct schema_attribute *attributes = schema_mixin_attributes(mixin, &n);

    for (size_t i = 0; i < n; i++) {
        const struct schema_attribute *own = own_attribute(kind, attributes[i].name);

        index_put(index, own ? own : &attributes[i]);
    }
}

static void index_fill(struct schema_index *index, const struct schema_kind *kind)
{
    if (kind->stored || (kind->mixins & SCHEMA_NAMESPACED))
        index_mixin(index, kind, 0);
    for (size_t i = 0; i < ARRAY_SIZE(mixins_before); i++)
        if (kind->mixins & mixins_before[i])
            index_mixin(index, kind, mixins_before[i]);
    for (size_t i = 0; i < kind->n_attributes; i++)
        if (schema_index_find(index, kind->attributes[i].name) < 0)
            index_put(index, &kind->attributes[i]);
    for (size_t i = 0; i < ARRAY_SIZE(mixins_behind); i++)
        if (kind->mixins & mixins_behind[i])
            index_mixin(index, kind, mixins_behind[i]);
}

const struct schema_index *schema_index_of(const struct schema_kind *kind)
{
    struct schema_index *index = kind->index;

    assert(index);
    if (atomic_load_explicit(&index->ready, memory_order_acquire))
        return index;
    pthread_mutex_lock(&index_lock);
    if (!atomic_load_explicit(&index->ready, memory_order_relaxed)) {
        index_fill(index, kind);
        atomic_store_explicit(&index->ready, 1, memory_order_release);
    }
    pthread_mutex_unlock(&index_lock);
    return index;
}

const struct schema_attribute *schema_attribute_at(const struct schema_kind *kind, size_t i)
{
    const struct schema_index *index;

    assert(kind);

    index = schema_index_of(kind);
    return i < index->n ? index->attributes[i] : NULL;
}

const struct schema_attribute *schema_attribute_find(const struct schema_kind *kind,
                                                     const char *name)
{
    const struct schema_index *index;
    int at;

    assert(kind);
    assert(name);

    index = schema_index_of(kind);
    at = schema_index_find(index, name);
    return at < 0 ? NULL : index->attributes[at];
}

bool schema_kind_can_be_exported(const struct schema_kind *kind)
{
    return kind->stored && !kind->hidden && (kind->verbs & SCHEMA_CREATE) &&
           kind->exported != SCHEMA_EXPORT_NEVER;
}

const char *schema_attribute_nearest(const struct schema_kind *kind, const char *word)
{
    const struct schema_index *index;
    const char *names[SCHEMA_ATTRIBUTES_MAX];

    assert(kind);
    assert(word);

    index = schema_index_of(kind);
    for (size_t i = 0; i < index->n; i++)
        names[i] = index->attributes[i]->name;
    return nearest_word(word, names, index->n);
}

/* ---- All kinds ---- */

static int compare_kinds(const void *a, const void *b)
{
    const struct schema_kind *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static void registry_fill(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        for (size_t j = 0; groups[i][j]; j++) {
            assert(registry.n < KINDS_MAX);
            registry.kinds[registry.n++] = groups[i][j];
        }
    qsort(registry.kinds, registry.n, sizeof(*registry.kinds), compare_kinds);
}

const struct schema_kind *const *schema_kinds(size_t *ret_n)
{
    assert(ret_n);

    pthread_once(&registry.once, registry_fill);
    *ret_n = registry.n;
    return registry.kinds;
}

static bool is_called(const struct schema_kind *kind, const char *word)
{
    if (strcasecmp(kind->name, word) == 0 || strcasecmp(kind->entity, word) == 0 ||
        (kind->plural && strcasecmp(kind->plural, word) == 0))
        return true;
    for (const char *const *alias = kind->aliases; alias && *alias; alias++)
        if (strcasecmp(*alias, word) == 0)
            return true;
    return false;
}

const struct schema_kind *schema_kind_find(const char *word)
{
    const struct schema_kind *const *kinds;
    size_t n;

    assert(word);

    kinds = schema_kinds(&n);
    /* "networkrule" is an alias of the ruleset first, and then an embedded kind. */
    for (size_t i = 0; i < n; i++)
        if (kinds[i]->plural && is_called(kinds[i], word))
            return kinds[i];
    for (size_t i = 0; i < n; i++)
        if (is_called(kinds[i], word))
            return kinds[i];
    return NULL;
}

const struct schema_kind *schema_kind_by_plural(const char *plural)
{
    const struct schema_kind *const *kinds;
    size_t n;

    assert(plural);

    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n; i++)
        if (kinds[i]->plural && strcmp(kinds[i]->plural, plural) == 0)
            return kinds[i];
    return NULL;
}

const char *schema_kind_nearest(const char *word)
{
    const struct schema_kind *const *kinds;
    const char *words[WORDS_MAX];
    size_t n, n_words = 0;

    assert(word);

    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n && n_words + 2 < WORDS_MAX; i++) {
        if (!kinds[i]->plural || kinds[i]->hidden)
            continue;
        words[n_words++] = kinds[i]->plural;
        words[n_words++] = kinds[i]->name;
        for (const char *const *alias = kinds[i]->aliases; alias && *alias; alias++)
            if (n_words < WORDS_MAX)
                words[n_words++] = *alias;
    }
    return nearest_word(word, words, n_words);
}
