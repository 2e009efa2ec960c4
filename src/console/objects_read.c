/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lists. A read copies the pointers of all candidates at its begin, and then looks at them for as
 * long as it takes, in steps. In between objects may change: those that are replaced or deleted
 * stay in memory until no read that began before can have them.
 */
#include "console/objects_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/loop.h"

#define FILTER_NS_MAX 2000000000ull /* of one read, for choosing */
#define CLOCK_EVERY 16              /* cheap things, then the clock is asked */
#define SORT_MOVES 256              /* the same */
#define DEAD_BYTES_MAX (256u << 20) /* kept for reads; then the oldest is given up */
#define REAP_A_LITTLE 4
#define REAP_MORE 256

struct objects_read {
    struct objects *objects; /* NULL: within one call, nothing changes meanwhile */
    struct objects_read *older, *younger;
    struct entry_chain dead; /* that died while this one was the youngest: older ones need them */
    bool lost;
    struct part *parts[OBJECTS_READ_QUERIES_MAX];
    size_t n, at;
    uint64_t chosen_ns;
};

/* ---- What reads keep alive ----------------------------------------------------------------- */

static size_t entry_bytes(const struct object_entry *entry)
{
    return sizeof(*entry) + entry->public.tags.n * (sizeof(char *) + sizeof(uint32_t)) +
           entry->public.body_len;
}

static void chain_add(struct entry_chain *chain, struct object_entry *entry)
{
    entry->next_id = NULL;
    if (chain->last)
        chain->last->next_id = entry;
    else
        chain->first = entry;
    chain->last = entry;
}

static void chain_move(struct entry_chain *from, struct entry_chain *to)
{
    if (!from->first)
        return;
    if (to->last)
        to->last->next_id = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    *from = (struct entry_chain){0};
}

static void reap(struct objects *objects, size_t n)
{
    while (objects->dead.first && n-- > 0) {
        struct object_entry *entry = objects->dead.first;

        objects->dead.first = entry->next_id;
        if (!entry->next_id)
            objects->dead.last = NULL;
        objects->dead_bytes -= entry_bytes(entry);
        object_entry_drop(objects, entry);
    }
}

/* What died since the next younger one began stays for the older ones. */
static void unpin(struct objects_read *read)
{
    struct objects *objects = read->objects;

    if (read->younger)
        read->younger->older = read->older;
    else
        objects->youngest = read->older;
    if (read->older)
        read->older->younger = read->younger;
    else
        objects->oldest = read->younger;
    chain_move(&read->dead, read->older ? &read->older->dead : &objects->dead);
    reap(objects, REAP_MORE);
}

void objects_bury(struct objects *objects, struct object_entry *entry)
{
    reap(objects, REAP_A_LITTLE);
    if (!objects->youngest) {
        object_entry_drop(objects, entry);
        return;
    }
    objects->dead_bytes += entry_bytes(entry);
    chain_add(&objects->youngest->dead, entry);
    while (objects->dead_bytes > DEAD_BYTES_MAX && objects->oldest) {
        objects->oldest->lost = true;
        unpin(objects->oldest);
        reap(objects, SIZE_MAX);
    }
}

void objects_reap_all(struct objects *objects)
{
    assert(!objects->youngest);

    reap(objects, SIZE_MAX);
}

/* ---- Life ---------------------------------------------------------------------------------- */

int objects_read_new(struct objects *objects, struct objects_read **ret)
{
    struct objects_read *read = calloc(1, sizeof(*read));

    if (!read)
        return -ENOMEM;
    read->objects = objects;
    read->older = objects->youngest;
    if (read->older)
        read->older->younger = read;
    else
        objects->oldest = read;
    objects->youngest = read;
    *ret = read;
    return 0;
}

static void clear_parts(struct objects_read *read)
{
    for (size_t i = 0; i < read->n; i++) {
        part_order_clear(read->parts[i]);
        plan_clear(&read->parts[i]->plan);
        free(read->parts[i]->found);
        free(read->parts[i]);
    }
    read->n = 0;
}

void objects_read_free(struct objects_read **read)
{
    struct objects_read *old = TAKE_PTR(*read);

    if (!old)
        return;
    if (!old->lost)
        unpin(old);
    clear_parts(old);
    free(old);
}

static int add(const struct objects *objects, struct objects_read *read,
               const struct objects_query *query)
{
    struct part *part;

    assert(query->kind);

    if (read->n == OBJECTS_READ_QUERIES_MAX)
        return -BULKHEAD_ETOOMANY;
    part = calloc(1, sizeof(*part));
    if (!part)
        return -ENOMEM;
    read->parts[read->n++] = part;
    part->query = *query;
    part->table = objects_table(objects, query->kind->name);
    return part->table ? part_gather(objects, part) : -ENOENT;
}

int objects_read_add(struct objects_read *read, const struct objects_query *query)
{
    return add(read->objects, read, query);
}

/* ---- Steps --------------------------------------------------------------------------------- */

const json_t *part_value(const struct part *part, const struct object *object, const char *key,
                         json_t **ret_owned)
{
    const struct objects_query *query = &part->query;

    *ret_owned = query->value ? query->value(query->value_context, object, key) : NULL;
    return *ret_owned ? *ret_owned : object_value(object, key, ret_owned);
}

struct candidate {
    const struct part *part;
    const struct object *object;
};

static const json_t *get(void *context, const char *key, json_t **ret_owned)
{
    const struct candidate *candidate = context;

    return part_value(candidate->part, candidate->object, key, ret_owned);
}

/* Of one candidate. */
static void choose_one(struct part *part)
{
    struct object_entry *entry = part->found[part->next++];
    struct candidate candidate = {part, &entry->public};

    if (part_wants(part, entry) &&
        (!part->query.accept || part->query.accept(part->query.accept_context, &entry->public)) &&
        (!part->plan.residual || filter_matches(part->query.filter, get, &candidate)))
        part->found[part->kept++] = entry;
}

static int choose(struct objects_read *read, struct part *part, uint64_t until_ns)
{
    uint64_t begun = uv_hrtime(), now = begun, left = FILTER_NS_MAX - read->chosen_ns;
    int r = 0;

    while (part->next < part->n && now < until_ns && r == 0) {
        choose_one(part);
        if (!part->plan.residual && !part->query.accept && part->next % CLOCK_EVERY != 0)
            continue;
        now = uv_hrtime();
        r = part->plan.residual && now - begun > left ? -ETIME : 0;
    }
    read->chosen_ns += MIN(now - begun, left);
    if (r < 0 || part->next < part->n)
        return r;
    part->n = part->kept;
    r = part_order_begin(part);
    part->phase = r == 1 ? PART_PAGE : PART_KEYS;
    part->total = part->n;
    part->end = SIZE_MAX;
    return r < 0 ? r : 0;
}

/* Which of those that were found are on the page. */
static int turn_page(struct part *part)
{
    const struct objects_query *query = &part->query;
    const struct id_list list = {.items = part->found, .n = part->n};

    if (part->end == SIZE_MAX) { /* not chosen when the candidates were */
        part->total = part->n;
        if (query->after && query->order && !part->after_found)
            return -ESTALE;
        if (query->after && !query->order)
            part->first = id_list_after(&list, query->after);
        part->first = MIN(part->first + query->offset, part->n);
        part->end = query->limit ? MIN(part->first + query->limit, part->n) : part->n;
    }
    part->next = part->first;
    part->phase = PART_VISIT;
    return 0;
}

/* A little of what the part is at; a phase that ends is followed by the next. */
static int advance(struct objects_read *read, struct part *part, uint64_t until_ns,
                   const struct objects_visitor *visitor, void *context)
{
    int r = 0;

    switch (part->phase) {
    case PART_CHOOSE:
        return choose(read, part, until_ns);
    case PART_KEYS:
        for (unsigned i = 0; i < CLOCK_EVERY && r == 0; i++)
            r = part_keys(part);
        part->phase += r == 1;
        break;
    case PART_SORT:
        part->phase += sorting_step(&part->sorting, SORT_MOVES);
        break;
    case PART_SETTLE:
        for (unsigned i = 0; i < CLOCK_EVERY && r == 0; i++)
            r = part_settle(part);
        part->phase += r == 1;
        break;
    case PART_PAGE:
        r = turn_page(part);
        if (r == 0 && visitor->page)
            visitor->page(context, &part->query, part->total, part->end - part->first);
        break;
    case PART_VISIT:
        if (part->next == part->end || !visitor->visit(context, &part->found[part->next++]->public))
            part->phase = PART_END;
        break;
    case PART_END:
        break;
    }
    return r < 0 ? r : 0;
}

int objects_read_step(struct objects_read *read, uint64_t until_ns,
                      const struct objects_visitor *visitor, void *context)
{
    bool limited = until_ns != UINT64_MAX;
    int r = 0;

    while (r == 0 && read->at < read->n) {
        struct part *part = read->parts[read->at];

        if (read->lost)
            return -ENOBUFS;
        r = advance(read, part, until_ns, visitor, context);
        if (part->phase == PART_END) {
            free(TAKE_PTR(part->found));
            read->at++;
        }
        if (r == 0 && limited && uv_hrtime() >= until_ns)
            break;
    }
    return r < 0 ? r : read->at == read->n;
}

/* ---- At one go ----------------------------------------------------------------------------- */

struct listing {
    bool (*visit)(void *context, const struct object *object);
    void *context;
    uint64_t *total;
};

static void list_page(void *context, const struct objects_query *query, uint64_t total, size_t n)
{
    const struct listing *listing = context;

    *listing->total = total;
}

static bool list_visit(void *context, const struct object *object)
{
    const struct listing *listing = context;

    return listing->visit(listing->context, object);
}

int objects_list(const struct objects *objects, const struct objects_query *query,
                 bool (*visit)(void *context, const struct object *object), void *context,
                 uint64_t *ret_total)
{
    static const struct objects_visitor visitor = {list_page, list_visit};
    struct listing listing = {visit, context, ret_total};
    struct objects_read *read = calloc(1, sizeof(*read));
    int r = read ? add(objects, read, query) : -ENOMEM;

    *ret_total = 0;
    if (r == 0)
        r = objects_read_step(read, UINT64_MAX, &visitor, &listing);
    if (read)
        clear_parts(read);
    free(read);
    return r < 0 ? r : 0;
}
