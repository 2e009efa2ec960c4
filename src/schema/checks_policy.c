/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "model/model.h"
#include "schema/internal.h"

/*
 * What lists, expressions and rules must be as a whole. The same rules as the readers of policy
 * files have (model, docs/formats/policy.md), by the same functions where there are any: what the
 * Console takes, an Enforcer can read.
 */

/* A thing of a list by something that equal ones have in common. */
struct ref {
    const char *text;
    uint64_t hash;
    struct port_match match;
    struct ip_prefix prefix;
    size_t index;
};

static struct ref *refs_new(size_t n, struct schema_problems *problems)
{
    struct ref *refs = calloc(n ? n : 1, sizeof(*refs));

    if (!refs)
        schema_problem_add(problems, "", "found too much, expected less: no memory left");
    return refs;
}

static int by_index(const struct ref *a, const struct ref *b)
{
    return (a->index > b->index) - (a->index < b->index);
}

static int compare_texts(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    int r = strcmp(x->text, y->text);

    return r ? r : by_index(x, y);
}

static int compare_hashes(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;

    return x->hash != y->hash ? (x->hash > y->hash ? 1 : -1) : by_index(x, y);
}

static int compare_prefixes(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    int r = ip_prefix_compare(&x->prefix, &y->prefix);

    return r ? r : by_index(x, y);
}

static int match_order(const struct port_match *a, const struct port_match *b)
{
    if (a->any_protocol != b->any_protocol)
        return a->any_protocol ? -1 : 1;
    if (a->protocol != b->protocol)
        return (int)a->protocol - (int)b->protocol;
    if (a->low != b->low)
        return (int)a->low - (int)b->low;
    return (int)a->high - (int)b->high;
}

static int compare_matches(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    int r = match_order(&x->match, &y->match);

    return r ? r : by_index(x, y);
}

static void report_at(struct schema_problems *problems, size_t index, const json_t *value,
                      const char *text)
{
    _cleanup_buf_ struct buf found = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);
    struct schema_path here = {.index = index};

    schema_found(&found, value);
    schema_report(problems, &here, "found %s%s", found.data ? found.data : "a value", text);
}

/* ---- Strings ---- */

/* Small lists are the rule: no memory for them. */
static bool unique_few(const json_t *list, struct schema_problems *problems)
{
    bool ok = true;

    for (size_t i = 1; i < json_array_size(list); i++)
        for (size_t j = 0; j < i; j++) {
            if (strcmp(json_string_value(json_array_get(list, i)),
                       json_string_value(json_array_get(list, j))) != 0)
                continue;
            report_at(problems, i, json_array_get(list, i), " again, expected each one once");
            ok = false;
            break;
        }
    return ok;
}

bool schema_whole_unique(const json_t *list, struct schema_problems *problems)
{
    size_t n = json_array_size(list);
    _cleanup_free_
    struct ref *refs = NULL;
    bool ok = true;

    if (n <= 16)
        return unique_few(list, problems);
    refs = refs_new(n, problems);
    if (!refs)
        return false;
    for (size_t i = 0; i < n; i++)
        refs[i] = (struct ref){.text = json_string_value(json_array_get(list, i)), .index = i};
    qsort(refs, n, sizeof(*refs), compare_texts);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(refs[i - 1].text, refs[i].text) != 0)
            continue;
        report_at(problems, refs[i].index, json_array_get(list, refs[i].index),
                  " again, expected each one once");
        ok = false;
    }
    return ok;
}

/* ---- Networks ---- */

struct networks {
    struct cidr_list cidrs;
    struct ref *refs, *holes; /* of the CIDRs and of those that are holes, in written order */
    size_t n, n_holes;
};

static void networks_clear(struct networks *networks)
{
    cidr_list_clear(&networks->cidrs);
    free(networks->refs);
    free(networks->holes);
}

static bool collect_cidr(struct networks *networks, const char *text, size_t index,
                         struct schema_problems *problems)
{
    struct ref ref = {.index = index};
    const char *problem;

    if (cidr_list_add(&networks->cidrs, text, &problem) < 0 ||
        ip_prefix_parse(text + (*text == '!'), &ref.prefix) < 0) {
        schema_problem_add(problems, "", "found too much, expected less: no memory left");
        return false;
    }
    if (*text == '!')
        networks->holes[networks->n_holes++] = ref;
    networks->refs[networks->n++] = ref;
    return true;
}

/* A CIDR stands once in a list, be it included or a hole; holes lie inside a larger one. */
static bool check_cidrs(struct networks *networks, const json_t *list,
                        struct schema_problems *problems)
{
    const char *problem;
    bool ok = true;
    size_t at = 0;

    problem = cidr_list_problem(&networks->cidrs, &at);
    if (problem) {
        struct schema_path here = {.index = networks->holes[at].index};

        schema_report(problems, &here, "found '%.80s', expected %s",
                      json_string_value(json_array_get(list, here.index)), problem);
        ok = false;
    }
    qsort(networks->refs, networks->n, sizeof(*networks->refs), compare_prefixes);
    for (size_t i = 1; i < networks->n; i++) {
        if (ip_prefix_compare(&networks->refs[i - 1].prefix, &networks->refs[i].prefix) != 0)
            continue;
        report_at(problems, networks->refs[i].index, json_array_get(list, networks->refs[i].index),
                  " again, expected each network once");
        ok = false;
    }
    return ok;
}

static int compare_names(const void *a, const void *b)
{
    const struct ref *x = a, *y = b;
    int r = strcasecmp(x->text, y->text);

    return r ? r : by_index(x, y);
}

static bool check_names(struct ref *names, size_t n, const json_t *list,
                        struct schema_problems *problems)
{
    bool ok = true;

    qsort(names, n, sizeof(*names), compare_names);
    for (size_t i = 1; i < n; i++) {
        if (strcasecmp(names[i - 1].text, names[i].text) != 0)
            continue;
        report_at(problems, names[i].index, json_array_get(list, names[i].index),
                  " again, expected each name once");
        ok = false;
    }
    return ok;
}

bool schema_whole_entries(const json_t *list, struct schema_problems *problems)
{
    _cleanup_(networks_clear) struct networks networks = {0};
    _cleanup_free_
    struct ref *names = NULL;
    size_t n = json_array_size(list), n_names = 0;
    bool ok = true;

    names = refs_new(n, problems);
    networks.refs = refs_new(n, problems);
    networks.holes = refs_new(n, problems);
    if (!names || !networks.refs || !networks.holes)
        return false;
    for (size_t i = 0; ok && i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (cidr_is_meant(text))
            ok = collect_cidr(&networks, text, i, problems);
        else
            names[n_names++] = (struct ref){.text = text, .index = i};
    }
    if (!ok)
        return false;
    ok = check_cidrs(&networks, list, problems);
    return check_names(names, n_names, list, problems) && ok;
}

/* The same without domain names, which the check of each text has refused. */
bool schema_whole_networks(const json_t *list, struct schema_problems *problems)
{
    return schema_whole_entries(list, problems);
}

bool schema_check_entry(const json_t *value, struct buf *problem)
{
    const char *text = json_string_value(value), *expected;

    if (cidr_is_meant(text))
        return schema_check_network(value, problem);
    expected = fqdn_problem(text);
    if (expected)
        buf_printf(problem, "a CIDR or %s", expected);
    return !expected;
}

/* ---- Ports ---- */

bool schema_check_port(const json_t *value, struct buf *problem)
{
    struct port_match matches[PORT_TEXT_MATCHES_MAX];
    const char *expected = "a port";
    size_t n;

    if (port_match_parse(json_string_value(value), matches, &n, &expected) == 0)
        return true;
    buf_puts(problem, expected);
    return false;
}

struct port_list {
    struct ref *refs;
    size_t n;
    bool any;
};

/* False: too many. */
static bool collect_ports(const json_t *list, struct port_list *ports)
{
    struct port_match matches[PORT_TEXT_MATCHES_MAX];
    const char *problem;

    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t n = 0;

        if (port_match_parse(json_string_value(json_array_get(list, i)), matches, &n, &problem) < 0)
            return false;
        if (ports->n + n > MODEL_PORTS_PER_RULE_MAX)
            return false;
        for (size_t j = 0; j < n; j++)
            ports->refs[ports->n++] = (struct ref){.match = matches[j], .index = i};
        ports->any |= matches[0].any_protocol;
    }
    return true;
}

static void report_port(struct schema_problems *problems, const json_t *list, const struct ref *ref,
                        const char *text)
{
    report_at(problems, ref->index, json_array_get(list, ref->index), text);
}

bool schema_whole_ports(const json_t *list, struct schema_problems *problems)
{
    _cleanup_free_
    struct ref *refs = NULL;
    struct port_list ports = {0};
    bool ok = true;

    if (json_array_size(list) < 2)
        return true;
    ports.refs = refs = refs_new(MODEL_PORTS_PER_RULE_MAX, problems);
    if (!refs)
        return false;
    if (!collect_ports(list, &ports)) {
        schema_problem_add(problems, "",
                           "found more than %d ports, ranges and ICMP codes, expected at most that "
                           "many",
                           MODEL_PORTS_PER_RULE_MAX);
        return false;
    }
    qsort(refs, ports.n, sizeof(*refs), compare_matches);
    if (ports.any) {
        report_port(problems, list, &refs[0], " beside others, expected it alone");
        return false;
    }
    for (size_t i = 1; i < ports.n; i++) {
        if (match_order(&refs[i - 1].match, &refs[i].match) != 0)
            continue;
        report_port(problems, list, &refs[i], " again, expected each entry once");
        ok = false;
    }
    return ok;
}

/* ---- Ports of host services: only TCP and UDP, "80" is tcp/80 ---- */

bool schema_check_host_port(const json_t *value, struct buf *problem)
{
    struct port_match match;

    if (host_port_parse(json_string_value(value), &match) == 0)
        return true;
    buf_puts(problem, "a port or range of tcp or udp, like tcp/80, udp/80:100 or 443");
    return false;
}

bool schema_whole_host_ports(const json_t *list, struct schema_problems *problems)
{
    size_t n = json_array_size(list);
    _cleanup_free_
    struct ref *refs = refs_new(n, problems);
    bool ok = true;

    if (!refs)
        return false;
    for (size_t i = 0; i < n; i++) {
        refs[i].index = i;
        if (host_port_parse(json_string_value(json_array_get(list, i)), &refs[i].match) < 0)
            return false;
    }
    qsort(refs, n, sizeof(*refs), compare_matches);
    for (size_t i = 1; i < n; i++) {
        if (refs[i - 1].match.protocol != refs[i].match.protocol ||
            refs[i - 1].match.high < refs[i].match.low)
            continue;
        report_port(problems, list, &refs[i], ", which overlaps another, expected no overlap");
        ok = false;
        refs[i].match.high = MAX(refs[i].match.high, refs[i - 1].match.high);
    }
    return ok;
}

/* ---- Expressions ---- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return mix(hash + 1);
}

/* Of a set: the order of its tags does not count. */
static uint64_t hash_clause(const json_t *clause)
{
    uint64_t sum = json_array_size(clause);

    for (size_t i = 0; i < json_array_size(clause); i++)
        sum += hash_text(json_string_value(json_array_get(clause, i)));
    return mix(sum);
}

static bool report_equal(const struct ref *refs, size_t n, struct schema_problems *problems,
                         const char *text)
{
    bool ok = true;

    for (size_t i = 1, first = 0; i < n; i++) {
        struct schema_path here = {.index = refs[i].index};

        if (refs[first].hash != refs[i].hash) {
            first = i;
            continue;
        }
        schema_report(problems, &here, text, refs[first].index);
        ok = false;
    }
    return ok;
}

bool schema_whole_clauses(const json_t *expression, struct schema_problems *problems)
{
    size_t n = json_array_size(expression);
    _cleanup_free_
    struct ref *refs = NULL;

    if (n < 2)
        return true;
    refs = refs_new(n, problems);
    if (!refs)
        return false;
    for (size_t i = 0; i < n; i++)
        refs[i] = (struct ref){.hash = hash_clause(json_array_get(expression, i)), .index = i};
    qsort(refs, n, sizeof(*refs), compare_hashes);
    return report_equal(refs, n, problems,
                        "found the same clause as at index %zu, expected each clause once");
}

/* ---- Claims of API authorizations (product reference 1.10) ---- */

static bool check_claims(const json_t *clause, size_t index, struct schema_problems *problems)
{
    struct schema_path here = {.index = index};
    size_t n_realms = 0, n_namespaces = 0, n = json_array_size(clause);
    bool named = false;

    for (size_t i = 0; i < n; i++) {
        const char *tag = json_string_value(json_array_get(clause, i));

        if (strncmp(tag, "@auth:", 6) != 0) {
            struct schema_path there = {.parent = &here, .index = i};

            schema_report(problems, &there,
                          "found '%.80s', expected a claim that starts with '@auth:'", tag);
            return false;
        }
        n_realms += strncmp(tag, "@auth:realm=", 12) == 0;
        n_namespaces += strncmp(tag, "@auth:namespace=", 16) == 0;
        named |=
            strcasecmp(tag, "@auth:realm=oidc") == 0 || strcasecmp(tag, "@auth:realm=saml") == 0;
    }
    if (n_realms != 1)
        schema_report(problems, &here, "found %zu claims '@auth:realm=…', expected exactly one",
                      n_realms);
    else if (n < 2)
        schema_report(problems, &here,
                      "found only the realm, expected at least one more claim '@auth:…'");
    else if (named && n_namespaces == 0)
        schema_report(problems, &here,
                      "found no '@auth:namespace=…', expected one with the realms oidc and saml");
    return n_realms == 1 && n >= 2 && (!named || n_namespaces > 0);
}

bool schema_whole_claims(const json_t *expression, struct schema_problems *problems)
{
    bool ok = true;

    for (size_t i = 0; i < json_array_size(expression); i++)
        ok &= check_claims(json_array_get(expression, i), i, problems);
    return ok;
}

/* ---- Rules ---- */

static uint64_t hash_ports(const json_t *list)
{
    struct port_match matches[PORT_TEXT_MATCHES_MAX] = {{.any_protocol = true}};
    const char *problem;
    uint64_t sum = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t n = 0;

        port_match_parse(json_string_value(json_array_get(list, i)), matches, &n, &problem);
        for (size_t j = 0; j < n; j++)
            sum += matches[j].any_protocol
                       ? 0
                       : mix(((uint64_t)matches[j].protocol << 32 | (uint64_t)matches[j].low << 16 |
                              matches[j].high) +
                             1);
    }
    return mix(sum + 1); /* none: any */
}

/* Equal for rules that say the same: the order of tags, clauses and ports does not count. */
static uint64_t hash_rule(const json_t *rule)
{
    const json_t *object = json_object_get(rule, "object");
    const char *action = json_string_value(json_object_get(rule, "action"));
    uint64_t sum = 0;

    for (size_t i = 0; i < json_array_size(object); i++)
        sum += hash_clause(json_array_get(object, i));
    return mix(mix(sum) + 3 * hash_ports(json_object_get(rule, "protocolPorts")) +
               5 * hash_text(action ? action : ""));
}

bool schema_whole_rules(const json_t *list, struct schema_problems *problems)
{
    size_t n = json_array_size(list);
    _cleanup_free_
    struct ref *refs = NULL;

    if (n < 2)
        return true;
    refs = refs_new(n, problems);
    if (!refs)
        return false;
    for (size_t i = 0; i < n; i++)
        refs[i] = (struct ref){.hash = hash_rule(json_array_get(list, i)), .index = i};
    qsort(refs, n, sizeof(*refs), compare_hashes);
    return report_equal(refs, n, problems,
                        "found the same action, object and ports as at index %zu, expected each "
                        "rule once");
}
