/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"
#include "model/model.h"

#define EXPR_TEXT_MAX (MODEL_DOCUMENT_BYTES_MAX * 2u)

const char *tag_problem(const char *tag)
{
    const char *equals;
    size_t len;

    assert(tag);

    len = strnlen(tag, MODEL_TAG_BYTES_MAX + 1);
    if (len > MODEL_TAG_BYTES_MAX)
        return "a tag of at most 1023 bytes";
    static_assert(MODEL_TAG_BYTES_MAX == 1023, "the number in the text");
    equals = strchr(tag, '=');
    if (!equals || equals == tag || !equals[1])
        return "a tag of the form key=value";
    if (memchr(tag, ' ', (size_t)(equals - tag)))
        return "a tag without spaces in its key";
    if (!text_utf8_valid(tag, len, NULL))
        return "a tag in UTF-8";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)tag[i] < 0x20 || tag[i] == 0x7f)
            return "a tag without control characters";
    return NULL;
}

/* Index of the first tag that is not before `tag`. */
static size_t lower_bound(const struct tag_set *set, const char *tag, bool *ret_found)
{
    size_t low = 0, high = set->n;

    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int r = strcmp(set->tags[middle], tag);

        if (r == 0)
            *ret_found = true;
        if (r < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int tag_set_add(struct tag_set *set, const char *tag)
{
    char **more, *copy;
    bool found;
    size_t at;

    assert(set);

    if (tag_problem(tag))
        return -EINVAL;
    at = lower_bound(set, tag, &found);
    if (found)
        return 0;
    if (set->n >= MODEL_TAGS_PER_SET_MAX)
        return -BULKHEAD_ETOOMANY;
    more = reallocarray(set->tags, set->n + 1, sizeof(*set->tags));
    if (!more)
        return -ENOMEM;
    set->tags = more;
    copy = strdup(tag);
    if (!copy)
        return -ENOMEM;
    memmove(set->tags + at + 1, set->tags + at, (set->n - at) * sizeof(*set->tags));
    set->tags[at] = copy;
    set->n++;
    return 0;
}

int tag_set_addf(struct tag_set *set, const char *format, ...)
{
    _cleanup_free_
    char *tag = NULL;
    va_list args;
    int n;

    assert(format);

    va_start(args, format);
    n = vasprintf(&tag, format, args);
    va_end(args);
    if (n < 0) {
        tag = NULL;
        return -ENOMEM;
    }
    return tag_set_add(set, tag);
}

int tag_set_copy(const struct tag_set *set, struct tag_set *ret)
{
    _cleanup_tag_set_ struct tag_set copy = {0};

    assert(set);
    assert(ret);

    if (set->n) {
        copy.tags = calloc(set->n, sizeof(*copy.tags));
        if (!copy.tags)
            return -ENOMEM;
    }
    for (; copy.n < set->n; copy.n++) {
        copy.tags[copy.n] = strdup(set->tags[copy.n]);
        if (!copy.tags[copy.n])
            return -ENOMEM;
    }
    *ret = copy;
    copy = (struct tag_set){0};
    return 0;
}

bool tag_set_has(const struct tag_set *set, const char *tag)
{
    bool found;

    assert(set);
    assert(tag);

    lower_bound(set, tag, &found);
    return found;
}

bool tag_set_has_all(const struct tag_set *set, const struct tag_set *wanted)
{
    assert(set);
    assert(wanted);

    if (wanted->n > set->n)
        return false;
    /* Both are sorted: one walk over the larger one. */
    for (size_t i = 0, j = 0; j < wanted->n; i++) {
        int r;

        if (i == set->n)
            return false;
        r = strcmp(set->tags[i], wanted->tags[j]);
        if (r > 0)
            return false;
        j += r == 0;
    }
    return true;
}

bool tag_set_equal(const struct tag_set *a, const struct tag_set *b)
{
    return a->n == b->n && tag_set_has_all(a, b);
}

void tag_set_clear(struct tag_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->n; i++)
        free(set->tags[i]);
    free(set->tags);
    *set = (struct tag_set){0};
}

bool tag_expr_matches(const struct tag_expr *expr, const struct tag_set *tags)
{
    assert(expr);
    assert(tags);

    /* An empty clause cannot come from a file; if there is one all the same it matches nothing. */
    for (size_t i = 0; i < expr->n; i++)
        if (expr->clauses[i].n > 0 && tag_set_has_all(tags, &expr->clauses[i]))
            return true;
    return false;
}

void tag_expr_clear(struct tag_expr *expr)
{
    if (!expr)
        return;
    for (size_t i = 0; i < expr->n; i++)
        tag_set_clear(&expr->clauses[i]);
    free(expr->clauses);
    *expr = (struct tag_expr){0};
}

char *tag_expr_format(const struct tag_expr *expr)
{
    _cleanup_buf_ struct buf text = BUF_INIT(EXPR_TEXT_MAX);

    assert(expr);

    buf_puts(&text, "[");
    for (size_t i = 0; i < expr->n; i++) {
        buf_puts(&text, i ? ", [" : "[");
        for (size_t j = 0; j < expr->clauses[i].n; j++) {
            buf_puts(&text, j ? ", " : "");
            buf_puts(&text, expr->clauses[i].tags[j]);
        }
        buf_puts(&text, "]");
    }
    buf_puts(&text, "]");
    return buf_steal(&text);
}
