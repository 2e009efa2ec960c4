/* SPDX-License-Identifier: Apache-2.0 */
#include "console/render_internal.h"

/* The rendered policy as the API shows it, also for tags that do not exist yet. */

static int compare_rulesets(const void *a, const void *b)
{
    const struct ruleset *x = *(struct ruleset *const *)a, *y = *(struct ruleset *const *)b;
    unsigned dx = namespace_depth(x->place->name), dy = namespace_depth(y->place->name);
    int order;

    if (dx != dy)
        return dx < dy ? -1 : 1;
    order = strcmp(x->place->name, y->place->name);
    return order != 0 ? order : strcmp(x->id, y->id);
}

/* External networks in scope that a rule's object matches. */
static int rule_networks(struct render *render, const struct place *place, const json_t *object,
                         json_t *list)
{
    struct clauses clauses = {0};
    int r = clauses_read(render, object, &clauses);

    for (const struct place *at = place; at && r == 0; at = at->parent) {
        for (size_t i = 0; i < at->networks.n && r == 0; i++) {
            const struct network *network = at->networks.v[i];
            _cleanup_tag_set_ struct tag_set tags = {0};
            _cleanup_free_
            struct label **labels = NULL;
            size_t n = 0;

            if (at != place && !network->propagate)
                continue;
            r = network_tags(network, &tags);
            if (r == 0)
                r = labels_of(render, &tags, false, &labels, &n);
            if (r == 0 && clauses_match(&clauses, labels, n))
                json_array_append_new(list, json_pack("{s:s, s:s, s:O*}", "ID", network->id,
                                                      "namespace", at->name, "entries",
                                                      json_object_get(network->body, "entries")));
        }
    }
    clauses_clear(&clauses);
    return r;
}

static int add_tags(struct tag_set *tags, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        int r = text ? tag_set_add(tags, text) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

int network_tags(const struct network *network, struct tag_set *ret)
{
    const char *name = json_string_value(json_object_get(network->body, "name"));
    int r = add_tags(ret, json_object_get(network->body, "associatedTags"));

    if (r == 0)
        r = add_tags(ret, json_object_get(network->body, "metadata"));
    if (r == 0)
        r = tag_set_add(ret, "$identity=externalnetwork");
    if (r == 0)
        r = tag_set_addf(ret, "$namespace=%s", network->place->name);
    if (r == 0 && name)
        r = tag_set_addf(ret, "$name=%s", name);
    return r;
}

static int rules_show(struct render *render, const struct place *place, const json_t *rules,
                      json_t **ret)
{
    json_t *shown = rules ? json_deep_copy(rules) : json_array();
    int r = shown ? 0 : -ENOMEM;

    for (size_t i = 0; i < json_array_size(shown) && r == 0; i++) {
        json_t *rule = json_array_get(shown, i), *networks = json_array();

        r = networks ? rule_networks(render, place, json_object_get(rule, "object"), networks)
                     : -ENOMEM;
        json_object_set_new(rule, "networks", networks);
    }
    if (r < 0) {
        json_decref(shown);
        return r;
    }
    *ret = shown;
    return 0;
}

static int ruleset_show(struct render *render, const struct place *place,
                        const struct ruleset *ruleset, json_t *list)
{
    _cleanup_(json_decrefp) json_t *body = ruleset_parse(ruleset);
    json_t *incoming = NULL, *outgoing = NULL, *shown;
    int r = body ? rules_show(render, place, json_object_get(body, "incomingRules"), &incoming)
                 : -ENOMEM;

    if (r == 0)
        r = rules_show(render, place, json_object_get(body, "outgoingRules"), &outgoing);
    if (r < 0) {
        json_decref(incoming);
        return r;
    }
    shown = json_pack("{s:O*, s:s, s:s, s:b, s:O*, s:{s:{s:o, s:o}}}", "name",
                      json_object_get(body, "name"), "ID", ruleset->id, "policyNamespace",
                      ruleset->place->name, "propagated", ruleset->place != place, "tagClauses",
                      json_object_get(body, "subject"), "action", "rules", "incoming", incoming,
                      "outgoing", outgoing);
    return shown ? json_array_append_new(list, shown) : -ENOMEM;
}

static json_t *wire_tags(struct render *render, const char *namespace, const struct tag_set *tags)
{
    _cleanup_tag_set_ struct tag_set kept = {0};
    json_t *list = json_array();

    if (render_identity_tags(render, namespace, tags, &kept) < 0)
        return list;
    for (size_t i = 0; i < kept.n; i++)
        json_array_append_new(list, json_string(kept.tags[i]));
    return list;
}

int render_policy(struct render *render, const char *namespace, const struct tag_set *tags,
                  json_t **ret)
{
    _cleanup_pointers_ struct pointers rulesets = {0};
    _cleanup_free_
    struct label **labels = NULL;
    json_t *list = json_array();
    struct place *place;
    size_t n = 0;
    int r;

    r = list ? place_get(render, namespace, &place) : -ENOMEM;
    if (r == 0)
        r = labels_of(render, tags, true, &labels, &n);
    if (r == 0)
        r = rulesets_for(render, place, labels, n, &rulesets);
    if (r == 0 && rulesets.n > 1)
        qsort(rulesets.v, rulesets.n, sizeof(void *), compare_rulesets);
    for (size_t i = 0; i < rulesets.n && r == 0; i++)
        r = ruleset_show(render, place, rulesets.v[i], list);
    if (r < 0) {
        json_decref(list);
        return r;
    }
    *ret = json_pack("{s:s, s:s, s:o, s:o, s:i}", "defaultPUIncomingTrafficAction",
                     place_default(place, "defaultPUIncomingTrafficAction"),
                     "defaultPUOutgoingTrafficAction",
                     place_default(place, "defaultPUOutgoingTrafficAction"), "ruleSetPolicies",
                     list, "wireTags", wire_tags(render, namespace, tags), "rendererVersion", 2);
    return *ret ? 0 : -ENOMEM;
}
