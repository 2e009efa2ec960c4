/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "console/render_internal.h"

#include "base/text.h"

/*
 * What one write makes odd, said in the answer to the write. Looks at what is there now; nothing
 * here decides anything. Bounded: the first SAMPLE_MAX of what is selected stand for the rest.
 */

#define SAMPLE_MAX 64
#define SCAN_MAX 20000 /* units that are looked at where no list tells which */
#define TAG_TEXT_MAX 200
#define WARNINGS_PER_WRITE_MAX 16

struct inquiry {
    struct render *render;
    struct place *place;
    const json_t *object;
    bool propagate;
    struct clauses subject;
    render_warn_fn *warn;
    void *context;
    unsigned said;
};

static void say(struct inquiry *inquiry, const char *format, ...) _printf_(2, 3);
static void say(struct inquiry *inquiry, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (inquiry->said++ >= WARNINGS_PER_WRITE_MAX)
        return;
    va_start(arguments, format);
    text_vformat(text, sizeof(text), format, arguments);
    va_end(arguments);
    inquiry->warn(inquiry->context, text);
}

/* @return false: not listed, or no such label */
static bool listed(struct render *render, const struct clause *clause, const struct pointers **ret)
{
    bool found = false;

    for (size_t i = 0; i < clause->n; i++) {
        const struct pointers *units;

        if (!carriers_of(render, clause->labels[i]->text, &units) ||
            (found && units->n >= (*ret)->n))
            continue;
        *ret = units;
        found = true;
    }
    return found;
}

static bool carries(const struct unit *unit, const struct clause *clause)
{
    for (size_t i = 0; i < clause->n; i++)
        if (!tag_set_has(&unit->tags, clause->labels[i]->text))
            return false;
    return clause->n > 0;
}

/* Units that the subject selects: SAMPLE_MAX of them are enough. */
struct sample {
    struct unit *units[SAMPLE_MAX];
    size_t n, max;
    bool gave_up; /* looked at SCAN_MAX: there may be others */
};

static bool sample_unit(const struct inquiry *inquiry, const struct clause *clause,
                        struct unit *unit, struct sample *sample)
{
    if (place_sees(unit->place, inquiry->place, inquiry->propagate) && carries(unit, clause))
        sample->units[sample->n++] = unit;
    return sample->n < sample->max;
}

static void sample_clause(struct inquiry *inquiry, const struct clause *clause,
                          struct sample *sample)
{
    const struct pointers *units = NULL;
    struct unit *unit, *next;
    size_t looked = 0;

    if (listed(inquiry->render, clause, &units)) {
        for (size_t i = 0; i < units->n; i++)
            if (!sample_unit(inquiry, clause, units->v[i], sample))
                return;
        return;
    }
    HASH_ITER(hh, inquiry->render->units, unit, next)
    {
        if (looked++ == SCAN_MAX)
            sample->gave_up = true;
        if (looked > SCAN_MAX || !sample_unit(inquiry, clause, unit, sample))
            return;
    }
}

static void subject_units(struct inquiry *inquiry, size_t max, struct sample *sample)
{
    *sample = (struct sample){.max = max};
    for (size_t i = 0; i < inquiry->subject.n && sample->n < max; i++)
        sample_clause(inquiry, &inquiry->subject.items[i], sample);
}

static const struct pointers *fewest_identities(const struct clause *clause)
{
    const struct pointers *fewest = NULL;

    for (size_t i = 0; i < clause->n; i++)
        if (!fewest || clause->labels[i]->identities.n < fewest->n)
            fewest = &clause->labels[i]->identities;
    return fewest;
}

static size_t matched_identities(struct render *render, const struct clauses *clauses,
                                 struct identity *ret[SAMPLE_MAX])
{
    uint64_t stamp = ++render->stamp;
    size_t n = 0;

    for (size_t i = 0; i < clauses->n; i++) {
        const struct pointers *list = fewest_identities(&clauses->items[i]);

        for (size_t j = 0; list && j < list->n && n < SAMPLE_MAX; j++) {
            struct identity *identity = list->v[j];

            if (identity->units == 0 || identity->stamp == stamp ||
                !clause_within(&clauses->items[i], identity->labels, identity->n_labels))
                continue;
            identity->stamp = stamp;
            ret[n++] = identity;
        }
    }
    return n;
}

static bool matches_network(struct inquiry *inquiry, const struct clauses *clauses)
{
    for (const struct place *place = inquiry->place; place; place = place->parent) {
        for (size_t i = 0; i < place->networks.n; i++) {
            const struct network *network = place->networks.v[i];
            _cleanup_tag_set_ struct tag_set tags = {0};
            _cleanup_free_
            struct label **labels = NULL;
            size_t n = 0;

            if ((place == inquiry->place || network->propagate) &&
                network_tags(network, &tags) == 0 &&
                labels_of(inquiry->render, &tags, false, &labels, &n) == 0 &&
                clauses_match(clauses, labels, n))
                return true;
        }
    }
    return false;
}

static bool has_prefix(struct inquiry *inquiry, const char *tag)
{
    const char *const *prefix = render_tag_prefixes(inquiry->render, inquiry->place->name);

    for (; *prefix; prefix++)
        if (strncmp(tag, *prefix, strlen(*prefix)) == 0)
            return true;
    return false;
}

/* A clause that selects something is in order, whatever it is made of: networks need no prefix. */
static void check_prefixes(struct inquiry *inquiry, const char *where,
                           const struct clauses *clauses)
{
    for (size_t i = 0; i < clauses->n; i++) {
        const struct clauses one = {.items = &clauses->items[i], .n = 1};
        struct identity *peers[SAMPLE_MAX];
        bool asked = false;

        for (size_t j = 0; j < one.items->n; j++) {
            const char *tag = one.items->labels[j]->text;

            if (has_prefix(inquiry, tag))
                continue;
            if (!asked && (matched_identities(inquiry->render, &one, peers) > 0 ||
                           matches_network(inquiry, &one)))
                break;
            asked = true;
            say(inquiry,
                "%s: tag '%.*s' has none of the tagPrefixes of %s, so no remote unit can be "
                "recognized by it",
                where, TAG_TEXT_MAX, tag, inquiry->place->name);
        }
    }
}

/* ---- The other side ----------------------------------------------------------------------------
 */

static bool rule_selects(struct render *render, const json_t *rule, struct identity *const *peers,
                         size_t n)
{
    struct clauses clauses = {0};
    const char *action = json_string_value(json_object_get(rule, "action"));
    bool hit = false;

    if (action && strcmp(action, "Allow") == 0 &&
        clauses_read(render, json_object_get(rule, "object"), &clauses) == 0)
        for (size_t i = 0; i < n && !hit; i++)
            hit = clauses_match(&clauses, peers[i]->labels, peers[i]->n_labels);
    clauses_clear(&clauses);
    return hit;
}

static bool any_selects(struct render *render, const struct pointers *rulesets,
                        const char *direction, struct identity *const *peers, size_t n)
{
    for (size_t j = 0; j < rulesets->n; j++) {
        _cleanup_(json_decrefp) json_t *body = ruleset_parse(rulesets->v[j]);
        const json_t *rules = json_object_get(body, direction);

        for (size_t k = 0; k < json_array_size(rules); k++)
            if (rule_selects(render, json_array_get(rules, k), peers, n))
                return true;
    }
    return false;
}

/* Does anything that applies to the units of `identity` let one of `peers` in (or out)? */
static bool lets(struct render *render, const struct identity *identity, const char *direction,
                 struct identity *const *peers, size_t n)
{
    const struct enforcer *host = identity->hosts.n > 0 ? identity->hosts.items[0].target : NULL;

    for (size_t i = 0; host && i < host->units.n; i++) {
        const struct unit *unit = host->units.v[i];
        _cleanup_free_
        struct label **labels = NULL;
        _cleanup_pointers_ struct pointers rulesets = {0};
        size_t n_labels = 0;

        if (unit->identity != identity ||
            labels_of(render, &unit->tags, true, &labels, &n_labels) < 0 ||
            rulesets_for(render, unit->place, labels, n_labels, &rulesets) < 0)
            continue;
        return any_selects(render, &rulesets, direction, peers, n);
    }
    return true; /* nobody to ask */
}

static size_t subject_identities(struct inquiry *inquiry, struct identity *ret[SAMPLE_MAX])
{
    struct sample sample;
    size_t n = 0;

    subject_units(inquiry, SAMPLE_MAX, &sample);
    for (size_t i = 0; i < sample.n; i++)
        if (sample.units[i]->identity)
            ret[n++] = sample.units[i]->identity;
    return n;
}

static void check_other_side(struct inquiry *inquiry, const char *where, bool outgoing,
                             struct identity *const *peers, size_t n)
{
    struct identity *own[SAMPLE_MAX];
    size_t n_own = subject_identities(inquiry, own);

    for (size_t i = 0; i < n && n_own > 0; i++) {
        if (lets(inquiry->render, peers[i], outgoing ? "incomingRules" : "outgoingRules", own,
                 n_own))
            continue;
        say(inquiry,
            "%s: no rule of the other side (units of %s) %s the subject: both sides must allow a "
            "connection between units",
            where, peers[i]->namespace, outgoing ? "lets in" : "lets go out to");
        return;
    }
}

/* ---- A parent's Reject --------------------------------------------------------------------------
 */

/* Everything that `inner` can match, `outer` matches: each clause has all labels of one of outer's.
 */
static bool expression_covers(const struct clauses *outer, const struct clauses *inner)
{
    for (size_t i = 0; i < inner->n; i++)
        if (!clauses_match(outer, inner->items[i].labels, inner->items[i].n))
            return false;
    return inner->n > 0;
}

static bool match_covers(const struct port_match *outer, const struct port_match *inner)
{
    return outer->any_protocol || (!inner->any_protocol && outer->protocol == inner->protocol &&
                                   outer->low <= inner->low && outer->high >= inner->high);
}

/* One entry of `outer` has to hold the whole match: enough for a warning. */
static bool any_covers(const json_t *outer, const struct port_match *inner)
{
    struct port_match matches[PORT_TEXT_MATCHES_MAX];
    const char *problem;
    size_t n;

    for (size_t i = 0; i < json_array_size(outer); i++) {
        const char *text = json_string_value(json_array_get(outer, i));

        if (!text || port_match_parse(text, matches, &n, &problem) < 0)
            continue;
        for (size_t j = 0; j < n; j++)
            if (match_covers(&matches[j], inner))
                return true;
    }
    return false;
}

static bool ports_cover(const json_t *outer, const json_t *inner)
{
    struct port_match matches[PORT_TEXT_MATCHES_MAX];
    const char *problem;
    size_t n;

    if (json_array_size(outer) == 0) /* any */
        return true;
    for (size_t i = 0; i < json_array_size(inner); i++) {
        const char *text = json_string_value(json_array_get(inner, i));

        if (!text || port_match_parse(text, matches, &n, &problem) < 0)
            return false;
        for (size_t j = 0; j < n; j++)
            if (!any_covers(outer, &matches[j]))
                return false;
    }
    return json_array_size(inner) > 0 ||
           any_covers(outer, &(struct port_match){.any_protocol = true});
}

static bool rejects_all(struct inquiry *inquiry, const json_t *parent, const char *direction,
                        const json_t *rule, const struct clauses *object)
{
    const json_t *rules = json_object_get(parent, direction);

    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *other = json_array_get(rules, i);
        const char *action = json_string_value(json_object_get(other, "action"));
        struct clauses clauses = {0};
        bool covers;

        if (!action || strcmp(action, "Reject") != 0 ||
            json_is_true(json_object_get(other, "observationEnabled")) ||
            clauses_read(inquiry->render, json_object_get(other, "object"), &clauses) < 0) {
            clauses_clear(&clauses);
            continue;
        }
        covers = expression_covers(&clauses, object) &&
                 ports_cover(json_object_get(other, "protocolPorts"),
                             json_object_get(rule, "protocolPorts"));
        clauses_clear(&clauses);
        if (covers)
            return true;
    }
    return false;
}

static void check_parents(struct inquiry *inquiry, const char *where, const char *direction,
                          const json_t *rule, const struct clauses *object)
{
    for (const struct place *place = inquiry->place->parent; place; place = place->parent) {
        for (size_t i = 0; i < place->rulesets.n; i++) {
            const struct ruleset *parent = place->rulesets.v[i];
            _cleanup_(json_decrefp) json_t *body = NULL;

            if (!parent->propagate || parent->disabled || parent->fallback ||
                !expression_covers(&parent->subject, &inquiry->subject))
                continue;
            body = ruleset_parse(parent);
            if (!rejects_all(inquiry, body, direction, rule, object))
                continue;
            say(inquiry, "%s: without effect, because ruleset '%.*s' of %s rejects the same", where,
                TAG_TEXT_MAX, json_string_value(json_object_get(body, "name")), place->name);
            return;
        }
    }
}

static int check_rule(struct inquiry *inquiry, const char *direction, size_t index,
                      const json_t *rule)
{
    struct identity *peers[SAMPLE_MAX];
    struct clauses object = {0};
    const char *action = json_string_value(json_object_get(rule, "action"));
    bool allow = !action || strcmp(action, "Allow") == 0;
    char where[64];
    size_t n;
    int r = clauses_read(inquiry->render, json_object_get(rule, "object"), &object);

    if (r < 0) {
        clauses_clear(&object);
        return r;
    }
    snprintf(where, sizeof(where), "%s[%zu]", direction, index);
    n = matched_identities(inquiry->render, &object, peers);
    if (n == 0 && !matches_network(inquiry, &object))
        say(inquiry, "%s: the object selects no unit and no external network now", where);
    check_prefixes(inquiry, where, &object);
    if (n > 0 && allow)
        check_other_side(inquiry, where, strcmp(direction, "outgoingRules") == 0, peers, n);
    if (allow)
        check_parents(inquiry, where, direction, rule, &object);
    clauses_clear(&object);
    return 0;
}

static int check_ruleset(struct inquiry *inquiry)
{
    static const char *const directions[] = {"incomingRules", "outgoingRules"};
    struct sample sample;
    int r = clauses_read(inquiry->render, json_object_get(inquiry->object, "subject"),
                         &inquiry->subject);

    if (r == 0)
        subject_units(inquiry, 1, &sample);
    if (r == 0 && sample.n == 0 && !sample.gave_up)
        say(inquiry, "subject: selects no processing unit now");
    for (size_t d = 0; d < ARRAY_SIZE(directions) && r == 0; d++) {
        const json_t *rules = json_object_get(inquiry->object, directions[d]);

        for (size_t i = 0; i < json_array_size(rules) && r == 0; i++)
            r = check_rule(inquiry, directions[d], i, json_array_get(rules, i));
    }
    clauses_clear(&inquiry->subject);
    return r;
}

/* ---- External networks
 * ---------------------------------------------------------------------------- */

static const char *covered_address(const struct cidr_list *list, const struct enforcer *enforcer)
{
    for (size_t i = 0; i < json_array_size(enforcer->addresses); i++) {
        const char *text = json_string_value(json_array_get(enforcer->addresses, i));
        struct ip_prefix prefix;

        if (text && ip_prefix_parse(text, &prefix) == 0 && cidr_list_has(list, &prefix.addr))
            return text;
    }
    return NULL;
}

static int check_network(struct inquiry *inquiry)
{
    const json_t *entries = json_object_get(inquiry->object, "entries");
    struct cidr_list list = {0};
    struct enforcer *enforcer, *next;

    for (size_t i = 0; i < json_array_size(entries); i++) {
        const char *text = json_string_value(json_array_get(entries, i)), *problem;

        /* Names are not addresses: those are left out. */
        if (text)
            cidr_list_add(&list, text, &problem);
    }
    HASH_ITER(hh, inquiry->render->enforcers, enforcer, next)
    {
        const char *address = enforcer->units.n > 0 ? covered_address(&list, enforcer) : NULL;

        if (!address)
            continue;
        say(inquiry,
            "entries: hold %s, an address of known units; Allow rules do not let those in by "
            "address%s, Reject rules do reject them",
            address,
            json_is_true(json_object_get(inquiry->object, "matchProcessingUnits"))
                ? " but for matchProcessingUnits, which this network sets"
                : "");
        break;
    }
    cidr_list_clear(&list);
    return 0;
}

int render_warnings(struct render *render, const char *kind, const char *namespace,
                    const json_t *object, render_warn_fn *warn, void *context)
{
    struct inquiry inquiry = {
        .render = render,
        .object = object,
        .propagate = json_is_true(json_object_get(object, "propagate")),
        .warn = warn,
        .context = context,
    };
    int r = place_get(render, namespace, &inquiry.place);

    if (r < 0)
        return r;
    if (strcmp(kind, "networkrulesetpolicies") == 0)
        return check_ruleset(&inquiry);
    if (strcmp(kind, "externalnetworks") == 0)
        return check_network(&inquiry);
    return 0;
}
