/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/text.h"
#include "model/document_internal.h"

/*
 * jansson decides what is valid and gives the values. The cursor then walks over the text, which is
 * known to be valid, beside the values (objects keep their order) only to learn where each one is.
 */
struct cursor {
    struct document *document;
    const struct check *check;
    const char *at, *end;
    unsigned line, column;
};

static void free_json(json_t **json)
{
    json_decref(*json);
}

static void step(struct cursor *cursor)
{
    unsigned char byte = (unsigned char)*cursor->at++;

    if (byte == '\n') {
        cursor->line++;
        cursor->column = 1;
    } else if ((byte & 0xc0) != 0x80) {
        cursor->column++;
    }
}

static char peek(const struct cursor *cursor)
{
    assert(cursor->at < cursor->end); /* jansson has accepted the text */
    return *cursor->at;
}

/* White space and the punctuation between values. */
static void skip_between(struct cursor *cursor)
{
    while (cursor->at < cursor->end && *cursor->at && strchr(" \t\r\n,:", *cursor->at))
        step(cursor);
}

static void skip_string(struct cursor *cursor)
{
    step(cursor);
    while (peek(cursor) != '"') {
        if (*cursor->at == '\\')
            step(cursor);
        step(cursor);
    }
    step(cursor);
}

static void skip_word(struct cursor *cursor)
{
    while (cursor->at < cursor->end && *cursor->at && !strchr(" \t\r\n,:]}", *cursor->at))
        step(cursor);
}

static int walk(struct cursor *cursor, const json_t *json, const struct path *path, unsigned depth,
                struct node **ret);

static int walk_object(struct cursor *cursor, const json_t *json, const struct path *path,
                       unsigned depth, struct node *node)
{
    json_t *object = (json_t *)json; /* the iterator of jansson changes nothing */
    void *iter = json_object_iter(object);

    for (size_t i = 0; iter; i++, iter = json_object_iter_next(object, iter)) {
        const char *key = json_object_iter_key(iter);
        struct path here = PATH_KEY(path, key);
        unsigned line, column;
        int r;

        skip_between(cursor);
        line = cursor->line;
        column = cursor->column;
        skip_string(cursor);
        r = walk(cursor, json_object_iter_value(iter), &here, depth + 1, &node->children[i]);
        if (r < 0)
            return r;
        node->children[i]->key = arena_copy(&cursor->document->arena, key, strlen(key));
        if (!node->children[i]->key)
            return -ENOMEM;
        node->children[i]->key_line = line;
        node->children[i]->key_column = column;
    }
    return 0;
}

static int walk_collection(struct cursor *cursor, const json_t *json, const struct path *path,
                           unsigned depth, struct node *node)
{
    int r = 0;

    if (depth == MODEL_DOCUMENT_DEPTH_MAX) {
        check_error(cursor->check, node, path,
                    "found lists and maps in each other more than %d deep, expected less depth",
                    MODEL_DOCUMENT_DEPTH_MAX);
        return -BULKHEAD_EINVALID_INPUT;
    }
    node->kind = json_is_object(json) ? NODE_MAP : NODE_LIST;
    node->n_children = json_is_object(json) ? json_object_size(json) : json_array_size(json);
    node->children = arena_alloc(&cursor->document->arena, node->n_children, sizeof(struct node *));
    if (!node->children)
        return -ENOMEM;
    step(cursor);
    if (json_is_object(json))
        r = walk_object(cursor, json, path, depth, node);
    for (size_t i = 0; json_is_array(json) && r == 0 && i < node->n_children; i++) {
        struct path here = PATH_INDEX(path, i);

        r = walk(cursor, json_array_get(json, i), &here, depth + 1, &node->children[i]);
    }
    if (r < 0)
        return r;
    skip_between(cursor);
    assert(peek(cursor) == (node->kind == NODE_MAP ? '}' : ']'));
    step(cursor);
    return 0;
}

static int walk_scalar(struct cursor *cursor, const json_t *json, struct node *node)
{
    const char *text = cursor->at;
    size_t len;

    if (json_is_string(json)) {
        skip_string(cursor);
        node->kind = NODE_STRING;
        node->quoted = true;
        text = json_string_value(json);
        len = json_string_length(json);
    } else {
        skip_word(cursor);
        len = (size_t)(cursor->at - text);
        node->kind = json_is_null(json)      ? NODE_NULL
                     : json_is_boolean(json) ? NODE_BOOL
                     : json_is_integer(json) ? NODE_INTEGER
                                             : NODE_FLOAT;
        node->boolean = json_is_true(json);
        node->integer = json_integer_value(json);
    }
    node->text = arena_copy(&cursor->document->arena, text, len);
    node->text_len = len;
    return node->text ? 0 : -ENOMEM;
}

static int walk(struct cursor *cursor, const json_t *json, const struct path *path, unsigned depth,
                struct node **ret)
{
    struct node *node;
    int r;

    skip_between(cursor);
    node = document_new_node(cursor->document, NODE_NULL, cursor->line, cursor->column);
    if (!node)
        return -ENOMEM;
    if (json_is_object(json) || json_is_array(json))
        r = walk_collection(cursor, json, path, depth, node);
    else
        r = walk_scalar(cursor, json, node);
    if (r < 0)
        return r;
    *ret = node;
    return 0;
}

static const char *syntax_problem(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        return "a key again in the same object";
    case json_error_premature_end_of_input:
        return "the end of the text";
    case json_error_end_of_input_expected:
        return "more text after the value";
    case json_error_stack_overflow:
        return "too deep nesting";
    case json_error_numeric_overflow:
        return "a number that is too large";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    default:
        return "invalid JSON";
    }
}

/* jansson ends its text with: near 'TOKEN'. Its column is the one of the last character of the
 * token. */
static int fail_syntax(const struct check *check, const json_error_t *error)
{
    const char *near = strstr(error->text, " near '");
    size_t len = near ? strlen(near + 7) : 0;
    unsigned line = error->line > 0 ? (unsigned)error->line : 1;
    unsigned column = error->column > 0 ? (unsigned)error->column : 1;

    /* It says nothing at all when an allocation fails in the middle. */
    if (json_error_code(error) == json_error_out_of_memory || !*error->text)
        return -ENOMEM;
    if (len > 1) {
        unsigned back = (unsigned)text_utf8_count(near + 7, len - 1) - 1;

        column -= MIN(back, column - 1);
    }
    check_report(check, DIAGNOSTIC_ERROR, line, column, NULL, "found %s%s%s, expected %s",
                 syntax_problem(error), len > 1 ? " at " : "",
                 len > 1 ? quoted_len(near + 7, len - 1).text : "",
                 json_error_code(error) == json_error_duplicate_key ? "each key once"
                                                                    : "one JSON value (RFC 8259)");
    return -BULKHEAD_EINVALID_INPUT;
}

int document_read_json(struct document *document, const struct check *check, const char *text,
                       size_t len)
{
    struct cursor cursor = {.document = document,
                            .check = check,
                            .at = text,
                            .end = text + len,
                            .line = 1,
                            .column = 1};
    _cleanup_(free_json) json_t *json = NULL;
    struct path root = PATH_ROOT;
    json_error_t error;
    struct node *node;
    int r;

    if (strspn(text, " \t\r\n") == len)
        return 0; /* an empty file has no document, in JSON as in YAML */
    json = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!json)
        return fail_syntax(check, &error);
    r = walk(&cursor, json, &root, 0, &node);
    if (r < 0)
        return r;
    return document_add_root(document, node);
}
