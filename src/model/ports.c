/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/model.h"

#define PROTOCOL_NAME_MAX 32
#define CODE_MAX 255

/* The grammar of docs/formats/policy.md, "protocolPorts". */
static const char expected_entry[] = "any, tcp/PORT, udp/PORT, tcp/LOW:HIGH, udp/LOW:HIGH, "
                                     "icmp[/TYPE[/CODES]], icmp6[/TYPE[/CODES]] "
                                     "or the name of another IP protocol";
static const char expected_port[] = "a port of 0 to 65535 after the protocol";
static const char expected_range[] = "ports LOW:HIGH of 0 to 65535 with LOW below HIGH";
static const char expected_bare[] = "no ports: only tcp and udp have them";
static const char expected_type[] = "an ICMP type of 0 to 255";
static const char expected_code[] =
    "ICMP codes of 0 to 255, as CODE or LOW:HIGH with LOW below HIGH, "
    "each once";
static const char expected_one[] =
    "tcp/PORT, udp/PORT, icmp/TYPE/CODE, icmp6/TYPE/CODE or the name of "
    "another IP protocol";

static int refuse(const char **ret_problem, const char *problem)
{
    *ret_problem = problem;
    return -EINVAL;
}

/* Decimal digits at *at, no leading zeros, 0..max; moves behind them. */
static int take_number(const char **at, unsigned max, unsigned *ret)
{
    size_t n = strspn(*at, "0123456789");
    unsigned value = 0;

    if (n == 0 || n > 5 || (n > 1 && **at == '0'))
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (unsigned)((*at)[i] - '0');
    if (value > max)
        return -EINVAL;
    *at += n;
    *ret = value;
    return 0;
}

/* N or LOW:HIGH with LOW < HIGH. */
static int take_range(const char **at, unsigned max, unsigned *ret_low, unsigned *ret_high)
{
    unsigned low, high;

    if (take_number(at, max, &low) < 0)
        return -EINVAL;
    high = low;
    if (**at == ':') {
        (*at)++;
        if (take_number(at, max, &high) < 0 || low >= high)
            return -EINVAL;
    }
    *ret_low = low;
    *ret_high = high;
    return 0;
}

/* The protocol before the first '/' that is not part of its name (the registry has "a/n"). */
static int take_protocol(const char **at, uint8_t *ret)
{
    char name[PROTOCOL_NAME_MAX];
    size_t n = strcspn(*at, "/");

    if (strncasecmp(*at, "a/n", 3) == 0 && ((*at)[3] == '\0' || (*at)[3] == '/'))
        n = 3;
    if (n == 0 || n >= sizeof(name))
        return -EINVAL;
    memcpy(name, *at, n);
    name[n] = '\0';
    if (protocol_parse(name, ret) < 0)
        return -EINVAL;
    *at += n;
    return 0;
}

static int parse_tcp_udp(const char *at, struct port_match *match, const char **ret_problem)
{
    unsigned low, high;
    bool is_range;

    if (*at != '/')
        return refuse(ret_problem, expected_port);
    at++;
    is_range = strchr(at, ':') != NULL;
    if (take_range(&at, UINT16_MAX, &low, &high) < 0 || *at)
        return refuse(ret_problem, is_range ? expected_range : expected_port);
    match->low = (uint16_t)low;
    match->high = (uint16_t)high;
    return 0;
}

/* CODE or LOW:HIGH, separated by commas. Each code at most once, so there are at most 256 of them.
 */
static int parse_codes(const char *at, uint8_t protocol, unsigned type, struct port_match *ret,
                       size_t *ret_n, const char **ret_problem)
{
    bool seen[CODE_MAX + 1] = {false};
    size_t n = 0;

    for (;; at++) {
        unsigned low, high;

        if (take_range(&at, CODE_MAX, &low, &high) < 0)
            return refuse(ret_problem, expected_code);
        for (unsigned code = low; code <= high; code++) {
            if (seen[code])
                return refuse(ret_problem, expected_code);
            seen[code] = true;
        }
        assert(n < PORT_TEXT_MATCHES_MAX);
        ret[n++] = (struct port_match){.protocol = protocol,
                                       .low = (uint16_t)(type << 8 | low),
                                       .high = (uint16_t)(type << 8 | high)};
        if (*at != ',')
            break;
    }
    if (*at)
        return refuse(ret_problem, expected_code);
    *ret_n = n;
    return 0;
}

static int parse_icmp(const char *at, uint8_t protocol, struct port_match *ret, size_t *ret_n,
                      const char **ret_problem)
{
    unsigned type;

    ret[0] = (struct port_match){.protocol = protocol, .low = 0, .high = UINT16_MAX};
    *ret_n = 1;
    if (!*at)
        return 0;
    at++;
    if (take_number(&at, UINT8_MAX, &type) < 0 || (*at && *at != '/'))
        return refuse(ret_problem, expected_type);
    ret[0].low = (uint16_t)(type << 8);
    ret[0].high = (uint16_t)(type << 8 | CODE_MAX);
    if (!*at)
        return 0;
    return parse_codes(at + 1, protocol, type, ret, ret_n, ret_problem);
}

int port_match_parse(const char *text, struct port_match ret[PORT_TEXT_MATCHES_MAX], size_t *ret_n,
                     const char **ret_problem)
{
    struct port_match match = {.high = UINT16_MAX};
    struct port_match several[PORT_TEXT_MATCHES_MAX];
    const char *at = text;
    size_t n = 1;
    int r = 0;

    assert(text);
    assert(ret);
    assert(ret_n);
    assert(ret_problem);

    if (strcasecmp(text, "any") == 0) {
        ret[0] = (struct port_match){.any_protocol = true, .high = UINT16_MAX};
        *ret_n = 1;
        return 0;
    }
    if (take_protocol(&at, &match.protocol) < 0)
        return refuse(ret_problem, expected_entry);
    if (match.protocol == PROTOCOL_TCP || match.protocol == PROTOCOL_UDP) {
        r = parse_tcp_udp(at, &match, ret_problem);
    } else if (match.protocol == PROTOCOL_ICMP || match.protocol == PROTOCOL_ICMP6) {
        r = parse_icmp(at, match.protocol, several, &n, ret_problem);
        if (r == 0)
            memcpy(ret, several, n * sizeof(*ret));
    } else if (*at) {
        r = refuse(ret_problem, expected_bare);
    }
    if (r < 0)
        return r;
    if (match.protocol != PROTOCOL_ICMP && match.protocol != PROTOCOL_ICMP6)
        ret[0] = match;
    *ret_n = n;
    return 0;
}

int host_port_parse(const char *text, struct port_match *ret)
{
    struct port_match match = {.protocol = PROTOCOL_TCP};
    const char *at = text;
    unsigned low, high;

    assert(text);
    assert(ret);

    if ((*text < '0' || *text > '9') &&
        (take_protocol(&at, &match.protocol) < 0 || *at++ != '/' ||
         (match.protocol != PROTOCOL_TCP && match.protocol != PROTOCOL_UDP)))
        return -EINVAL;
    if (take_range(&at, UINT16_MAX, &low, &high) < 0 || *at)
        return -EINVAL;
    match.low = (uint16_t)low;
    match.high = (uint16_t)high;
    *ret = match;
    return 0;
}

int port_parse(const char *text, uint8_t *ret_protocol, uint16_t *ret_port,
               const char **ret_problem)
{
    const char *at = text;
    unsigned port = 0, code = 0, number;
    uint8_t protocol;

    assert(text);
    assert(ret_protocol);
    assert(ret_port);
    assert(ret_problem);

    if (take_protocol(&at, &protocol) < 0) {
        /* What has no keyword is printed, and so read, as a number. */
        if (take_number(&at, UINT8_MAX, &number) < 0 || *at)
            return refuse(ret_problem, expected_one);
        protocol = (uint8_t)number;
    }
    if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP) {
        if (*at++ != '/' || take_number(&at, UINT16_MAX, &port) < 0 || *at)
            return refuse(ret_problem, expected_port);
    } else if (protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMP6) {
        if (*at++ != '/' || take_number(&at, UINT8_MAX, &port) < 0 || *at++ != '/' ||
            take_number(&at, UINT8_MAX, &code) < 0 || *at)
            return refuse(ret_problem, "an ICMP type and code, as in icmp/8/0");
        port = port << 8 | code;
    } else if (*at) {
        return refuse(ret_problem, expected_bare);
    }
    *ret_protocol = protocol;
    *ret_port = (uint16_t)port;
    return 0;
}

const char *port_format(uint8_t protocol, uint16_t port, char text[PORT_TEXT_MAX])
{
    const char *name = protocol_name(protocol);

    if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP)
        snprintf(text, PORT_TEXT_MAX, "%s/%u", name, port);
    else if (protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMP6)
        snprintf(text, PORT_TEXT_MAX, "%s/%u/%u", name, port >> 8, port & 0xff);
    else if (name)
        snprintf(text, PORT_TEXT_MAX, "%s", name);
    else
        snprintf(text, PORT_TEXT_MAX, "%u", protocol);
    return text;
}
