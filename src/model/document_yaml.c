/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <yaml.h>

#include "base/error.h"
#include "model/document_internal.h"

/* Maps with more keys than this are checked for duplicates by sorting. */
#define PAIRWISE_KEYS_MAX 12
/* libyaml compares each %TAG directive with all others: a file full of them would keep it busy for
 * hours. */
#define DIRECTIVES_MAX 64

/* A list or map that is open. Its children so far are the tail of `scratch` from `start` on. */
struct frame {
    struct node *node;
    size_t start;
    const char *key; /* of a map: read, its value not yet */
    unsigned key_line, key_column;
};

struct reader {
    struct document *document;
    const struct check *check;
    const char *text;
    size_t len;
    struct frame frames[MODEL_DOCUMENT_DEPTH_MAX];
    size_t depth;
    struct node **scratch;
    size_t n_scratch;
    bool failed;
};

static void delete_event(yaml_event_t *event)
{
    yaml_event_delete(event);
}

static void delete_parser(yaml_parser_t *parser)
{
    yaml_parser_delete(parser);
}

/* The path of the value that comes next, in `parts`, which must have one place more than frames. */
static const struct path *path_here(const struct reader *reader,
                                    struct path parts[MODEL_DOCUMENT_DEPTH_MAX + 1])
{
    parts[0] = PATH_ROOT;
    for (size_t i = 0; i < reader->depth; i++) {
        const struct frame *frame = &reader->frames[i];
        bool is_top = i + 1 == reader->depth;
        /* The open child of an outer frame is the last one that was added to it. */
        size_t next = is_top ? reader->n_scratch : reader->frames[i + 1].start - 1;
        const char *key = is_top ? frame->key : reader->scratch[next]->key;

        if (frame->node->kind == NODE_LIST)
            parts[i + 1] = PATH_INDEX(&parts[i], next - frame->start);
        else if (key)
            parts[i + 1] = PATH_KEY(&parts[i], key);
        else
            return &parts[i];
    }
    return &parts[reader->depth];
}

static int fail(struct reader *reader, const yaml_mark_t *mark, const char *what,
                const char *expected)
{
    struct path parts[MODEL_DOCUMENT_DEPTH_MAX + 1];

    check_report(reader->check, DIAGNOSTIC_ERROR, (unsigned)mark->line + 1,
                 (unsigned)mark->column + 1, path_here(reader, parts), "found %s, expected %s",
                 what, expected);
    reader->failed = true;
    return -BULKHEAD_EINVALID_INPUT;
}

/* Characters that mean something to YAML at the start of a value and that users forget to quote. */
static const char *quote_hint(const struct reader *reader, const yaml_mark_t *mark)
{
    const char *at = reader->text;
    const char *end = reader->text + reader->len;

    for (size_t line = 0; at && line < mark->line; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at)
            at++;
    }
    if (!at || mark->column >= (size_t)(end - at))
        return "";
    return strchr("*&!@`%|>", at[mark->column]) && at[mark->column]
               ? " (text that starts with * & ! @ ` % | > must be quoted)"
               : "";
}

static int fail_syntax(struct reader *reader, const yaml_parser_t *parser)
{
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    unsigned column = (unsigned)parser->problem_mark.column + 1;
    const char *hint = "";

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR)
        document_position(reader->text, MIN(parser->problem_offset, reader->len), &line, &column);
    else
        hint = quote_hint(reader, parser->context ? &parser->context_mark : &parser->problem_mark);
    if (!*hint && parser->error != YAML_READER_ERROR)
        hint = quote_hint(reader, &parser->problem_mark);
    check_report(reader->check, DIAGNOSTIC_ERROR, line, column, NULL,
                 "found invalid YAML (%s%s%s), expected YAML%s",
                 parser->context ? parser->context : "", parser->context ? ": " : "",
                 parser->problem ? parser->problem : "unreadable", hint);
    return -BULKHEAD_EINVALID_INPUT;
}

static struct frame *top(struct reader *reader)
{
    return reader->depth ? &reader->frames[reader->depth - 1] : NULL;
}

static bool wants_key(struct reader *reader)
{
    const struct frame *frame = top(reader);

    return frame && frame->node->kind == NODE_MAP && !frame->key;
}

/* Put a finished or just opened value where it belongs. */
static int add_value(struct reader *reader, struct node *node)
{
    struct frame *frame = top(reader);

    if (!frame)
        return document_add_root(reader->document, node);
    if (frame->node->kind == NODE_MAP) {
        node->key = frame->key;
        node->key_line = frame->key_line;
        node->key_column = frame->key_column;
        frame->key = NULL;
    }
    if (array_grow(&reader->scratch, reader->n_scratch, sizeof(*reader->scratch)) < 0)
        return -ENOMEM;
    reader->scratch[reader->n_scratch++] = node;
    return 0;
}

static int check_properties(struct reader *reader, const yaml_event_t *event,
                            const yaml_char_t *tag, const yaml_char_t *anchor)
{
    if (anchor)
        fail(reader, &event->start_mark, "an anchor",
             "a plain value (text that starts with & must be quoted)");
    if (tag)
        fail(reader, &event->start_mark, "a YAML tag",
             "a plain value (text that starts with ! must be quoted)");
    return 0;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    bool quoted_style = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    size_t len = event->data.scalar.length;
    struct node *node;

    check_properties(reader, event, event->data.scalar.tag, event->data.scalar.anchor);
    if (memchr(value, '\0', len))
        return fail(reader, &event->start_mark, "a NUL character", "text without it");
    node = document_new_node(reader->document, NODE_STRING, (unsigned)event->start_mark.line + 1,
                             (unsigned)event->start_mark.column + 1);
    if (!node)
        return -ENOMEM;
    node->text = arena_copy(&reader->document->arena, value, len);
    if (!node->text)
        return -ENOMEM;
    node->text_len = len;
    node->quoted = quoted_style;
    if (!quoted_style)
        document_resolve_scalar(node);
    if (wants_key(reader)) {
        struct frame *frame = top(reader);

        if (node->kind != NODE_STRING)
            return fail(reader, &event->start_mark, described(node).text,
                        "a string as key (quote it)");
        frame->key = node->text;
        frame->key_line = node->line;
        frame->key_column = node->column;
        return 0;
    }
    /* An empty document shows as an empty scalar. */
    if (reader->depth == 0 && !quoted_style && len == 0)
        return document_add_root(reader->document, NULL);
    return add_value(reader, node);
}

static int open_collection(struct reader *reader, const yaml_event_t *event, enum node_kind kind)
{
    struct node *node;
    int r;

    if (kind == NODE_LIST)
        check_properties(reader, event, event->data.sequence_start.tag,
                         event->data.sequence_start.anchor);
    else
        check_properties(reader, event, event->data.mapping_start.tag,
                         event->data.mapping_start.anchor);
    if (wants_key(reader))
        return fail(reader, &event->start_mark, kind == NODE_LIST ? "a list" : "a map",
                    "a string as key");
    if (reader->depth == MODEL_DOCUMENT_DEPTH_MAX)
        return fail(reader, &event->start_mark, "lists and maps in each other more than 32 deep",
                    "less depth");
    static_assert(MODEL_DOCUMENT_DEPTH_MAX == 32, "the number in the message");
    node = document_new_node(reader->document, kind, (unsigned)event->start_mark.line + 1,
                             (unsigned)event->start_mark.column + 1);
    if (!node)
        return -ENOMEM;
    r = add_value(reader, node);
    if (r < 0)
        return r;
    reader->frames[reader->depth++] = (struct frame){.node = node, .start = reader->n_scratch};
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
    int r = strcmp(x->key, y->key);

    if (r)
        return r;
    if (x->key_line != y->key_line)
        return x->key_line < y->key_line ? -1 : 1;
    return (x->key_column > y->key_column) - (x->key_column < y->key_column);
}

static void fail_duplicate(struct reader *reader, const struct node *first,
                           const struct node *again)
{
    struct path parts[MODEL_DOCUMENT_DEPTH_MAX + 1];
    struct path path = PATH_KEY(path_here(reader, parts), again->key);

    check_report(reader->check, DIAGNOSTIC_ERROR, again->key_line, again->key_column, &path,
                 "found the key %s again, expected it once (first in line %u)",
                 quoted(again->key).text, first->key_line);
    reader->failed = true;
}

/* Called with the map's frame closed, so that the path is the one of the map's parent and its
 * place. */
static int check_duplicates(struct reader *reader, struct node *map)
{
    _cleanup_free_
    struct node **sorted = NULL;

    if (map->n_children <= PAIRWISE_KEYS_MAX) {
        for (size_t i = 1; i < map->n_children; i++)
            for (size_t j = 0; j < i; j++)
                if (strcmp(map->children[i]->key, map->children[j]->key) == 0) {
                    fail_duplicate(reader, map->children[j], map->children[i]);
                    break;
                }
        return 0;
    }
    sorted = malloc(map->n_children * sizeof(*sorted));
    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, map->children, map->n_children * sizeof(*sorted));
    qsort(sorted, map->n_children, sizeof(*sorted), compare_keys);
    for (size_t i = 1, first = 0; i < map->n_children; i++) {
        if (strcmp(sorted[i]->key, sorted[first]->key) == 0)
            fail_duplicate(reader, sorted[first], sorted[i]);
        else
            first = i;
    }
    return 0;
}

static int close_collection(struct reader *reader)
{
    struct frame *frame = top(reader);
    struct node *node = frame->node;
    int r = 0;

    node->n_children = reader->n_scratch - frame->start;
    node->children = arena_alloc(&reader->document->arena, node->n_children, sizeof(struct node *));
    if (!node->children)
        return -ENOMEM;
    if (node->n_children)
        memcpy(node->children, reader->scratch + frame->start,
               node->n_children * sizeof(struct node *));
    if (node->kind == NODE_MAP)
        r = check_duplicates(reader, node);
    reader->n_scratch = frame->start;
    reader->depth--;
    return r;
}

static int read_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(reader, event, NODE_LIST);
    case YAML_MAPPING_START_EVENT:
        return open_collection(reader, event, NODE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(reader);
    case YAML_ALIAS_EVENT:
        return fail(reader, &event->start_mark, "an alias",
                    "a plain value (text that starts with * must be quoted)");
    default:
        return 0;
    }
}

static int read_stream(struct reader *reader, yaml_parser_t *parser)
{
    bool done = false;

    while (!done) {
        _cleanup_(delete_event) yaml_event_t event = {0};
        int r;

        if (!yaml_parser_parse(parser, &event))
            return fail_syntax(reader, parser);
        r = read_event(reader, &event);
        if (r < 0)
            return r;
        done = event.type == YAML_STREAM_END_EVENT;
    }
    return reader->failed ? -BULKHEAD_EINVALID_INPUT : 0;
}

static int check_directives(const struct check *check, const char *text, size_t len)
{
    const char *end = text + len;
    unsigned n = 0;

    for (const char *at = memchr(text, '%', len); at; at = memchr(at, '%', (size_t)(end - at))) {
        unsigned line, column;
        bool starts_line = at == text || at[-1] == '\n' || at[-1] == '\r';

        at++;
        if (!starts_line || ++n <= DIRECTIVES_MAX)
            continue;
        document_position(text, (size_t)(at - 1 - text), &line, &column);
        check_report(check, DIAGNOSTIC_ERROR, line, column, NULL,
                     "found more than %d lines that start with '%%', expected at most that many",
                     DIRECTIVES_MAX);
        return -BULKHEAD_EINVALID_INPUT;
    }
    return 0;
}

int document_read_yaml(struct document *document, const struct check *check, const char *text,
                       size_t len)
{
    struct reader reader = {.document = document, .check = check, .text = text, .len = len};
    _cleanup_(delete_parser) yaml_parser_t parser = {0};
    int r;

    r = check_directives(check, text, len);
    if (r < 0)
        return r;
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING); /* no guessing of UTF-16 */
    r = read_stream(&reader, &parser);
    free(reader.scratch);
    return r;
}
