/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* Decimal digits only, no sign, no space. Gives what follows them. */
static int number_parse(const char *text, uint64_t max, uint64_t *ret, const char **ret_rest)
{
    uint64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        if (value > (max - digit) / 10)
            return -ERANGE;
        value = value * 10 + digit;
    }
    if (at == text)
        return -EINVAL;
    *ret = value;
    *ret_rest = at;
    return 0;
}

int duration_parse(const char *text, uint64_t *ret_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
    const char *rest;
    uint64_t value;
    int r;

    r = number_parse(text, UINT64_MAX, &value, &rest);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (strcmp(rest, units[i].unit) != 0)
            continue;
        if (value > UINT64_MAX / units[i].ms)
            return -ERANGE;
        *ret_ms = value * units[i].ms;
        return 0;
    }
    return -EINVAL;
}

static int host_parse(const char *host, bool bracketed, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    if (bracketed) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

int endpoint_parse(const char *text, struct sockaddr_storage *ret)
{
    char host[INET6_ADDRSTRLEN + 1] = {0};
    struct sockaddr_storage parsed;
    bool bracketed = text[0] == '[';
    const char *colon = strrchr(text, ':');
    const char *start = bracketed ? text + 1 : text;
    const char *rest;
    uint64_t port;
    size_t len;

    if (!colon || colon < start)
        return -EINVAL;
    len = (size_t)(colon - start);
    if (bracketed && (len == 0 || start[--len] != ']'))
        return -EINVAL;
    if (len == 0 || len >= sizeof(host))
        return -EINVAL;
    memcpy(host, start, len);
    if (number_parse(colon + 1, UINT16_MAX, &port, &rest) < 0 || *rest || port == 0)
        return -EINVAL;
    if (host_parse(host, bracketed, (uint16_t)port, &parsed) < 0)
        return -EINVAL;
    *ret = parsed;
    return 0;
}

const char *endpoint_format(const struct sockaddr_storage *endpoint, char text[ENDPOINT_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (endpoint->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)endpoint;

        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(text, ENDPOINT_TEXT_MAX, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)endpoint;

        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(text, ENDPOINT_TEXT_MAX, "%s:%u", host, ntohs(v4->sin_port));
    }
    return text;
}

int target_networks_default(struct cidr_list *ret)
{
    static const char *const networks[] = {
        "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12",
        "192.168.0.0/16", "198.18.0.0/15", "fc00::/7",    "::1/128",
    };
    struct cidr_list list = {0};

    for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
        const char *problem;

        if (cidr_list_add(&list, networks[i], &problem) < 0) {
            cidr_list_clear(&list);
            return -ENOMEM;
        }
    }
    *ret = list;
    return 0;
}
