/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "console/render_internal.h"

#define RULESET_BYTES_MAX (17u << 20) /* STORE_BODY_BYTES_MAX and the name of a namespace */

/* Rulesets: filed under the tags they name, so that a change finds whom it concerns. */

/* The label with the shortest list; lists are picked by offset in struct label. */
static struct label *shortest(const struct clause *clause, size_t list_offset)
{
    struct label *best = NULL;
    size_t best_n = SIZE_MAX;

    for (size_t i = 0; i < clause->n; i++) {
        const struct pointers *list = (const void *)((const char *)clause->labels[i] + list_offset);

        if (list->n < best_n) {
            best = clause->labels[i];
            best_n = list->n;
        }
    }
    return best;
}

static int post(struct clauses *clauses, struct ruleset *ruleset, size_t list_offset)
{
    for (size_t i = 0; i < clauses->n; i++) {
        struct clause *clause = &clauses->items[i];
        struct label *label = shortest(clause, list_offset);
        int r;

        if (!label)
            continue;
        r = pointers_push((void *)((char *)label + list_offset), ruleset);
        if (r < 0)
            return r;
        clause->filed = label;
    }
    return 0;
}

static void unpost(struct clauses *clauses, struct ruleset *ruleset, size_t list_offset)
{
    for (size_t i = 0; i < clauses->n; i++) {
        struct clause *clause = &clauses->items[i];

        if (clause->filed)
            pointers_remove((void *)((char *)clause->filed + list_offset), ruleset);
        clause->filed = NULL;
    }
}

/* Tags of subjects decide which renderings are different ones. */
static int subjects_use(struct render *render, struct ruleset *ruleset)
{
    for (size_t i = 0; i < ruleset->subject.n; i++) {
        const struct clause *clause = &ruleset->subject.items[i];

        for (size_t j = 0; j < clause->n; j++) {
            int r = clause->labels[j]->subject_uses++ == 0
                        ? units_of_label(render, clause->labels[j])
                        : 0;

            if (r < 0)
                return r;
        }
    }
    return 0;
}

static void subjects_unuse(const struct clauses *subject)
{
    for (size_t i = 0; i < subject->n; i++)
        for (size_t j = 0; j < subject->items[i].n; j++)
            subject->items[i].labels[j]->subject_uses--;
}

/* What the ruleset names now stays named while it changes: its units are not all looked at anew. */
static int subjects_hold(struct render *render, const struct ruleset *ruleset, struct clauses *held)
{
    int r = clauses_copy(&ruleset->subject, held);

    for (size_t i = 0; i < held->n && r == 0; i++)
        for (size_t j = 0; j < held->items[i].n; j++)
            held->items[i].labels[j]->subject_uses++;
    if (r < 0)
        clauses_clear(held);
    return r;
}

static int need(struct ruleset *ruleset, struct identity *identity)
{
    int r = pointers_push(&ruleset->needs, identity);

    return r < 0 ? r : pointers_push(&identity->rulesets, ruleset);
}

static int needs_add(struct render *render, struct ruleset *ruleset)
{
    uint64_t stamp = ++render->stamp;

    for (size_t i = 0; i < ruleset->objects.n; i++) {
        const struct clause *clause = &ruleset->objects.items[i];
        struct label *label = shortest(clause, offsetof(struct label, identities));

        for (size_t j = 0; label && j < label->identities.n; j++) {
            struct identity *identity = label->identities.v[j];
            int r;

            if (identity->stamp == stamp ||
                !clause_within(clause, identity->labels, identity->n_labels))
                continue;
            identity->stamp = stamp;
            r = need(ruleset, identity);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static void needs_drop(struct ruleset *ruleset)
{
    for (size_t i = 0; i < ruleset->needs.n; i++)
        pointers_remove(&((struct identity *)ruleset->needs.v[i])->rulesets, ruleset);
    ruleset->needs.n = 0;
}

static void its_renderings_dirty(struct render *render, struct ruleset *ruleset)
{
    for (size_t i = 0; i < ruleset->renderings.n; i++)
        rendering_dirty(render, ruleset->renderings.v[i]);
}

/* Renderings that it selects now. */
static void selected_dirty(struct render *render, struct ruleset *ruleset)
{
    for (size_t i = 0; i < ruleset->subject.n; i++) {
        const struct clause *clause = &ruleset->subject.items[i];
        struct label *label = shortest(clause, offsetof(struct label, renderings));

        for (size_t j = 0; label && j < label->renderings.n; j++) {
            struct rendering *rendering = label->renderings.v[j];

            if (place_sees(rendering->place, ruleset->place, ruleset->propagate) &&
                clause_within(clause, rendering->labels, rendering->n_labels))
                rendering_dirty(render, rendering);
        }
    }
}

int identity_rulesets(struct render *render, struct identity *identity)
{
    uint64_t stamp = ++render->stamp;

    for (size_t i = 0; i < identity->n_labels; i++) {
        struct pointers *posted = &identity->labels[i]->objects;

        for (size_t j = 0; j < posted->n; j++) {
            struct ruleset *ruleset = posted->v[j];
            int r;

            if (ruleset->stamp == stamp ||
                !clauses_match(&ruleset->objects, identity->labels, identity->n_labels))
                continue;
            ruleset->stamp = stamp;
            r = need(ruleset, identity);
            if (r < 0)
                return r;
            its_renderings_dirty(render, ruleset);
        }
    }
    return 0;
}

void identity_touched(struct render *render, struct identity *identity)
{
    for (size_t i = 0; i < identity->rulesets.n; i++)
        its_renderings_dirty(render, identity->rulesets.v[i]);
    for (size_t i = 0; i < identity->fetched_by.n; i++)
        enforcer_dirty(render, identity->fetched_by.v[i]);
}

static void ruleset_empty(struct render *render, struct ruleset *ruleset)
{
    its_renderings_dirty(render, ruleset);
    needs_drop(ruleset);
    subjects_unuse(&ruleset->subject);
    unpost(&ruleset->subject, ruleset, offsetof(struct label, subjects));
    unpost(&ruleset->objects, ruleset, offsetof(struct label, objects));
    clauses_clear(&ruleset->subject);
    clauses_clear(&ruleset->objects);
    free_pointer(&ruleset->text);
}

static void ruleset_drop(struct render *render, struct ruleset *ruleset)
{
    ruleset_empty(render, ruleset);
    for (size_t i = 0; i < ruleset->renderings.n; i++)
        pointers_remove(&((struct rendering *)ruleset->renderings.v[i])->rulesets, ruleset);
    pointers_free(&ruleset->renderings);
    pointers_free(&ruleset->needs);
    pointers_remove(&ruleset->place->rulesets, ruleset);
    HASH_DEL(render->rulesets, ruleset);
    entry_kill(&ruleset->entry);
    free(ruleset->id);
    free(ruleset);
}

static int ruleset_new(struct render *render, const char *id, struct place *place,
                       struct ruleset **ret)
{
    struct ruleset *ruleset = calloc(1, sizeof(*ruleset));
    int r;

    if (!ruleset)
        return -ENOMEM;
    ruleset->place = place;
    ruleset->id = strdup(id);
    r = ruleset->id ? entry_new(render, ruleset, &ruleset->entry, "r:%s", id) : -ENOMEM;
    if (r == 0)
        r = pointers_push(&place->rulesets, ruleset);
    if (r < 0) {
        entry_kill(&ruleset->entry);
        free(ruleset->id);
        free(ruleset);
        return r;
    }
    HASH_ADD_KEYPTR(hh, render->rulesets, ruleset->id, strlen(ruleset->id), ruleset);
    *ret = ruleset;
    return 0;
}

/* ---- What is stored ------------------------------------------------------------------------ */

/* What policy files have of it (docs/formats/policy.md), in the order in which they are written. */
enum part {
    PART_DISABLED,
    PART_FALLBACK,
    PART_INCOMING,
    PART_NAME,
    PART_OUTGOING,
    PART_PROPAGATE,
    PART_SUBJECT,
    PARTS
};
static const char *const part_names[PARTS] = {
    [PART_DISABLED] = "disabled",      [PART_FALLBACK] = "fallback",
    [PART_INCOMING] = "incomingRules", [PART_NAME] = "name",
    [PART_OUTGOING] = "outgoingRules", [PART_PROPAGATE] = "propagate",
    [PART_SUBJECT] = "subject",
};

static void parts_find(const char *body, size_t len, struct json_slice parts[PARTS])
{
    struct json_slice key, value;
    struct json_scan scan;

    memset(parts, 0, PARTS * sizeof(parts[0]));
    json_scan_begin(&scan, body, len);
    while (json_scan_next(&scan, &key, &value))
        for (size_t i = 0; i < PARTS; i++)
            if (json_slice_is(&key, part_names[i]))
                parts[i] = value;
}

/* Values as they are stored: which is the same text at each Console. */
static int ruleset_text(struct render *render, struct ruleset *ruleset,
                        const struct json_slice parts[PARTS])
{
    struct buf *text = &render->scratch;

    text->len = 0;
    text->max = RULESET_BYTES_MAX;
    buf_puts(text, "{");
    for (size_t i = 0; i < PARTS; i++) {
        if (!parts[i].len)
            continue;
        buf_append(text, "\"", 1);
        buf_puts(text, part_names[i]);
        buf_append(text, "\":", 2);
        buf_append(text, parts[i].text, parts[i].len);
        buf_append(text, ",", 1);
    }
    buf_puts(text, "\"namespace\":\"");
    text_json_escape(text, ruleset->place->name, strlen(ruleset->place->name));
    buf_puts(text, "\"}");
    ruleset->text = text->error ? NULL : strndup(text->data, text->len);
    if (text->error)
        buf_free(text);
    if (!ruleset->text)
        return -ENOMEM;
    ruleset->entry->version = link_version(ruleset->text, strlen(ruleset->text));
    return 0;
}

static int objects_scan(struct render *render, struct ruleset *ruleset,
                        const struct json_slice *rules)
{
    struct json_slice key, rule, expression;
    struct json_scan scan;
    int r = 0;

    json_scan_begin(&scan, rules->text, rules->len);
    while (r == 0 && json_scan_next(&scan, &key, &rule))
        if (json_scan_find(rule.text, rule.len, "object", &expression))
            r = clauses_scan(render, &expression, &ruleset->objects);
    return r;
}

static int ruleset_fill(struct render *render, struct ruleset *ruleset, const char *body,
                        size_t len)
{
    struct json_slice parts[PARTS];
    int r;

    parts_find(body, len, parts);
    ruleset->propagate = json_slice_is(&parts[PART_PROPAGATE], "true");
    ruleset->fallback = json_slice_is(&parts[PART_FALLBACK], "true");
    ruleset->disabled = json_slice_is(&parts[PART_DISABLED], "true");
    r = ruleset_text(render, ruleset, parts);
    if (r == 0)
        r = clauses_scan(render, &parts[PART_SUBJECT], &ruleset->subject);
    if (r == 0)
        r = objects_scan(render, ruleset, &parts[PART_INCOMING]);
    if (r == 0)
        r = objects_scan(render, ruleset, &parts[PART_OUTGOING]);
    if (r == 0)
        r = post(&ruleset->subject, ruleset, offsetof(struct label, subjects));
    if (r == 0)
        r = post(&ruleset->objects, ruleset, offsetof(struct label, objects));
    if (r == 0)
        r = subjects_use(render, ruleset);
    if (r == 0)
        r = needs_add(render, ruleset);
    return r;
}

int render_ruleset_put(struct render *render, const char *id, const char *namespace,
                       const char *body, size_t len)
{
    struct ruleset *ruleset = NULL;
    struct clauses held = {0};
    struct place *place;
    int r;

    HASH_FIND_STR(render->rulesets, id, ruleset);
    if (!body) {
        if (ruleset)
            ruleset_drop(render, ruleset);
        return 0;
    }
    r = place_get(render, namespace, &place);
    if (r == 0 && ruleset)
        r = subjects_hold(render, ruleset, &held);
    if (r == 0 && ruleset)
        ruleset_empty(render, ruleset);
    else if (r == 0)
        r = ruleset_new(render, id, place, &ruleset);
    if (r == 0)
        r = ruleset_fill(render, ruleset, body, len);
    if (r == 0)
        selected_dirty(render, ruleset);
    subjects_unuse(&held);
    clauses_clear(&held);
    return r;
}
