/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "console/render_internal.h"

/*
 * Which units carry a tag, so that looking for them costs what there are of them. A tag that more
 * than CARRIERS_MAX carry is not listed any more: whoever asks for it means very many anyway, and
 * has to look at all units.
 */

#define CARRIERS_MAX 4096

struct carrier {
    char *text;
    struct pointers units;
    size_t n;  /* also when they are not listed */
    bool many; /* not listed */
    UT_hash_handle hh;
};

static struct carrier *carrier_find(struct render *render, const char *text)
{
    struct carrier *carrier = NULL;

    HASH_FIND_STR(render->carriers, text, carrier);
    return carrier;
}

static int carrier_get(struct render *render, const char *text, struct carrier **ret)
{
    struct carrier *carrier = carrier_find(render, text);

    if (!carrier) {
        carrier = calloc(1, sizeof(*carrier));
        if (carrier)
            carrier->text = strdup(text);
        if (!carrier || !carrier->text) {
            free(carrier);
            return -ENOMEM;
        }
        HASH_ADD_KEYPTR(hh, render->carriers, carrier->text, strlen(carrier->text), carrier);
    }
    *ret = carrier;
    return 0;
}

static void carrier_free(struct render *render, struct carrier *carrier)
{
    HASH_DEL(render->carriers, carrier);
    pointers_free(&carrier->units);
    free(carrier->text);
    free(carrier);
}

/* Every unit has its own: an index would be as large as the table, and nobody selects by it. */
static bool is_own(const char *tag)
{
    return strncmp(tag, "$id=", 4) == 0;
}

int carriers_add(struct render *render, struct unit *unit)
{
    for (size_t i = 0; i < unit->tags.n; i++) {
        struct carrier *carrier = NULL;
        int r;

        if (is_own(unit->tags.tags[i]))
            continue;
        r = carrier_get(render, unit->tags.tags[i], &carrier);
        if (r < 0)
            return r;
        assert(carrier);
        carrier->n++;
        if (carrier->many)
            continue;
        /* Without memory for the list it is one that is not listed. */
        if (carrier->units.n == CARRIERS_MAX || pointers_push(&carrier->units, unit) < 0) {
            pointers_free(&carrier->units);
            carrier->many = true;
        }
    }
    return 0;
}

void carriers_remove(struct render *render, struct unit *unit)
{
    for (size_t i = 0; i < unit->tags.n; i++) {
        struct carrier *carrier = carrier_find(render, unit->tags.tags[i]);

        if (!carrier)
            continue;
        if (!carrier->many)
            pointers_remove(&carrier->units, unit);
        if (--carrier->n == 0)
            carrier_free(render, carrier);
    }
}

bool carriers_of(struct render *render, const char *text, const struct pointers **ret)
{
    static const struct pointers none;
    const struct carrier *carrier = carrier_find(render, text);

    if (is_own(text) || (carrier && carrier->many))
        return false;
    *ret = carrier ? &carrier->units : &none;
    return true;
}

void carriers_free(struct render *render)
{
    struct carrier *carrier, *next;

    HASH_ITER(hh, render->carriers, carrier, next)
    {
        carrier_free(render, carrier);
    }
}
