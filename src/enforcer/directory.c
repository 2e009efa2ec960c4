/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/directory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"

void directory_free(struct directory **at)
{
    if (!*at)
        return;
    free((*at)->identities);
    free((*at)->bindings);
    free(*at);
    *at = NULL;
}

/* Tags are sorted, so $name=… is found by halving; sets are small enough to walk. */
static const char *name_of(const struct tag_set *tags)
{
    for (size_t i = 0; i < tags->n; i++)
        if (strncmp(tags->tags[i], "$name=", strlen("$name=")) == 0)
            return tags->tags[i] + strlen("$name=");
    return "";
}

static void add(struct directory *directory, uint32_t enforcer_id, uint32_t id,
                const char *namespace, const struct tag_set *tags, uint32_t unit)
{
    directory->identities[directory->n++] = (struct identity){
        .id = id,
        .namespace = namespace,
        .tags = tags,
        .name = name_of(tags),
        .enforcer_id = enforcer_id,
        .unit = unit,
    };
    if (enforcer_id)
        directory->bindings[directory->n_bindings++] =
            (struct datapath_binding){.enforcer_id = enforcer_id, .identity = id};
}

static int compare_identities(const void *a, const void *b)
{
    const struct identity *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    if (x->unit != y->unit) /* own units first: UNIT_NO_SLOT is the highest */
        return x->unit < y->unit ? -1 : 1;
    return x->enforcer_id < y->enforcer_id ? -1 : x->enforcer_id > y->enforcer_id;
}

static int compare_bindings(const void *a, const void *b)
{
    const struct datapath_binding *x = a, *y = b;

    if (x->enforcer_id != y->enforcer_id)
        return x->enforcer_id < y->enforcer_id ? -1 : 1;
    return x->identity < y->identity ? -1 : x->identity > y->identity;
}

static void print_identity(struct buf *buf, const struct identity *identity)
{
    buf_printf(buf, "%s [", identity->namespace);
    for (size_t i = 0; i < identity->tags->n; i++)
        buf_printf(buf, "%s%s", i ? ", " : "", identity->tags->tags[i]);
    buf_puts(buf, "]");
}

static void print_collision(const struct identity *a, const struct identity *b,
                            char message[DIRECTORY_MESSAGE_MAX])
{
    _cleanup_buf_ struct buf buf = BUF_INIT(1u << 20);

    buf_printf(&buf, "identity id %u stands for two tag sets: ", a->id);
    print_identity(&buf, a);
    buf_puts(&buf, " and ");
    print_identity(&buf, b);
    buf_puts(&buf, "; change a tag of one of them");
    snprintf(message, DIRECTORY_MESSAGE_MAX, "%s", buf.data ? buf.data : "identity collision");
}

/* Sort, drop what is there twice, refuse what only shares its id. */
static int settle(struct directory *directory, char message[DIRECTORY_MESSAGE_MAX])
{
    struct identity *items = directory->identities;
    struct datapath_binding *bindings = directory->bindings;
    size_t n = 0, n_bindings = 0;

    if (directory->n)
        qsort(items, directory->n, sizeof(*items), compare_identities);
    for (size_t i = 0; i < directory->n; i++) {
        if (n == 0 || items[n - 1].id != items[i].id) {
            items[n++] = items[i];
        } else if (items[n - 1].unmatched && items[i].unmatched) {
            continue; /* units of one identity differ in tags that do not count */
        } else if (strcmp(items[n - 1].namespace, items[i].namespace) != 0 ||
                   !tag_set_equal(items[n - 1].tags, items[i].tags)) {
            print_collision(&items[n - 1], &items[i], message);
            return -BULKHEAD_EIDENTITY_COLLISION;
        }
    }
    directory->n = n;
    if (directory->n_bindings)
        qsort(bindings, directory->n_bindings, sizeof(*bindings), compare_bindings);
    for (size_t i = 0; i < directory->n_bindings; i++)
        if (n_bindings == 0 || compare_bindings(&bindings[n_bindings - 1], &bindings[i]) != 0)
            bindings[n_bindings++] = bindings[i];
    directory->n_bindings = n_bindings;
    return 0;
}

static size_t count(const struct units *units, const struct peers *peers)
{
    size_t n = units->n;

    for (size_t i = 0; peers && i < peers->n; i++)
        n += peers->hosts[i]->n_pus;
    return n;
}

int directory_new(uint32_t own_id, const struct units *units, const struct peers *peers,
                  char message[DIRECTORY_MESSAGE_MAX], struct directory **ret)
{
    _cleanup_directory_ struct directory *directory = calloc(1, sizeof(*directory));
    size_t n = count(units, peers);
    int r;

    message[0] = '\0';
    if (n > ABI_BINDINGS_MAX) {
        snprintf(message, DIRECTORY_MESSAGE_MAX, "%zu identities, expected at most %u", n,
                 ABI_BINDINGS_MAX);
        return -BULKHEAD_ETOOMANY;
    }
    if (!directory || !(directory->identities = calloc(n + 1, sizeof(struct identity))) ||
        !(directory->bindings = calloc(n + 1, sizeof(struct datapath_binding))))
        return -ENOMEM;
    for (uint32_t i = 0; i < ABI_PUS_MAX; i++) {
        const struct unit *unit = units->slots[i];

        if (unit && !unit->gone)
            add(directory, own_id, unit->identity, unit->namespace, &unit->tags, i);
    }
    for (size_t i = 0; peers && i < peers->n; i++) {
        const struct peer_host *host = peers->hosts[i];

        if (host->enforcer_id == own_id)
            continue; /* our own file: what runs here is known better */
        for (size_t j = 0; j < host->n_pus; j++)
            add(directory, host->enforcer_id,
                identity_id(host->pus[j].namespace, &host->pus[j].tags), host->pus[j].namespace,
                &host->pus[j].tags, UNIT_NO_SLOT);
    }
    r = settle(directory, message);
    if (r == 0)
        *ret = TAKE_PTR(directory);
    return r;
}

/* ---- From documents --------------------------------------------------------------------------
 */

static const struct document_claims *find_claims(const struct directory_given *given, uint32_t id)
{
    size_t low = 0, high = given->n_identities;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (given->identities[middle]->id == id)
            return given->identities[middle];
        if (given->identities[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/*
 * Rules match the tags of the document, which has only those that go over the wire; for people the
 * unit's own tags say more, but another end could not match them either.
 */
static void add_own(struct directory *directory, uint32_t own_id, const struct units *units,
                    const struct directory_given *given)
{
    for (uint32_t i = 0; i < ABI_PUS_MAX; i++) {
        const struct unit *unit = units->slots[i];
        const struct document_claims *claims;

        if (!unit || unit->gone || !unit->identity)
            continue;
        claims = find_claims(given, unit->identity);
        add(directory, own_id, unit->identity, claims ? claims->namespace : unit->namespace,
            claims ? &claims->tags : &unit->tags, i);
        directory->identities[directory->n - 1].name = unit->name;
        directory->identities[directory->n - 1].unmatched = !claims;
    }
}

static void add_given(struct directory *directory, uint32_t own_id,
                      const struct directory_given *given)
{
    for (size_t i = 0; i < given->n_identities; i++)
        add(directory, 0, given->identities[i]->id, given->identities[i]->namespace,
            &given->identities[i]->tags, UNIT_NO_SLOT);
    for (size_t i = 0; i < given->n_hosts; i++) {
        const struct document_claims *host = given->hosts[i];

        for (size_t j = 0; host->id != own_id && j < host->n_identities; j++)
            directory->bindings[directory->n_bindings++] =
                (struct datapath_binding){.enforcer_id = host->id, .identity = host->identities[j]};
    }
}

/* Whom to name when an identity is met: the first host that has it. */
static void name_hosts(struct directory *directory)
{
    for (size_t i = 0; i < directory->n_bindings; i++) {
        struct identity *identity =
            (struct identity *)directory_find(directory, directory->bindings[i].identity);

        if (identity && !identity->enforcer_id)
            identity->enforcer_id = directory->bindings[i].enforcer_id;
    }
}

int directory_new_given(uint32_t own_id, const struct units *units,
                        const struct directory_given *given, char message[DIRECTORY_MESSAGE_MAX],
                        struct directory **ret)
{
    _cleanup_directory_ struct directory *directory = calloc(1, sizeof(*directory));
    size_t n = units->n + given->n_identities, n_bindings = units->n;
    int r;

    message[0] = '\0';
    for (size_t i = 0; i < given->n_hosts; i++)
        n_bindings += given->hosts[i]->n_identities;
    if (n > ABI_BINDINGS_MAX || n_bindings > ABI_BINDINGS_MAX) {
        snprintf(message, DIRECTORY_MESSAGE_MAX, "%zu identities at hosts, expected at most %u",
                 MAX(n, n_bindings), ABI_BINDINGS_MAX);
        return -BULKHEAD_ETOOMANY;
    }
    if (!directory || !(directory->identities = calloc(n + 1, sizeof(struct identity))) ||
        !(directory->bindings = calloc(n_bindings + 1, sizeof(struct datapath_binding))))
        return -ENOMEM;
    add_own(directory, own_id, units, given);
    add_given(directory, own_id, given);
    r = settle(directory, message);
    if (r < 0)
        return r;
    name_hosts(directory);
    *ret = TAKE_PTR(directory);
    return 0;
}

const struct identity *directory_find(const struct directory *directory, uint32_t id)
{
    size_t low = 0, high = directory ? directory->n : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (directory->identities[middle].id == id)
            return &directory->identities[middle];
        if (directory->identities[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
