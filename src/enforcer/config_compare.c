/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/config.h"

#include <string.h>

static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool prefixes_equal(const struct ip_prefix *a, size_t n_a, const struct ip_prefix *b,
                           size_t n_b)
{
    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++)
        if (ip_prefix_compare(&a[i], &b[i]) != 0)
            return false;
    return true;
}

static bool cidrs_equal(const struct cidr_list *a, const struct cidr_list *b)
{
    return prefixes_equal(a->included, a->n_included, b->included, b->n_included) &&
           prefixes_equal(a->excluded, a->n_excluded, b->excluded, b->n_excluded);
}

static bool names_equal(char *const *a, char *const *b)
{
    if (!a || !b)
        return (!a || !*a) && (!b || !*b);
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return !*a && !*b;
}

void config_fixed_differences(const struct config *a, const struct config *b,
                              const char *ret[CONFIG_FIXED_MAX])
{
    size_t n = 0;
    char text_a[ENDPOINT_TEXT_MAX], text_b[ENDPOINT_TEXT_MAX];

    if (a->mode != b->mode)
        ret[n++] = "mode";
    if (strcmp(a->cgroup_root, b->cgroup_root) != 0)
        ret[n++] = "cgroupRoot";
    if (a->enforcer_id != b->enforcer_id)
        ret[n++] = "identity.enforcerId";
    if (!text_equal(a->key, b->key))
        ret[n++] = "identity.key";
    if (a->metrics_enabled != b->metrics_enabled ||
        (a->metrics_enabled &&
         strcmp(endpoint_format(&a->metrics, text_a), endpoint_format(&b->metrics, text_b)) != 0))
        ret[n++] = "metrics";
    assert(n < CONFIG_FIXED_MAX);
    ret[n] = NULL;
}

bool config_datapath_differs(const struct config *a, const struct config *b)
{
    return a->host_enabled != b->host_enabled ||
           !cidrs_equal(&a->target_networks, &b->target_networks) ||
           !cidrs_equal(&a->excluded_networks, &b->excluded_networks) ||
           !names_equal(a->excluded_interfaces, b->excluded_interfaces);
}
