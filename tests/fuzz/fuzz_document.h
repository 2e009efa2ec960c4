/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fuzz.h"
#include "model/model.h"

/* What model.h promises about every node. */
static inline void check_node(const struct node *node, const struct node *parent, unsigned depth)
{
    FUZZ_CHECK(depth <= MODEL_DOCUMENT_DEPTH_MAX);
    FUZZ_CHECK(node->line >= 1 && node->column >= 1);
    FUZZ_CHECK((node->key != NULL) == (parent && parent->kind == NODE_MAP));
    FUZZ_CHECK(!node->key || (node->key_line >= 1 && node->key_column >= 1));
    FUZZ_CHECK(node->key ? node_get(parent, node->key) == node : 1); /* no key twice */
    if (node->kind < NODE_LIST) {
        FUZZ_CHECK(node->n_children == 0);
        FUZZ_CHECK(strlen(node->text) == node->text_len);
        return;
    }
    for (size_t i = 0; i < node->n_children; i++)
        check_node(node->children[i], node, depth + 1);
}

static inline int check_document(const uint8_t *data, size_t size, enum document_format format)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_document_ struct document *document = NULL;
    char *text = fuzz_text(data, size);
    int r = document_parse("f", text, size, format, &diagnostics, &document);

    free(text);
    FUZZ_CHECK((r < 0) == (diagnostics.n_errors > 0));
    FUZZ_CHECK((r < 0) == !document);
    for (size_t i = 0; document && i < document_count(document); i++)
        if (document_root(document, i))
            check_node(document_root(document, i), NULL, 0);
    return 0;
}
