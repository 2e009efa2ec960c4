/* SPDX-License-Identifier: Apache-2.0 */
/* The entry `p:` of a view: the enforcer profile, and the host services of this host. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "enforcer/view_internal.h"

static void services_clear(struct unit_services *services)
{
    for (size_t i = 0; i < services->n; i++) {
        free(services->services[i].name);
        free(services->services[i].ports);
        tag_set_clear(&services->services[i].tags);
    }
    free(services->services);
    tag_set_clear(&services->host_tags);
}

void view_profile_clear(struct view_profile *profile)
{
    cidr_list_clear(&profile->target_networks);
    cidr_list_clear(&profile->excluded_networks);
    for (char **name = profile->excluded_interfaces; name && *name; name++)
        free(*name);
    free(profile->excluded_interfaces);
    tag_expr_clear(&profile->ignore);
    services_clear(&profile->host);
    free(profile->host_problem);
}

static int read_interfaces(const json_t *list, struct view_profile *profile)
{
    size_t n = json_array_size(list);

    if (n == 0)
        return 0;
    if (n > VIEW_INTERFACES_MAX)
        return -EINVAL;
    profile->excluded_interfaces = calloc(n + 1, sizeof(char *));
    if (!profile->excluded_interfaces)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (!name)
            return -EINVAL;
        profile->excluded_interfaces[i] = strdup(name);
        if (!profile->excluded_interfaces[i])
            return -ENOMEM;
    }
    return 0;
}

static int read_expression(const json_t *list, struct tag_expr *ret)
{
    size_t n = json_array_size(list);
    int r = 0;

    if (n > MODEL_CLAUSES_MAX)
        return -EINVAL;
    ret->clauses = calloc(n + 1, sizeof(*ret->clauses));
    if (!ret->clauses)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        const json_t *clause = json_array_get(list, i);

        if (json_array_size(clause) == 0)
            continue; /* would match everything */
        r = tag_set_add_list(&ret->clauses[ret->n++], clause);
    }
    return r;
}

/* ---- Host services ---------------------------------------------------------------------------
 */

static int read_ports(const json_t *list, struct unit_service *service)
{
    size_t n = json_array_size(list);

    if (n > DATAPATH_SERVICE_RANGES_MAX)
        return -EINVAL;
    service->ports = calloc(n + 1, sizeof(*service->ports));
    if (!service->ports)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct port_match match;

        if (!text || host_port_parse(text, &match) < 0)
            return -EINVAL;
        service->ports[service->n_ports++] = (struct datapath_ports){
            .protocol = match.protocol, .low = match.low, .high = match.high};
    }
    return 0;
}

/* One with ports is a unit; one with host mode makes the host a unit, and gives it its tags. */
static int read_service(const json_t *json, struct unit_services *ret)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const json_t *tags = json_object_get(json, "associatedTags");
    struct unit_service *service = &ret->services[ret->n];
    int r = 0;

    if (!name || !*name || strlen(name) > UNIT_SERVICE_NAME_MAX)
        return -EINVAL;
    if (json_is_true(json_object_get(json, "hostModeEnabled"))) {
        ret->host_mode = true;
        r = tag_set_add_list(&ret->host_tags, tags);
    }
    if (r < 0 || json_array_size(json_object_get(json, "services")) == 0)
        return r;
    ret->n++; /* cleared with the others, whatever happens */
    service->name = strdup(name);
    r = service->name ? tag_set_add_list(&service->tags, tags) : -ENOMEM;
    return r < 0 ? r : read_ports(json_object_get(json, "services"), service);
}

static int read_services(const json_t *list, struct unit_services *ret)
{
    size_t n = json_array_size(list);
    int r = 0;

    if (n > DATAPATH_SERVICE_RANGES_MAX)
        return -EINVAL;
    ret->services = calloc(n + 1, sizeof(*ret->services));
    if (!ret->services)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++)
        r = read_service(json_array_get(list, i), ret);
    return r;
}

/* ---- Profile --------------------------------------------------------------------------------- */

static int read_profile(const json_t *json, struct view_profile *profile)
{
    const char *problem = json_string_value(json_object_get(json, "hostServicesProblem"));
    int r = json_is_object(json) ? 0 : -EINVAL;

    if (r == 0)
        r = cidr_list_add_list(&profile->target_networks, json_object_get(json, "targetNetworks"));
    if (r == 0)
        r = cidr_list_add_list(&profile->excluded_networks,
                               json_object_get(json, "excludedNetworks"));
    if (r == 0)
        r = read_interfaces(json_object_get(json, "excludedInterfaces"), profile);
    if (r == 0)
        r = read_expression(json_object_get(json, "ignoreExpression"), &profile->ignore);
    if (r == 0)
        r = read_services(json_object_get(json, "hostServices"), &profile->host);
    if (r == 0 && problem) {
        profile->host_problem = strdup(problem);
        r = profile->host_problem ? 0 : -ENOMEM;
    }
    return r;
}

int view_profile_read(const struct entries *entries, struct diagnostics *diagnostics,
                      struct view_profile *ret)
{
    const struct entry *entry = entries_find(entries, "p:");
    json_t *json = entry ? json_loadb(entry->body, entry->len, 0, NULL) : NULL;
    int r = entry ? read_profile(json, ret) : 0;

    json_decref(json);
    ret->version = entry ? entry->version : 0;
    if (r >= 0 || r == -ENOMEM)
        return r;
    diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, VIEW_SOURCE, 0, 0,
                    "p:", "found an enforcer profile that cannot be used");
    return -BULKHEAD_EINVALID_INPUT;
}

static bool prefixes_equal(const struct ip_prefix *a, size_t n_a, const struct ip_prefix *b,
                           size_t n_b)
{
    for (size_t i = 0; n_a == n_b && i < n_a; i++)
        if (ip_prefix_compare(&a[i], &b[i]) != 0)
            return false;
    return n_a == n_b;
}

static bool cidrs_equal(const struct cidr_list *a, const struct cidr_list *b)
{
    return prefixes_equal(a->included, a->n_included, b->included, b->n_included) &&
           prefixes_equal(a->excluded, a->n_excluded, b->excluded, b->n_excluded);
}

static bool names_equal(char *const *a, char *const *b)
{
    static char *const nothing[] = {NULL};

    a = a ? a : nothing;
    b = b ? b : nothing;
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return !*a && !*b;
}

bool view_profile_equal(const struct view_profile *a, const struct view_profile *b)
{
    return cidrs_equal(&a->target_networks, &b->target_networks) &&
           cidrs_equal(&a->excluded_networks, &b->excluded_networks) &&
           names_equal(a->excluded_interfaces, b->excluded_interfaces) &&
           a->host.host_mode == b->host.host_mode && !a->host.n == !b->host.n;
}
