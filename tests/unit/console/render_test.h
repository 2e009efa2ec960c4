/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What tests of the rendering share. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "console/render.h"

#define ENFORCERS 5

static inline void put_ruleset(struct render *render, const char *id, const char *namespace,
                               const json_t *body)
{
    _cleanup_free_
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    assert_int_equal(render_ruleset_put(render, id, namespace, text, text ? strlen(text) : 0), 0);
}

static inline void number_all(void *context, const char *namespace, const struct tag_set *tags,
                              uint32_t candidate)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tags->n; i++)
        json_array_append_new(list, json_string(tags->tags[i]));
    json_array_append_new(context, json_pack("{s:s, s:o, s:I}", "ns", namespace, "tags", list,
                                             "number", (json_int_t)candidate));
}

static inline void give_numbers(struct render *render)
{
    json_t *missing = json_array(), *item;
    size_t i, j;

    render_missing(render, number_all, missing);
    json_array_foreach(missing, i, item)
    {
        _cleanup_tag_set_ struct tag_set tags = {0};
        json_t *list = json_object_get(item, "tags");

        for (j = 0; j < json_array_size(list); j++)
            tag_set_add(&tags, json_string_value(json_array_get(list, j)));
        assert_int_equal(render_identity_put(
                             render, (uint32_t)json_integer_value(json_object_get(item, "number")),
                             json_string_value(json_object_get(item, "ns")), &tags),
                         0);
    }
    json_decref(missing);
}

static inline int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "key version\n" in order; NULL when the Enforcer is not known. */
static inline char *scope_text(struct render *render, const char *id)
{
    _cleanup_render_scope_ struct render_scope scope = {0};
    _cleanup_render_part_ struct render_part *whole = NULL;
    struct buf text = BUF_INIT(1 << 20);
    char **lines;

    if (render_scope_of(render, id, &scope) < 0)
        return strdup("");
    whole = render_scope_whole(&scope);
    assert_non_null(whole);
    lines = calloc(whole->n + 1, sizeof(*lines));
    for (size_t i = 0; i < whole->n; i++) {
        struct buf line = BUF_INIT(4096), body = BUF_INIT(1 << 20);
        json_t *claims = NULL;

        assert_int_equal(render_entry_body(render, whole->items[i].entry, &body, &claims), 0);
        if (claims) {
            char *dump = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);

            buf_puts(&body, dump);
            free(dump);
            json_decref(claims);
        }
        assert_int_equal(link_version(body.data, body.len), whole->items[i].version);
        buf_printf(&line, "%s %llx\n", whole->items[i].entry->key,
                   (unsigned long long)whole->items[i].version);
        buf_free(&body);
        lines[i] = buf_steal(&line);
    }
    qsort(lines, whole->n, sizeof(*lines), compare_texts);
    buf_puts(&text, "");
    for (size_t i = 0; i < whole->n; i++) {
        buf_puts(&text, lines[i]);
        free(lines[i]);
    }
    free(lines);
    return text.data ? buf_steal(&text) : strdup("");
}

static inline void note_concerned(void *context, const char *enforcer_id)
{
    bool *concerned = context;

    concerned[enforcer_id[1] - '0'] = true;
}
