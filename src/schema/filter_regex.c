/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "schema/filter_internal.h"

/*
 * Regular expressions come from outside, and the C library's compiler trusts them: it unrolls {n,m}
 * and copies what is before '+', so that nested ones need memory without bound; and back references
 * need exponential time. So the size that a pattern unrolls to is reckoned first.
 */

#define SIZE_MAX_UNROLLED 4096
#define GROUPS_MAX 32
#define INTERVAL_MAX 255

struct group {
    unsigned long size, last; /* atoms after unrolling: in all, of the last one */
};

struct scan {
    const char *at;
    struct group groups[GROUPS_MAX + 1];
    unsigned depth;
    bool ok;
};

static void add_atom(struct scan *scan, unsigned long size)
{
    scan->groups[scan->depth].size += size;
    scan->groups[scan->depth].last = size;
    scan->ok = scan->ok && scan->groups[scan->depth].size <= SIZE_MAX_UNROLLED;
}

static void repeat(struct scan *scan, unsigned long times)
{
    struct group *group = &scan->groups[scan->depth];

    if (times <= 1)
        return;
    group->size += group->last * (times - 1);
    group->last *= times;
    scan->ok = scan->ok && group->size <= SIZE_MAX_UNROLLED;
}

static void open_group(struct scan *scan)
{
    if (scan->depth == GROUPS_MAX)
        scan->ok = false;
    else
        scan->groups[++scan->depth] = (struct group){0};
}

static void close_group(struct scan *scan)
{
    if (scan->depth > 0)
        add_atom(scan, scan->groups[scan->depth--].size + 1);
}

/* Behind '[': a ']' right at the start is one of the characters, and so are those of [:class:]. */
static void skip_bracket(struct scan *scan)
{
    const char *at = scan->at + (*scan->at == '^');

    if (*at == ']')
        at++;
    while (*at && *at != ']') {
        char end[3] = {at[1], ']', '\0'};
        const char *close = NULL;

        if (*at == '[' && at[1] && strchr(":.=", at[1]))
            close = strstr(at + 2, end);
        at = close ? close + 2 : at + 1;
    }
    scan->at = *at ? at + 1 : at;
    add_atom(scan, 1);
}

/* Behind '{': the larger of both numbers. What is no interval is left to the compiler. */
static void read_interval(struct scan *scan)
{
    unsigned long most = 0;
    const char *at = scan->at;

    while ((*at >= '0' && *at <= '9') || *at == ',') {
        unsigned long number = strtoul(at, NULL, 10);

        most = MAX(most, number);
        at += strspn(at, "0123456789");
        at += *at == ',';
    }
    scan->at = at + (*at == '}');
    scan->ok = scan->ok && most <= INTERVAL_MAX;
    /* A copy more where there is no upper bound. */
    repeat(scan, scan->ok ? most + 1 : 1);
}

static void scan_one(struct scan *scan)
{
    char c = *scan->at++;

    switch (c) {
    case '\\':
        if (*scan->at >= '0' && *scan->at <= '9')
            scan->ok = false;
        scan->at += *scan->at != '\0';
        add_atom(scan, 1);
        break;
    case '[':
        skip_bracket(scan);
        break;
    case '(':
        open_group(scan);
        break;
    case ')':
        close_group(scan);
        break;
    case '{':
        read_interval(scan);
        break;
    case '+':
        repeat(scan, 2);
        break;
    case '*':
    case '?':
    case '|':
        break;
    default:
        add_atom(scan, 1);
    }
}

static bool is_tame(const char *pattern)
{
    struct scan scan = {.at = pattern, .ok = true};

    while (*scan.at && scan.ok)
        scan_one(&scan);
    return scan.ok;
}

static bool compile_one(struct filter_item *item, const char *pattern, struct buf *problem)
{
    char text[256];
    int r;

    if (strlen(pattern) > FILTER_PATTERN_MAX) {
        buf_printf(problem, "a regular expression of at most %d bytes", FILTER_PATTERN_MAX);
        return false;
    }
    if (!is_tame(pattern)) {
        buf_puts(problem, "a regular expression without back references and with fewer repetitions "
                          "in each other");
        return false;
    }
    r = regcomp(&item->patterns[item->n_patterns], pattern, REG_EXTENDED | REG_NOSUB);
    if (r == 0) {
        item->n_patterns++;
        return true;
    }
    regerror(r, NULL, text, sizeof(text));
    buf_printf(problem, "an extended regular expression (%s)", text);
    return false;
}

bool filter_compile(struct filter *filter, struct filter_item *item, struct buf *problem)
{
    size_t n = json_array_size(item->value);

    filter->n_patterns += n;
    if (filter->n_patterns > FILTER_PATTERNS_MAX) {
        buf_printf(problem, "at most %d regular expressions", FILTER_PATTERNS_MAX);
        return false;
    }
    item->patterns = calloc(n, sizeof(*item->patterns));
    if (!item->patterns) {
        buf_puts(problem, "less: no memory left");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *pattern = json_array_get(item->value, i);

        if (!json_is_string(pattern)) {
            buf_puts(problem, "a quoted regular expression");
            return false;
        }
        if (!compile_one(item, json_string_value(pattern), problem))
            return false;
    }
    return true;
}
