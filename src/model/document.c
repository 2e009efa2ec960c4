/* SPDX-License-Identifier: Apache-2.0 */
#include "model/document_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"

#define FIELDS_MAX 64
#define EXPECTED_TEXT_MAX 4096

struct node *document_new_node(struct document *document, enum node_kind kind, unsigned line,
                               unsigned column)
{
    struct node *node;

    if (document->n_nodes++ >= MODEL_DOCUMENT_NODES_MAX)
        return NULL;
    node = arena_alloc(&document->arena, 1, sizeof(*node));
    if (!node)
        return NULL;
    node->kind = kind;
    node->line = line;
    node->column = column;
    return node;
}

int document_add_root(struct document *document, struct node *root)
{
    if (array_grow(&document->roots, document->n_roots, sizeof(*document->roots)) < 0)
        return -ENOMEM;
    document->roots[document->n_roots++] = root;
    return 0;
}

void document_position(const char *text, size_t offset, unsigned *ret_line, unsigned *ret_column)
{
    unsigned line = 1;
    size_t start = 0;

    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    *ret_line = line;
    *ret_column = (unsigned)text_utf8_count(text + start, offset - start) + 1;
}

static bool check_bytes(const struct check *check, const char *text, size_t len)
{
    unsigned line, column;
    const char *nul;
    size_t bad;

    if (len > MODEL_DOCUMENT_BYTES_MAX) {
        check_report(check, DIAGNOSTIC_ERROR, 0, 0, NULL, "found %zu bytes, expected at most %u",
                     len, MODEL_DOCUMENT_BYTES_MAX);
        return false;
    }
    nul = memchr(text, '\0', len);
    if (nul) {
        document_position(text, (size_t)(nul - text), &line, &column);
        check_report(check, DIAGNOSTIC_ERROR, line, column, NULL,
                     "found a NUL byte, expected UTF-8 text");
        return false;
    }
    if (!text_utf8_valid(text, len, &bad)) {
        document_position(text, bad, &line, &column);
        check_report(check, DIAGNOSTIC_ERROR, line, column, NULL,
                     "found the byte 0x%02x, expected UTF-8 text", (unsigned char)text[bad]);
        return false;
    }
    return true;
}

int document_parse(const char *file, const char *text, size_t len, enum document_format format,
                   struct diagnostics *diagnostics, struct document **ret)
{
    _cleanup_document_ struct document *document = NULL;
    struct check check = {.file = file, .diagnostics = diagnostics};
    int r;

    assert(file);
    assert(text || len == 0);
    assert(diagnostics);
    assert(ret);

    if (!text)
        text = "";
    if (!check_bytes(&check, text, len))
        return -BULKHEAD_EINVALID_INPUT;
    document = calloc(1, sizeof(*document));
    if (!document)
        return -ENOMEM;
    document->file = strdup(file);
    if (!document->file)
        return -ENOMEM;
    r = format == DOCUMENT_JSON ? document_read_json(document, &check, text, len)
                                : document_read_yaml(document, &check, text, len);
    if (document->n_nodes > MODEL_DOCUMENT_NODES_MAX) {
        check_report(&check, DIAGNOSTIC_ERROR, 0, 0, NULL,
                     "found too many values, expected at most %u", MODEL_DOCUMENT_NODES_MAX);
        return -BULKHEAD_EINVALID_INPUT;
    }
    if (r < 0)
        return r;
    *ret = TAKE_PTR(document);
    return 0;
}

void document_free(struct document **document)
{
    if (!document || !*document)
        return;
    arena_clear(&(*document)->arena);
    free((*document)->roots);
    free((*document)->file);
    free(*document);
    *document = NULL;
}

size_t document_count(const struct document *document)
{
    assert(document);

    return document->n_roots;
}

const struct node *document_root(const struct document *document, size_t i)
{
    assert(document);
    assert(i < document->n_roots);

    return document->roots[i];
}

const char *document_file(const struct document *document)
{
    assert(document);

    return document->file;
}

enum document_format document_format_of(const char *file)
{
    size_t len;

    assert(file);

    len = strlen(file);
    return len >= 5 && strcasecmp(file + len - 5, ".json") == 0 ? DOCUMENT_JSON : DOCUMENT_YAML;
}

const struct node *node_get(const struct node *map, const char *key)
{
    assert(map);
    assert(key);

    if (map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->n_children; i++)
        if (strcmp(map->children[i]->key, key) == 0)
            return map->children[i];
    return NULL;
}

static const char *const kind_names[] = {
    [NODE_NULL] = "nothing",   [NODE_BOOL] = "a boolean",  [NODE_INTEGER] = "an integer",
    [NODE_FLOAT] = "a number", [NODE_STRING] = "a string", [NODE_LIST] = "a list",
    [NODE_MAP] = "a map",
};

const char *node_kind_name(const struct node *node)
{
    assert(node);

    return kind_names[node->kind];
}

static bool is_digits(const char *text, size_t len, const char *digits)
{
    return len > 0 && strspn(text, digits) == len;
}

/* [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+ */
static bool is_integer(const char *text, size_t len, int *ret_base, size_t *ret_skip)
{
    size_t sign = *text == '-' || *text == '+';

    *ret_base = 10;
    *ret_skip = 0;
    if (is_digits(text + sign, len - sign, "0123456789"))
        return true;
    if (len <= 2 || text[0] != '0')
        return false;
    *ret_skip = 2;
    *ret_base = text[1] == 'o' ? 8 : 16;
    if (text[1] == 'o')
        return is_digits(text + 2, len - 2, "01234567");
    return text[1] == 'x' && is_digits(text + 2, len - 2, "0123456789abcdefABCDEF");
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? | [-+]?\.(inf|Inf|INF) | \.(nan|NaN|NAN) */
static bool is_float(const char *text)
{
    static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
    const char *at = text + (*text == '-' || *text == '+');
    size_t whole, fraction = 0;

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(i < 3 ? at : text, words[i]) == 0)
            return true;
    whole = strspn(at, "0123456789");
    at += whole;
    if (*at == '.') {
        fraction = strspn(at + 1, "0123456789");
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        size_t n;

        at += 1 + (at[1] == '-' || at[1] == '+');
        n = strspn(at, "0123456789");
        if (n == 0)
            return false;
        at += n;
    }
    return *at == '\0';
}

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

void document_resolve_scalar(struct node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const trues[] = {"true", "True", "TRUE"};
    static const char *const falses[] = {"false", "False", "FALSE"};
    size_t skip;
    int base;

    node->kind = NODE_STRING;
    if (*node->text && !strchr("~nNtTfF+-.0123456789", *node->text))
        return; /* most of them */
    if (is_one_of(node->text, nulls, ARRAY_SIZE(nulls))) {
        node->kind = NODE_NULL;
    } else if (is_one_of(node->text, trues, ARRAY_SIZE(trues))) {
        node->kind = NODE_BOOL;
        node->boolean = true;
    } else if (is_one_of(node->text, falses, ARRAY_SIZE(falses))) {
        node->kind = NODE_BOOL;
    } else if (is_integer(node->text, node->text_len, &base, &skip)) {
        errno = 0;
        node->integer = strtoll(node->text + skip, NULL, base);
        node->kind = errno ? NODE_FLOAT : NODE_INTEGER; /* past 64 bits: a number, but no integer */
    } else if (is_float(node->text)) {
        node->kind = NODE_FLOAT;
    }
}

static const struct node_field *find_field(const struct node_field *fields, size_t n,
                                           const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].key, key) == 0)
            return &fields[i];
    return NULL;
}

static void report_unknown(const struct check *check, const struct node *child,
                           const struct path *path, const struct node_field *fields, size_t n)
{
    _cleanup_buf_ struct buf text = BUF_INIT(EXPECTED_TEXT_MAX);
    const char *words[FIELDS_MAX];
    const char *near;

    for (size_t i = 0; i < n; i++)
        words[i] = fields[i].key;
    near = nearest_word(child->key, words, n);
    if (near) {
        buf_printf(&text, "'%s'", near);
    } else {
        buf_puts(&text, n ? "one of " : "no keys");
        for (size_t i = 0; i < n; i++)
            buf_printf(&text, "%s%s", i ? ", " : "", words[i]);
    }
    check_report(check, DIAGNOSTIC_ERROR, child->key_line, child->key_column, path,
                 "found the unknown key %s, expected %s", quoted(child->key).text,
                 text.data ? text.data : "another key");
}

static void report_kind(const struct check *check, const struct node *child,
                        const struct path *path, unsigned kinds)
{
    static const char *const words[] = {
        [NODE_NULL] = "nothing",   [NODE_BOOL] = "true or false", [NODE_INTEGER] = "an integer",
        [NODE_FLOAT] = "a number", [NODE_STRING] = "a string",    [NODE_LIST] = "a list",
        [NODE_MAP] = "a map",
    };
    char expected[128] = "";
    size_t at = 0;

    /* "nothing" is allowed in many places, but it is never what the reader of the message looks
     * for. */
    for (unsigned kind = NODE_BOOL; kind <= NODE_MAP; kind++)
        if (kinds & 1u << kind && at < sizeof(expected))
            at += (size_t)snprintf(expected + at, sizeof(expected) - at, "%s%s", at ? " or " : "",
                                   words[kind]);
    check_error(check, child, path, "found %s, expected %s%s", described(child).text, expected,
                kinds & 1u << NODE_STRING && child->kind < NODE_STRING && child->kind != NODE_NULL
                    ? " (quote it)"
                    : "");
}

bool check_map(const struct check *check, const struct node *map, const struct path *path,
               const struct node_field *fields, size_t n)
{
    bool ok = true;

    assert(n <= FIELDS_MAX);

    if (map->kind != NODE_MAP) {
        check_error(check, map, path, "found %s, expected a map", described(map).text);
        return false;
    }
    for (size_t i = 0; i < map->n_children; i++) {
        const struct node *child = map->children[i];
        const struct node_field *field = find_field(fields, n, child->key);
        struct path here = PATH_KEY(path, child->key);

        if (!field)
            report_unknown(check, child, &here, fields, n);
        else if (!(field->kinds & 1u << child->kind))
            report_kind(check, child, &here, field->kinds);
        else
            continue;
        ok = false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!fields[i].required || node_get(map, fields[i].key))
            continue;
        check_error(check, map, path, "found no '%s', expected this key", fields[i].key);
        ok = false;
    }
    return ok;
}

bool node_check_map(const struct document *document, const struct node *map, const char *path,
                    const struct node_field *fields, size_t n, struct diagnostics *diagnostics)
{
    struct check check = {.file = document_file(document), .diagnostics = diagnostics};
    struct path root = {.key = path};

    assert(map);
    assert(fields || n == 0);
    assert(diagnostics);

    return check_map(&check, map, &root, fields, n);
}
