/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "model/estate_internal.h"

static const struct node_field ruleset_fields[] = {
    FIELDS_OF_ALL_OBJECTS,
    {"subject", KIND_LIST, true},
    {"incomingRules", KIND_LIST | KIND_NONE, false},
    {"outgoingRules", KIND_LIST | KIND_NONE, false},
    {"propagate", KIND_BOOL, false},
    {"fallback", KIND_BOOL, false},
    {"disabled", KIND_BOOL, false},
};

static const struct node_field rule_fields[] = {
    {"name", KIND_STRING | KIND_NONE, false},
    {"action", KIND_STRING, true},
    {"object", KIND_LIST, true},
    /* Not null: half a line must not turn into "any". */
    {"protocolPorts", KIND_LIST, false},
    {"logsDisabled", KIND_BOOL, false},
    {"observationEnabled", KIND_BOOL, false},
    {"networks", KIND_LIST | KIND_NONE, false},
};

/* A thing of a list, sortable without losing its place. */
struct ref {
    const void *thing;
    size_t index;
};

int tag_set_compare(const struct tag_set *a, const struct tag_set *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        int r = strcmp(a->tags[i], b->tags[i]);

        if (r)
            return r;
    }
    return (a->n > b->n) - (a->n < b->n);
}

int tag_expr_compare(const struct tag_expr *a, const struct tag_expr *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        int r = tag_set_compare(&a->clauses[i], &b->clauses[i]);

        if (r)
            return r;
    }
    return (a->n > b->n) - (a->n < b->n);
}

int port_match_compare(const struct port_match *a, const struct port_match *b)
{
    if (a->any_protocol != b->any_protocol)
        return a->any_protocol ? -1 : 1;
    if (a->protocol != b->protocol)
        return (int)a->protocol - (int)b->protocol;
    if (a->low != b->low)
        return (int)a->low - (int)b->low;
    return (int)a->high - (int)b->high;
}

static int by_index(const struct ref *a, const struct ref *b)
{
    return (a->index > b->index) - (a->index < b->index);
}

static int compare_tags(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    int r = strcmp(x->thing, y->thing);

    return r ? r : by_index(x, y);
}

static int compare_clauses(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    int r = tag_set_compare(x->thing, y->thing);

    return r ? r : by_index(x, y);
}

static int compare_ports(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    int r = port_match_compare(x->thing, y->thing);

    return r ? r : by_index(x, y);
}

static int compare_rules(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    const struct model_rule *p = x->thing, *q = y->thing;
    int r = (int)p->action - (int)q->action;

    if (r == 0)
        r = tag_expr_compare(&p->object, &q->object);
    for (size_t i = 0; r == 0 && i < p->n_ports && i < q->n_ports; i++)
        r = port_match_compare(&p->ports[i], &q->ports[i]);
    if (r == 0)
        r = (p->n_ports > q->n_ports) - (p->n_ports < q->n_ports);
    return r ? r : by_index(x, y);
}

/* ---- Tags and expressions ---- */

static bool check_tag(struct reader *reader, const struct node *node, const struct path *path,
                      const char *prefix)
{
    const char *problem = "a string";

    if (node->kind == NODE_STRING)
        problem = tag_problem(node->text);
    if (problem) {
        check_error(&reader->check, node, path, "found %s, expected %s", described(node).text,
                    problem);
        return false;
    }
    if (strncmp(node->text, prefix, strlen(prefix)) != 0) {
        check_error(&reader->check, node, path, "found %s, expected a tag that starts with '%s'",
                    described(node).text, prefix);
        return false;
    }
    return true;
}

bool reader_tags(struct reader *reader, const struct node *list, const struct path *path,
                 const char *prefix, struct tag_set *ret)
{
    struct ref refs[MODEL_TAGS_PER_SET_MAX];
    struct tag_set set = {0};
    struct path here;
    bool ok = true;

    if (!reader_check_count(reader, list, path, MODEL_TAGS_PER_SET_MAX, "tags"))
        return false;
    for (size_t i = 0; i < list->n_children; i++) {
        here = PATH_INDEX(path, i);
        ok &= check_tag(reader, list->children[i], &here, prefix);
        refs[i] = (struct ref){list->children[i]->text, i};
    }
    if (!ok)
        return false;
    if (list->n_children > 1)
        qsort(refs, list->n_children, sizeof(*refs), compare_tags);
    set.tags = reader_alloc(reader, list->n_children, sizeof(*set.tags));
    if (!set.tags)
        return false;
    for (size_t i = 0; i < list->n_children; i++) {
        const struct node *node = list->children[refs[i].index];

        if (i > 0 && strcmp(refs[i - 1].thing, refs[i].thing) == 0) {
            here = PATH_INDEX(path, refs[i].index);
            check_error(&reader->check, node, &here, "found %s again, expected each tag once",
                        quoted(node->text).text);
            ok = false;
            continue;
        }
        set.tags[set.n++] = reader_keep(reader, node->text, node->text_len);
    }
    *ret = set;
    return ok;
}

static bool read_clause(struct reader *reader, const struct node *node, const struct path *path,
                        struct tag_set *ret)
{
    if (node->kind != NODE_LIST) {
        check_error(&reader->check, node, path, "found %s, expected a list of tags",
                    described(node).text);
        return false;
    }
    if (node->n_children == 0) {
        check_error(&reader->check, node, path, "found an empty list, expected at least one tag");
        return false;
    }
    return reader_tags(reader, node, path, "", ret);
}

/* Put the clauses into one order, so that equal expressions look equal; find those that are there
 * twice. */
static bool sort_clauses(struct reader *reader, const struct node *node, const struct path *path,
                         bool unique, struct tag_expr *expr)
{
    struct ref refs[MODEL_CLAUSES_MAX];
    struct tag_set *sorted;
    bool ok = true;

    for (size_t i = 0; i < expr->n; i++)
        refs[i] = (struct ref){&expr->clauses[i], i};
    qsort(refs, expr->n, sizeof(*refs), compare_clauses);
    sorted = reader_alloc(reader, expr->n, sizeof(*sorted));
    if (!sorted)
        return false;
    for (size_t i = 0; i < expr->n; i++) {
        struct path here = PATH_INDEX(path, refs[i].index);

        sorted[i] = *(const struct tag_set *)refs[i].thing;
        if (!unique || i == 0 || tag_set_compare(&sorted[i - 1], &sorted[i]) != 0)
            continue;
        check_error(&reader->check, node->children[refs[i].index], &here,
                    "found the same clause as at index %zu, expected each clause once",
                    refs[i - 1].index);
        ok = false;
    }
    expr->clauses = sorted;
    return ok;
}

bool reader_expr(struct reader *reader, const struct node *node, const struct path *path,
                 bool unique_clauses, struct tag_expr *ret)
{
    struct tag_expr expr = {.n = node->n_children};
    bool ok = true;

    if (node->n_children == 0) {
        check_error(&reader->check, node, path,
                    "found an empty list, expected at least one list of tags");
        return false;
    }
    if (!reader_check_count(reader, node, path, MODEL_CLAUSES_MAX, "clauses"))
        return false;
    expr.clauses = reader_alloc(reader, expr.n, sizeof(*expr.clauses));
    if (!expr.clauses)
        return false;
    for (size_t i = 0; i < expr.n; i++) {
        struct path here = PATH_INDEX(path, i);

        ok &= read_clause(reader, node->children[i], &here, &expr.clauses[i]);
    }
    if (ok && expr.n > 1)
        ok = sort_clauses(reader, node, path, unique_clauses, &expr);
    *ret = expr;
    return ok;
}

/* ---- Ports ---- */

struct port_list {
    struct port_match *matches;
    struct ref *refs;
    size_t n;
};

static void port_list_clear(struct port_list *list)
{
    free(list->matches);
    free(list->refs);
}

static bool read_port(struct reader *reader, const struct node *node, const struct path *path,
                      struct port_match matches[PORT_TEXT_MATCHES_MAX], size_t *ret_n)
{
    const char *problem = "a string";

    if (node->kind != NODE_STRING || port_match_parse(node->text, matches, ret_n, &problem) < 0) {
        check_error(&reader->check, node, path, "found %s, expected %s", described(node).text,
                    problem);
        return false;
    }
    return true;
}

static bool sort_ports(struct reader *reader, const struct node *node, const struct path *path,
                       struct port_list *list, struct port_match *ret)
{
    bool ok = true;

    for (size_t i = 0; i < list->n; i++)
        list->refs[i].thing = &list->matches[i];
    qsort(list->refs, list->n, sizeof(*list->refs), compare_ports);
    for (size_t i = 0; i < list->n; i++) {
        struct path here = PATH_INDEX(path, list->refs[i].index);

        ret[i] = *(const struct port_match *)list->refs[i].thing;
        if (i == 0 || port_match_compare(&ret[i - 1], &ret[i]) != 0)
            continue;
        check_error(&reader->check, node->children[here.index], &here,
                    "found %s again, expected each entry once",
                    described(node->children[here.index]).text);
        ok = false;
    }
    return ok;
}

/* All entries into `list`; false after an error was added. */
static bool collect_ports(struct reader *reader, const struct node *node, const struct path *path,
                          struct port_list *list)
{
    struct port_match matches[PORT_TEXT_MATCHES_MAX];
    bool ok = true;

    for (size_t i = 0; i < node->n_children; i++) {
        struct path here = PATH_INDEX(path, i);
        size_t n = 0;

        if (!read_port(reader, node->children[i], &here, matches, &n)) {
            ok = false;
            continue;
        }
        if (matches[0].any_protocol && node->n_children > 1) {
            check_error(&reader->check, node->children[i], &here,
                        "found 'any' beside others, expected it alone");
            return false;
        }
        if (list->n + n > MODEL_PORTS_PER_RULE_MAX) {
            check_error(
                &reader->check, node, path,
                "found more than %d ports, ranges and ICMP codes, expected at most that many",
                MODEL_PORTS_PER_RULE_MAX);
            return false;
        }
        for (size_t j = 0; j < n; j++, list->n++) {
            if (array_grow(&list->matches, list->n, sizeof(*list->matches)) < 0 ||
                array_grow(&list->refs, list->n, sizeof(*list->refs)) < 0) {
                reader->builder->error = -ENOMEM;
                return false;
            }
            list->matches[list->n] = matches[j];
            list->refs[list->n].index = i;
        }
    }
    return ok;
}

bool reader_ports(struct reader *reader, const struct node *node, const struct path *path,
                  struct port_match **ret, size_t *ret_n)
{
    _cleanup_(port_list_clear) struct port_list list = {0};
    struct port_match *ports;
    bool ok;

    if (node && !reader_check_count(reader, node, path, MODEL_PORTS_PER_RULE_MAX, "entries"))
        return false;
    if (node && !collect_ports(reader, node, path, &list))
        return false;
    ports = reader_alloc(reader, MAX(list.n, (size_t)1), sizeof(*ports));
    if (!ports)
        return false;
    ports[0] = (struct port_match){.any_protocol = true, .high = UINT16_MAX};
    ok = list.n == 0 || sort_ports(reader, node, path, &list, ports);
    *ret = ports;
    *ret_n = MAX(list.n, (size_t)1);
    return ok;
}

/* ---- Rules and rulesets ---- */

static bool read_rule(struct reader *reader, const struct node *map, const struct path *path,
                      struct model_rule *rule)
{
    static const char *const actions[] = {"Allow", "Reject"};
    static const char *const unused[] = {"networks"};
    const struct node *name;
    struct path here = PATH_KEY(path, "name");
    bool ok = true;
    int action;

    if (!check_map(&reader->check, map, path, rule_fields, ARRAY_SIZE(rule_fields)))
        return false;
    name = reader_get(map, "name");
    if (name)
        ok = check_text(&reader->check, name, &here, 0, MODEL_RULE_NAME_MAX);
    rule->name = reader_keep(reader, name ? name->text : "", name ? name->text_len : 0);
    here = PATH_KEY(path, "action");
    action =
        check_word(&reader->check, node_get(map, "action"), &here, actions, ARRAY_SIZE(actions));
    rule->action = action == 1 ? MODEL_ACTION_REJECT : MODEL_ACTION_ALLOW;
    here = PATH_KEY(path, "object");
    ok &= reader_expr(reader, node_get(map, "object"), &here, true, &rule->object);
    here = PATH_KEY(path, "protocolPorts");
    ok &= reader_ports(reader, node_get(map, "protocolPorts"), &here, &rule->ports, &rule->n_ports);
    rule->logs_disabled = reader_flag(map, "logsDisabled");
    rule->observation = reader_flag(map, "observationEnabled");
    rule->position = (struct model_position){reader->file, map->line};
    reader_warn_unused(reader, map, path, unused, ARRAY_SIZE(unused));
    return ok && action >= 0;
}

/* Two rules of one list may not be equal in what they say. */
static void check_rules(struct reader *reader, const struct node *list, const struct path *path,
                        const struct model_rule *rules)
{
    _cleanup_free_
    struct ref *refs = malloc(list->n_children * sizeof(*refs));

    if (!refs) {
        reader->builder->error = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < list->n_children; i++)
        refs[i] = (struct ref){&rules[i], i};
    qsort(refs, list->n_children, sizeof(*refs), compare_rules);
    for (size_t i = 1, first = 0; i < list->n_children; i++) {
        struct path here = PATH_INDEX(path, refs[i].index);
        struct ref other = {refs[first].thing, refs[i].index};

        /* Compared as if at the same place, so that only the content counts. */
        if (compare_rules(&other, &refs[i]) != 0) {
            first = i;
            continue;
        }
        check_error(&reader->check, list->children[refs[i].index], &here,
                    "found the same action, object and ports as at index %zu (line %u), expected "
                    "each rule once",
                    refs[first].index, rules[refs[first].index].position.line);
    }
}

static void read_rules(struct reader *reader, const struct node *map, const char *key,
                       const struct path *path, struct model_rule **ret, size_t *ret_n)
{
    const struct node *list = reader_get(map, key);
    struct path here = PATH_KEY(path, key);
    struct model_rule *rules;
    bool ok = true;

    if (!list || !reader_check_count(reader, list, &here, MODEL_RULES_PER_RULESET_MAX, "rules"))
        return;
    rules = reader_alloc(reader, list->n_children, sizeof(*rules));
    if (!rules)
        return;
    for (size_t i = 0; i < list->n_children && !reader->builder->error; i++) {
        struct path item = PATH_INDEX(&here, i);

        ok &= read_rule(reader, list->children[i], &item, &rules[i]);
    }
    if (ok && !reader->builder->error && list->n_children > 1)
        check_rules(reader, list, &here, rules);
    *ret = rules;
    *ret_n = list->n_children;
}

void reader_read_ruleset(struct reader *reader, const struct node *map, const struct path *path)
{
    struct estate_builder *builder = reader->builder;
    size_t errors = reader->check.diagnostics->n_errors;
    struct built_ruleset built = {.origin = reader_origin(reader, map, path)};
    struct model_ruleset *object = &built.object;
    struct path here = PATH_KEY(path, "name");
    const struct node *name;

    if (!check_map(&reader->check, map, path, ruleset_fields, ARRAY_SIZE(ruleset_fields)))
        return;
    name = node_get(map, "name");
    check_text(&reader->check, name, &here, 1, MODEL_NAME_MAX);
    object->name = reader_keep(reader, name->text, name->text_len);
    object->namespace = reader_namespace(reader, map, path);
    object->propagate = reader_flag(map, "propagate");
    object->fallback = reader_flag(map, "fallback");
    object->disabled = reader_flag(map, "disabled");
    object->position = (struct model_position){reader->file, map->line};
    reader_common(reader, map, path, NULL);
    here = PATH_KEY(path, "subject");
    reader_expr(reader, node_get(map, "subject"), &here, false, &object->subject);
    read_rules(reader, map, "incomingRules", path, &object->rules[MODEL_DIRECTION_IN],
               &object->n_rules[MODEL_DIRECTION_IN]);
    read_rules(reader, map, "outgoingRules", path, &object->rules[MODEL_DIRECTION_OUT],
               &object->n_rules[MODEL_DIRECTION_OUT]);
    if (reader->check.diagnostics->n_errors > errors || builder->error)
        return;
    builder->error = array_grow(&builder->rulesets, builder->n_rulesets, sizeof(built));
    if (builder->error == 0)
        builder->rulesets[builder->n_rulesets++] = built;
}
