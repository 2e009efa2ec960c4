/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Likely mistakes. Two clauses "can meet" when one processing unit could carry all tags of both:
 * for every key that both name they share a value. Anything else about processing units is unknown
 * here.
 */
#include "cli/lint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "cli/lint_index.h"

struct tag_entry {
    const char *tag; /* in the estate */
    UT_hash_handle hh;
};

struct lint {
    const struct estate *estate;
    struct diagnostics *diagnostics;
    struct tag_entry *known;     /* tags that a subject or a network mentions */
    struct lint_index *subjects; /* clauses of subjects; items are rulesets */
    struct lint_index *networks; /* tags of networks; items are networks */
    size_t comparisons;
    bool out_of_memory;
};

/* One rule under examination. */
struct examined {
    const struct model_ruleset *ruleset;
    const struct model_rule *rule;
    enum model_direction direction;
    size_t index;
};

static enum model_direction opposite(enum model_direction direction)
{
    return direction == MODEL_DIRECTION_IN ? MODEL_DIRECTION_OUT : MODEL_DIRECTION_IN;
}

static const char *rules_field(enum model_direction direction)
{
    return direction == MODEL_DIRECTION_IN ? "incomingRules" : "outgoingRules";
}

static void warn(struct lint *lint, const struct examined *at, const char *message)
{
    char path[MODEL_NAME_MAX * 4 + 64];

    snprintf(path, sizeof(path), "networkrulesetpolicies[name=%s].%s[%zu]", at->ruleset->name,
             rules_field(at->direction), at->index);
    diagnostics_add(lint->diagnostics, DIAGNOSTIC_WARNING, at->rule->position.file,
                    at->rule->position.line, 0, path, "%s", message);
}

/* ---- Known tags -------------------------------------------------------------------------------
 */

static void learn_tag(struct lint *lint, const char *tag)
{
    struct tag_entry *entry;

    HASH_FIND_STR(lint->known, tag, entry);
    if (entry)
        return;
    entry = calloc(1, sizeof(*entry));
    if (!entry) {
        lint->out_of_memory = true;
        return;
    }
    entry->tag = tag;
    HASH_ADD_KEYPTR(hh, lint->known, entry->tag, strlen(entry->tag), entry);
}

static void learn_set(struct lint *lint, const struct tag_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        learn_tag(lint, set->tags[i]);
}

static void learn_network(struct lint *lint, size_t i)
{
    const struct tag_set *tags = &lint->estate->networks[i].tags;

    learn_set(lint, tags);
    if (lint_index_add(lint->networks, tags, i) < 0)
        lint->out_of_memory = true;
}

static void learn_ruleset(struct lint *lint, size_t i)
{
    const struct tag_expr *subject = &lint->estate->rulesets[i].subject;

    for (size_t c = 0; c < subject->n; c++) {
        learn_set(lint, &subject->clauses[c]);
        if (lint_index_add(lint->subjects, &subject->clauses[c], i) < 0)
            lint->out_of_memory = true;
    }
}

static void learn_estate(struct lint *lint)
{
    learn_tag(lint, "$identity=processingunit");
    learn_tag(lint, "$identity=externalnetwork");
    for (size_t i = 0; i < lint->estate->n_networks; i++)
        learn_network(lint, i);
    for (size_t i = 0; i < lint->estate->n_rulesets; i++)
        learn_ruleset(lint, i);
}

static void forget_tags(struct lint *lint)
{
    struct tag_entry *entry, *next;

    HASH_ITER(hh, lint->known, entry, next)
    {
        HASH_DEL(lint->known, entry);
        free(entry);
    }
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* A namespace that these files name, or one that they lie in. */
static bool is_known_namespace(const struct estate *estate, const char *name)
{
    for (size_t i = 0; i < estate->n_namespaces; i++)
        if (namespace_is_within(name, estate->namespaces[i].name))
            return true;
    for (size_t i = 0; i < estate->n_rulesets; i++)
        if (namespace_is_within(name, estate->rulesets[i].namespace))
            return true;
    return false;
}

/* $name, $type, $id … come from the processing units themselves. */
static bool is_known_tag(struct lint *lint, const char *tag)
{
    struct tag_entry *entry;

    HASH_FIND_STR(lint->known, tag, entry);
    if (entry)
        return true;
    if (!starts_with(tag, "$namespace="))
        return tag[0] == '$' && !starts_with(tag, "$identity=");
    if (!is_known_namespace(lint->estate, strchr(tag, '=') + 1))
        return false;
    learn_tag(lint, tag); /* looking for it once is enough */
    return true;
}

/* @return whether all tags of the clause are known */
static bool check_tags(struct lint *lint, const struct examined *at, const struct tag_set *clause)
{
    bool known = true;

    for (size_t i = 0; i < clause->n; i++) {
        char message[MODEL_TAG_BYTES_MAX + 128];

        if (is_known_tag(lint, clause->tags[i]))
            continue;
        snprintf(message, sizeof(message),
                 "found object tag %s, which no subject, network or namespace here mentions",
                 clause->tags[i]);
        warn(lint, at, message);
        known = false;
    }
    return known;
}

/* ---- Opposite sides ---------------------------------------------------------------------------
 */

static bool key_can_meet(const char *tag, const struct tag_set *other)
{
    size_t len = lint_key_len(tag);
    bool named = false;

    for (size_t i = 0; i < other->n; i++) {
        if (strncmp(other->tags[i], tag, len) != 0)
            continue;
        if (strcmp(other->tags[i] + len, tag + len) == 0)
            return true;
        named = true;
    }
    return !named;
}

/* Per key one shared value is enough, so a tag without a partner may have a sister with one. */
static bool can_meet(struct lint *lint, const struct tag_set *a, const struct tag_set *b)
{
    lint->comparisons++;
    for (size_t i = 0; i < a->n; i++) {
        size_t len = lint_key_len(a->tags[i]);
        bool meets = false;

        for (size_t j = 0; j < a->n && !meets; j++)
            meets = strncmp(a->tags[j], a->tags[i], len) == 0 && key_can_meet(a->tags[j], b);
        if (!meets)
            return false;
    }
    return true;
}

/* The value of a clause's $namespace; NULL: any. */
static const char *clause_namespace(const struct tag_set *clause)
{
    for (size_t i = 0; i < clause->n; i++)
        if (starts_with(clause->tags[i], "$namespace="))
            return strchr(clause->tags[i], '=') + 1;
    return NULL;
}

/* Can the ruleset act on a processing unit that the clause selects? */
static bool can_act_on(const struct model_ruleset *ruleset, const struct tag_set *clause)
{
    const char *namespace = clause_namespace(clause);

    if (!namespace || strcmp(namespace, ruleset->namespace) == 0)
        return true;
    return ruleset->propagate && namespace_is_within(ruleset->namespace, namespace);
}

static bool any_clause_meets(struct lint *lint, const struct tag_expr *expr,
                             const struct tag_set *clause)
{
    for (size_t i = 0; i < expr->n; i++)
        if (can_meet(lint, &expr->clauses[i], clause))
            return true;
    return false;
}

/* Can the rule's object select a processing unit that `ruleset` acts on? */
static bool object_meets_subject(struct lint *lint, const struct model_rule *rule,
                                 const struct model_ruleset *ruleset)
{
    for (size_t i = 0; i < rule->object.n; i++)
        if (can_act_on(ruleset, &rule->object.clauses[i]) &&
            any_clause_meets(lint, &ruleset->subject, &rule->object.clauses[i]))
            return true;
    return false;
}

static bool ports_overlap(const struct model_rule *a, const struct model_rule *b)
{
    for (size_t i = 0; i < a->n_ports; i++) {
        for (size_t j = 0; j < b->n_ports; j++) {
            const struct port_match *x = &a->ports[i], *y = &b->ports[j];

            if (x->any_protocol || y->any_protocol)
                return true;
            if (x->protocol == y->protocol && x->low <= y->high && y->low <= x->high)
                return true;
        }
    }
    return false;
}

static bool is_live_allow(const struct model_rule *rule)
{
    return rule->action == MODEL_ACTION_ALLOW && !rule->observation;
}

static bool ruleset_answers(struct lint *lint, const struct examined *at,
                            const struct tag_set *clause, const struct model_ruleset *other)
{
    enum model_direction direction = opposite(at->direction);

    if (other->disabled || other->n_rules[direction] == 0 || !can_act_on(other, clause) ||
        !any_clause_meets(lint, &other->subject, clause))
        return false;
    for (size_t i = 0; i < other->n_rules[direction]; i++) {
        const struct model_rule *rule = &other->rules[direction][i];

        if (is_live_allow(rule) && ports_overlap(rule, at->rule) &&
            object_meets_subject(lint, rule, at->ruleset))
            return true;
        if (lint->comparisons > LINT_COMPARISONS_MAX)
            return true;
    }
    return false;
}

/* Does a default action here let the other side through without any rule? */
static bool default_answers(const struct lint *lint, enum model_direction direction,
                            const struct tag_set *clause)
{
    const char *namespace = clause_namespace(clause);

    for (size_t i = 0; i < lint->estate->n_namespaces; i++) {
        const struct model_namespace *at = &lint->estate->namespaces[i];

        if (at->defaults[direction] == MODEL_ACTION_ALLOW &&
            (!namespace || namespace_is_within(at->name, namespace)))
            return true;
    }
    return false;
}

/* What is looked for in an index, on behalf of which rule. */
struct search {
    struct lint *lint;
    const struct examined *at;
    const struct tag_set *clause;
};

static bool try_ruleset(void *arg, size_t item)
{
    const struct search *search = arg;
    struct lint *lint = search->lint;

    return lint->comparisons > LINT_COMPARISONS_MAX ||
           ruleset_answers(lint, search->at, search->clause, &lint->estate->rulesets[item]);
}

static bool try_network(void *arg, size_t item)
{
    const struct search *search = arg;

    return tag_set_has_all(&search->lint->estate->networks[item].tags, search->clause);
}

static bool is_answered(struct search *search)
{
    struct lint *lint = search->lint;

    return default_answers(lint, opposite(search->at->direction), search->clause) ||
           lint_index_meets(lint->subjects, search->clause, try_ruleset, search);
}

static bool selects_network(struct search *search)
{
    const struct tag_set *clause = search->clause;

    return tag_set_has(clause, "$identity=externalnetwork") ||
           lint_index_has(search->lint->networks, clause->tags[0], try_network, search);
}

static void check_opposite(struct lint *lint, const struct examined *at,
                           const struct tag_set *clause)
{
    struct search search = {lint, at, clause};
    const struct tag_expr expr = {.clauses = (struct tag_set *)clause, .n = 1};
    _cleanup_free_
    char *text = NULL, *subject = NULL, *message = NULL;
    bool out = at->direction == MODEL_DIRECTION_OUT;

    if (selects_network(&search) || is_answered(&search))
        return;
    text = tag_expr_format(&expr);
    subject = tag_expr_format(&at->ruleset->subject);
    if (!text || !subject ||
        asprintf(&message,
                 "found an Allow without its opposite side, expected a ruleset here that lets %s "
                 "%s %s on these ports",
                 text, out ? "receive from" : "send to", subject) < 0) {
        lint->out_of_memory = true;
        return;
    }
    warn(lint, at, message);
}

static void check_rule(struct lint *lint, const struct examined *at)
{
    for (size_t i = 0; i < at->rule->object.n; i++) {
        const struct tag_set *clause = &at->rule->object.clauses[i];

        if (check_tags(lint, at, clause) && is_live_allow(at->rule) &&
            lint->comparisons <= LINT_COMPARISONS_MAX)
            check_opposite(lint, at, clause);
    }
}

static void check_ruleset(struct lint *lint, const struct model_ruleset *ruleset)
{
    for (int d = MODEL_DIRECTION_IN; d <= MODEL_DIRECTION_OUT; d++) {
        for (size_t i = 0; i < ruleset->n_rules[d]; i++) {
            const struct examined at = {ruleset, &ruleset->rules[d][i], d, i};

            check_rule(lint, &at);
        }
    }
}

static int look_through(struct lint *lint)
{
    const struct estate *estate = lint->estate;

    learn_estate(lint);
    for (size_t i = 0; i < estate->n_rulesets && !lint->out_of_memory; i++)
        if (!estate->rulesets[i].disabled)
            check_ruleset(lint, &estate->rulesets[i]);
    if (lint->comparisons > LINT_COMPARISONS_MAX)
        diagnostics_add(lint->diagnostics, DIAGNOSTIC_WARNING, NULL, 0, 0, NULL,
                        "found too many rules to look for the opposite side of each, expected at "
                        "most %u comparisons; stopped there",
                        LINT_COMPARISONS_MAX);
    return lint->out_of_memory ? -ENOMEM : 0;
}

int lint_estate(const struct estate *estate, struct diagnostics *diagnostics)
{
    _cleanup_lint_index_ struct lint_index *subjects = NULL, *networks = NULL;
    struct lint lint = {.estate = estate, .diagnostics = diagnostics};
    int r = lint_index_new(&subjects);

    if (r == 0)
        r = lint_index_new(&networks);
    if (r < 0)
        return r;
    lint.subjects = subjects;
    lint.networks = networks;
    r = look_through(&lint);
    forget_tags(&lint);
    return r;
}
