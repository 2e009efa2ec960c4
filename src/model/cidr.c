/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "model/check.h"
#include "model/model.h"

#define FQDN_BYTES_MAX 253
#define FQDN_LABEL_BYTES_MAX 63

bool cidr_is_meant(const char *entry)
{
    struct ip_prefix prefix;

    assert(entry);

    return *entry == '!' || strpbrk(entry, ":/") || entry[strspn(entry, "0123456789.")] == '\0' ||
           ip_prefix_parse(entry, &prefix) == 0;
}

int cidr_list_add(struct cidr_list *list, const char *text, const char **ret_problem)
{
    bool hole = *text == '!';
    struct ip_prefix prefix;
    int r;

    assert(list);
    assert(ret_problem);

    r = ip_prefix_parse(text + hole, &prefix);
    if (r < 0) {
        *ret_problem = r == -EDOM     ? "a CIDR without address bits past its length"
                       : r == -ERANGE ? "a CIDR with a length of 0 to 32 (IPv4) or 0 to 128 (IPv6)"
                                      : "an IP address or CIDR, with '!' before it for a hole";
        return -EINVAL;
    }
    if (hole) {
        if (array_grow(&list->excluded, list->n_excluded, sizeof(prefix)) < 0)
            return -ENOMEM;
        list->excluded[list->n_excluded++] = prefix;
    } else {
        if (array_grow(&list->included, list->n_included, sizeof(prefix)) < 0)
            return -ENOMEM;
        list->included[list->n_included++] = prefix;
    }
    return 0;
}

static int compare_prefixes(const void *a, const void *b)
{
    return ip_prefix_compare(a, b);
}

static void shorten(struct ip_prefix *prefix, unsigned len)
{
    for (unsigned i = 0; i < sizeof(prefix->addr.bytes); i++) {
        unsigned keep = len > 8 * i ? MIN(len - 8 * i, 8u) : 0;

        prefix->addr.bytes[i] &= (uint8_t)(0xff00 >> keep);
    }
    prefix->len = (uint8_t)len;
}

/* Is there a shorter prefix in `sorted` that contains `hole`? One search per length that occurs. */
static bool is_inside(const struct ip_prefix *hole, const struct ip_prefix *sorted, size_t n,
                      const bool lengths[129])
{
    bool v4 = ip_prefix_is_v4(hole);

    for (unsigned len = v4 ? 96 : 0; len < hole->len; len++) {
        struct ip_prefix outer = *hole;

        if (!lengths[len])
            continue;
        shorten(&outer, len);
        if (bsearch(&outer, sorted, n, sizeof(*sorted), compare_prefixes) &&
            ip_prefix_contains(&outer, hole))
            return true;
    }
    return false;
}

const char *cidr_list_problem(const struct cidr_list *list, size_t *ret_at)
{
    _cleanup_free_
    struct ip_prefix *sorted = NULL;
    bool lengths[129] = {false};

    assert(list);
    assert(ret_at);

    if (list->n_excluded == 0)
        return NULL;
    sorted = calloc(MAX(list->n_included, (size_t)1), sizeof(*sorted));
    if (!sorted) {
        *ret_at = 0; /* unchecked is not the same as right */
        return "more memory";
    }
    for (size_t i = 0; i < list->n_included; i++) {
        sorted[i] = list->included[i];
        lengths[sorted[i].len] = true;
    }
    qsort(sorted, list->n_included, sizeof(*sorted), compare_prefixes);
    for (size_t i = 0; i < list->n_excluded; i++) {
        if (!is_inside(&list->excluded[i], sorted, list->n_included, lengths)) {
            *ret_at = i;
            return "a hole inside a larger CIDR of the same list";
        }
    }
    return NULL;
}

static int longest(const struct ip_prefix *prefixes, size_t n, const struct ip_addr *addr)
{
    int best = -1;

    for (size_t i = 0; i < n; i++)
        if (prefixes[i].len > best && ip_prefix_has(&prefixes[i], addr))
            best = prefixes[i].len;
    return best;
}

bool cidr_list_has(const struct cidr_list *list, const struct ip_addr *addr)
{
    assert(list);
    assert(addr);

    return longest(list->included, list->n_included, addr) >
           longest(list->excluded, list->n_excluded, addr);
}

/* Length of the longest in the list that contains all of `prefix`; -1: none. */
static int longest_around(const struct ip_prefix *prefixes, size_t n,
                          const struct ip_prefix *prefix)
{
    int best = -1;

    for (size_t i = 0; i < n; i++)
        if (prefixes[i].len > best && ip_prefix_contains(&prefixes[i], prefix))
            best = prefixes[i].len;
    return best;
}

/* Are all addresses of `prefix` in the list, but for those that `holes` takes away again? */
static bool has_all(const struct cidr_list *list, const struct ip_prefix *prefix,
                    const struct cidr_list *holes)
{
    if (longest_around(list->included, list->n_included, prefix) <=
        longest_around(list->excluded, list->n_excluded, prefix))
        return false;
    for (size_t i = 0; i < list->n_excluded; i++)
        if (ip_prefix_contains(prefix, &list->excluded[i]) &&
            longest_around(holes->excluded, holes->n_excluded, &list->excluded[i]) < prefix->len)
            return false;
    return true;
}

bool cidr_list_within(const struct cidr_list *inner, const struct cidr_list *outer)
{
    assert(inner);
    assert(outer);

    for (size_t i = 0; i < inner->n_included; i++)
        if (!has_all(outer, &inner->included[i], inner))
            return false;
    return true;
}

void cidr_list_clear(struct cidr_list *list)
{
    if (!list)
        return;
    free(list->included);
    free(list->excluded);
    *list = (struct cidr_list){0};
}

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

const char *fqdn_problem(const char *text)
{
    size_t len, label = 0;
    const char *at;

    assert(text);

    at = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
    len = strnlen(at, FQDN_BYTES_MAX + 2);
    if (len > 1 && at[len - 1] == '.')
        len--; /* the root's dot */
    if (len == 0 || len > FQDN_BYTES_MAX)
        return "a domain name of 1 to 253 characters";
    for (size_t i = 0; i <= len; i++) {
        if (i == len || at[i] == '.') {
            if (label == 0 || label > FQDN_LABEL_BYTES_MAX)
                return "a domain name with labels of 1 to 63 characters";
            label = 0;
        } else if (at[i] == '*') {
            return "a domain name with '*.' only at its front";
        } else if (!is_label_char(at[i])) {
            return "a domain name of letters, digits, '-', '_' and '.'";
        } else {
            label++;
        }
    }
    return NULL;
}
