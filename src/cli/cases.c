/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"

#define CASE_PATH_MAX 64

struct reader {
    const struct document *document;
    struct diagnostics *diagnostics;
    const struct node *map;
    char path[CASE_PATH_MAX]; /* of the map: "[3]" */
    bool out_of_memory;
};

static void complain(struct reader *reader, const struct node *node, const char *key,
                     const char *problem)
{
    char path[CASE_PATH_MAX + 16];

    snprintf(path, sizeof(path), "%s%s%s", reader->path, *key ? "." : "", key);
    diagnostics_add(reader->diagnostics, DIAGNOSTIC_ERROR, document_file(reader->document),
                    node->line, node->column, path, "%s", problem);
}

/* "found 'x', <expected>" */
static void complain_found(struct reader *reader, const struct node *node, const char *key,
                           const char *expected)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(PEER_PROBLEM_MAX);

    buf_puts(&buf, "found ");
    text_quote(&buf, node->text, node->text_len);
    buf_printf(&buf, ", expected %s", expected);
    complain(reader, node, key, buf.data ? buf.data : expected);
}

static const char *read_peer(struct reader *reader, const char *key, struct peer *peer)
{
    const struct node *node = node_get(reader->map, key);
    char problem[PEER_PROBLEM_MAX];
    int r = peer_parse(node->text, peer, problem);

    if (r == -EINVAL)
        complain(reader, node, key, problem);
    else if (r < 0)
        reader->out_of_memory = true;
    return node->text;
}

static const char *read_port(struct reader *reader, uint8_t *protocol, uint16_t *port)
{
    const struct node *node = node_get(reader->map, "port");
    const char *why = NULL;

    if (port_parse(node->text, protocol, port, &why) < 0)
        complain_found(reader, node, "port", why);
    return node->text;
}

static const char *read_expect(struct reader *reader)
{
    const struct node *node = node_get(reader->map, "expect");

    if (!node)
        return NULL;
    if (strcmp(node->text, "Accept") != 0 && strcmp(node->text, "Reject") != 0)
        complain_found(reader, node, "expect", "Accept or Reject");
    return node->text;
}

static const char *read_namespace(struct reader *reader)
{
    const struct node *node = node_get(reader->map, "namespace");
    const char *why = node ? namespace_problem(node->text) : NULL;

    if (why)
        complain_found(reader, node, "namespace", why);
    return node ? node->text : NULL;
}

static void read_case(struct reader *reader, struct flow_case *ret)
{
    static const struct node_field fields[] = {
        {"from", 1u << NODE_STRING, true},       {"to", 1u << NODE_STRING, true},
        {"port", 1u << NODE_STRING, true},       {"expect", 1u << NODE_STRING, false},
        {"namespace", 1u << NODE_STRING, false},
    };
    size_t errors = reader->diagnostics->n_errors;

    if (reader->map->kind != NODE_MAP) {
        char problem[PEER_PROBLEM_MAX];

        snprintf(problem, sizeof(problem), "found %s, expected an object {from, to, port, expect?}",
                 node_kind_name(reader->map));
        complain(reader, reader->map, "", problem);
        return;
    }
    if (!node_check_map(reader->document, reader->map, reader->path, fields, ARRAY_SIZE(fields),
                        reader->diagnostics))
        return;
    ret->from_text = read_peer(reader, "from", &ret->from);
    ret->to_text = read_peer(reader, "to", &ret->to);
    ret->port_text = read_port(reader, &ret->protocol, &ret->port);
    ret->expect = read_expect(reader);
    ret->namespace = read_namespace(reader);
    if (reader->diagnostics->n_errors == errors && !peer_has_identity(&ret->from) &&
        !peer_has_identity(&ret->to))
        complain(reader, reader->map, "",
                 "found two peers without identity, expected tags: in from or to: nothing enforces "
                 "between them");
}

static int check_root(const struct document *document, const char *file,
                      struct diagnostics *diagnostics, const struct node **ret)
{
    const struct node *root = document_count(document) == 1 ? document_root(document, 0) : NULL;

    if (document_count(document) != 1 || !root) {
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, file, 1, 1, NULL,
                        "found %zu documents, expected one list of {from, to, port, expect?}",
                        root ? document_count(document) : (size_t)0);
        return -BULKHEAD_EINVALID_INPUT;
    }
    if (root->kind != NODE_LIST) {
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, file, root->line, root->column, NULL,
                        "found %s, expected a list of {from, to, port, expect?}",
                        node_kind_name(root));
        return -BULKHEAD_EINVALID_INPUT;
    }
    if (root->n_children > CASES_MAX) {
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, file, root->line, root->column, NULL,
                        "found %zu cases, expected at most %d", root->n_children, CASES_MAX);
        return -BULKHEAD_EINVALID_INPUT;
    }
    *ret = root;
    return 0;
}

int flow_cases_parse(const char *file, const char *text, size_t len,
                     struct diagnostics *diagnostics, struct flow_cases *cases)
{
    const char *dot = strrchr(file, '.');
    bool yaml = dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
    struct reader reader = {.diagnostics = diagnostics};
    const struct node *root;
    size_t errors = diagnostics->n_errors;
    int r = document_parse(file, text, len, yaml ? DOCUMENT_YAML : DOCUMENT_JSON, diagnostics,
                           &cases->document);

    if (r < 0)
        return r;
    r = check_root(cases->document, file, diagnostics, &root);
    if (r < 0)
        return r;
    cases->items = calloc(root->n_children + 1, sizeof(*cases->items));
    if (!cases->items)
        return -ENOMEM;
    cases->n = root->n_children;
    reader.document = cases->document;
    for (size_t i = 0; i < cases->n && !reader.out_of_memory; i++) {
        reader.map = root->children[i];
        snprintf(reader.path, sizeof(reader.path), "[%zu]", i);
        read_case(&reader, &cases->items[i]);
    }
    if (reader.out_of_memory)
        return -ENOMEM;
    return diagnostics->n_errors > errors ? -BULKHEAD_EINVALID_INPUT : 0;
}

void flow_cases_clear(struct flow_cases *cases)
{
    for (size_t i = 0; i < cases->n; i++) {
        peer_clear(&cases->items[i].from);
        peer_clear(&cases->items[i].to);
    }
    free(cases->items);
    document_free(&cases->document);
    *cases = (struct flow_cases){0};
}
