/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "console/render_internal.h"

/*
 * Documents that no rule of the Enforcer needs, asked for by number. Whoever has taken over a host
 * could ask for all there are, so an Enforcer is told of another one only when that one could talk
 * to it:
 *
 *   it is open    a unit there has a namespace default of Allow, or a rule whose object matches an
 *                 external network: it may send to addresses, whoever is there
 *   it names me   a unit there has a rule whose object matches an identity of mine
 *
 * One that is closed, and has rules about others only, sends nothing here and takes nothing from
 * here, so there is nothing to prove. (Those that my own rules name I have been told of already.)
 */

/* Units that are looked at for one message, so that it costs no more than this. */
#define LOOKS_MAX 65536

/* ---- Who could talk to whom ----------------------------------------------------------------- */

static int compare_addresses(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (void *const *)a, y = (uintptr_t) * (void *const *)b;

    return (x > y) - (x < y);
}

static int network_labels(struct render *render, const struct network *network,
                          struct pointers *ret)
{
    _cleanup_tag_set_ struct tag_set tags = {0};
    _cleanup_free_
    struct label **labels = NULL;
    size_t n = 0;
    int r = network_tags(network, &tags);

    if (r == 0)
        r = labels_of(render, &tags, false, &labels, &n);
    for (size_t i = 0; i < n && r == 0; i++)
        r = pointers_push(ret, labels[i]);
    return r;
}

/* All tags of all external networks in sight, as one: so an object of two tags that two networks
 * have one each of counts as one about networks. That errs towards telling. */
static int labels_in_sight(struct render *render, const struct place *home, struct pointers *ret)
{
    int r = 0;

    for (const struct place *place = home; place && r == 0; place = place->parent)
        for (size_t i = 0; i < place->networks.n && r == 0; i++) {
            const struct network *network = place->networks.v[i];

            if (place_sees(home, place, network->propagate))
                r = network_labels(render, network, ret);
        }
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare_addresses);
    return r;
}

static bool names_networks(struct render *render, const struct rendering *rendering)
{
    _cleanup_pointers_ struct pointers labels = {0};
    bool names = labels_in_sight(render, rendering->place, &labels) < 0; /* told when in doubt */

    for (size_t i = 0; i < rendering->rulesets.n && !names; i++)
        names = clauses_match(&((const struct ruleset *)rendering->rulesets.v[i])->objects,
                              (struct label *const *)(void *)labels.v, labels.n);
    return names;
}

static bool allows_by_default(const struct place *place)
{
    return strcmp(place_default(place, "defaultPUIncomingTrafficAction"), "Allow") == 0 ||
           strcmp(place_default(place, "defaultPUOutgoingTrafficAction"), "Allow") == 0;
}

static bool is_open(struct render *render, struct rendering *rendering)
{
    if (rendering->openness == RENDERING_UNKNOWN)
        rendering->openness =
            allows_by_default(rendering->place) || names_networks(render, rendering)
                ? RENDERING_OPEN
                : RENDERING_CLOSED;
    return rendering->openness == RENDERING_OPEN;
}

struct looking {
    struct render *render;
    const struct enforcer *asking;
    size_t left; /* of LOOKS_MAX */
};

static bool could_talk(struct looking *looking, const struct enforcer *host)
{
    if (host == looking->asking)
        return true;
    for (size_t i = 0; i < host->units.n && looking->left > 0; i++, looking->left--) {
        const struct unit *unit = host->units.v[i];

        if (unit->rendering && (is_open(looking->render, unit->rendering) ||
                                part_has(unit->rendering->part, looking->asking->entry)))
            return true;
    }
    return false;
}

static bool has_such_a_host(struct looking *looking, const struct identity *identity)
{
    for (size_t i = 0; i < identity->hosts.n; i++)
        if (could_talk(looking, identity->hosts.items[i].target))
            return true;
    return false;
}

/* ---- What was asked for --------------------------------------------------------------------- */

static int fetch_host(struct enforcer *enforcer, struct enforcer *host)
{
    int r;

    if (enforcer->fetched_hosts.n >= RENDER_FETCHED_MAX ||
        pointers_has(&enforcer->fetched_hosts, host))
        return 0;
    r = pointers_push(&enforcer->fetched_hosts, host);
    return r < 0 ? r : pointers_push(&host->fetched_by, enforcer);
}

static int fetch_identity(struct enforcer *enforcer, struct identity *identity)
{
    int r;

    if (enforcer->fetched_identities.n >= RENDER_FETCHED_MAX ||
        pointers_has(&enforcer->fetched_identities, identity))
        return 0;
    r = pointers_push(&enforcer->fetched_identities, identity);
    return r < 0 ? r : pointers_push(&identity->fetched_by, enforcer);
}

/*
 * Who meets somebody is met by it, and would be asked for a round trip later: both are to be able
 * to prove themselves at the first retransmission. Half of the room stays for what it asks itself.
 */
static int fetch_back(struct looking *looking, struct enforcer *enforcer, struct enforcer *host)
{
    struct looking back = {looking->render, host, looking->left};
    bool told = host != enforcer && host->fetched_hosts.n < RENDER_FETCHED_MAX / 2 &&
                could_talk(&back, enforcer);
    int r = 0;

    looking->left = back.left;
    if (!told)
        return 0;
    r = fetch_host(host, enforcer);
    for (size_t i = 0; i < enforcer->identities.n && r == 0; i++) {
        struct identity *identity = enforcer->identities.items[i].target;

        if (identity->number && host->fetched_identities.n < RENDER_FETCHED_MAX / 2)
            r = fetch_identity(host, identity);
    }
    enforcer_dirty(looking->render, host);
    return r;
}

int render_fetch(struct render *render, const char *enforcer_id, const uint32_t *hosts,
                 size_t n_hosts, const uint32_t *identities, size_t n_identities)
{
    struct looking looking = {.render = render, .left = LOOKS_MAX};
    struct enforcer *enforcer = NULL;
    int r = 0;

    HASH_FIND_STR(render->enforcers, enforcer_id, enforcer);
    if (!enforcer)
        return -ENOENT;
    looking.asking = enforcer;
    for (size_t i = 0; i < n_hosts && r == 0; i++) {
        struct enforcer *host = NULL;

        HASH_FIND(hh_number, render->enforcer_numbers, &hosts[i], sizeof(hosts[i]), host);
        if (!host || !could_talk(&looking, host))
            continue;
        r = fetch_host(enforcer, host);
        if (r == 0)
            r = fetch_back(&looking, enforcer, host);
    }
    for (size_t i = 0; i < n_identities && r == 0; i++) {
        struct identity *identity = NULL;

        HASH_FIND(hh_number, render->numbers, &identities[i], sizeof(identities[i]), identity);
        if (identity && has_such_a_host(&looking, identity))
            r = fetch_identity(enforcer, identity);
    }
    enforcer_dirty(render, enforcer);
    return r;
}
