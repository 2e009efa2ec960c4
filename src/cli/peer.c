/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/peer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

static int wrong(char problem[PEER_PROBLEM_MAX], const char *found, const char *format, ...)
    _printf_(3, 4);

static int wrong(char problem[PEER_PROBLEM_MAX], const char *found, const char *format, ...)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(PEER_PROBLEM_MAX);
    char expected[PEER_PROBLEM_MAX / 2];
    va_list ap;

    va_start(ap, format);
    text_vformat(expected, sizeof(expected), format, ap);
    va_end(ap);
    text_quote(&buf, found, strlen(found));
    snprintf(problem, PEER_PROBLEM_MAX, "found %s, %s", buf.data ? buf.data : "''", expected);
    return -EINVAL;
}

static int parse_namespace(const char *value, struct peer *peer, char problem[PEER_PROBLEM_MAX])
{
    const char *why = namespace_problem(value);

    if (peer->namespace)
        return wrong(problem, value, "expected ns: only once");
    if (why)
        return wrong(problem, value, "expected %s", why);
    peer->namespace = strdup(value);
    return peer->namespace ? 0 : -ENOMEM;
}

static int parse_tags(char *value, struct peer *peer, char problem[PEER_PROBLEM_MAX])
{
    char *tag;

    if (peer->tags.n > 0)
        return wrong(problem, value, "expected tags: only once");
    while ((tag = strsep(&value, ","))) {
        const char *why = tag_problem(tag);
        int r;

        if (why)
            return wrong(problem, tag, "expected %s", why);
        r = tag_set_add(&peer->tags, tag);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            return wrong(problem, tag, "expected at most %d tags", MODEL_TAGS_PER_SET_MAX);
    }
    return 0;
}

static int parse_address(const char *value, struct peer *peer, char problem[PEER_PROBLEM_MAX])
{
    if (peer->has_address)
        return wrong(problem, value, "expected ip: only once");
    if (ip_addr_parse(value, &peer->address) < 0)
        return wrong(problem, value, "expected an IPv4 or IPv6 address");
    peer->has_address = true;
    return 0;
}

static int parse_part(char *part, struct peer *peer, char problem[PEER_PROBLEM_MAX])
{
    if (strncmp(part, "ns:", 3) == 0)
        return parse_namespace(part + 3, peer, problem);
    if (strncmp(part, "tags:", 5) == 0)
        return parse_tags(part + 5, peer, problem);
    if (strncmp(part, "ip:", 3) == 0)
        return parse_address(part + 3, peer, problem);
    return wrong(problem, part, "expected ns:NAMESPACE, tags:TAG,TAG or ip:ADDRESS");
}

static int parse_parts(char *text, struct peer *peer, char problem[PEER_PROBLEM_MAX])
{
    const char *whole = text;
    char *part;

    if (!strchr(text, ';') && ip_addr_parse(text, &peer->address) == 0) {
        peer->has_address = true;
        return 0;
    }
    while ((part = strsep(&text, ";"))) {
        int r = parse_part(part, peer, problem);

        if (r < 0)
            return r;
    }
    if (peer->tags.n == 0 && (peer->namespace || !peer->has_address))
        return wrong(problem, whole, "expected tags: with it");
    return 0;
}

int peer_parse(const char *text, struct peer *ret, char ret_problem[PEER_PROBLEM_MAX])
{
    _cleanup_peer_ struct peer peer = {0};
    _cleanup_free_
    char *copy = NULL;
    int r;

    if (strlen(text) > PEER_BYTES_MAX)
        return wrong(ret_problem, text, "expected at most %d bytes", PEER_BYTES_MAX);
    copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    r = parse_parts(copy, &peer, ret_problem);
    if (r < 0)
        return r;
    *ret = peer;
    peer = (struct peer){0};
    return 0;
}

void peer_clear(struct peer *peer)
{
    free(peer->namespace);
    tag_set_clear(&peer->tags);
    *peer = (struct peer){0};
}
