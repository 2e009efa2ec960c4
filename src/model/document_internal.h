/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the YAML and the JSON reader share. Private to model. */

#include "model/arena.h"
#include "model/check.h"

struct document {
    char *file;
    struct arena arena;
    struct node **roots; /* NULL for an empty document */
    size_t n_roots, n_nodes;
};

/* NULL when there is no memory, or too many nodes (document->n_nodes > MODEL_DOCUMENT_NODES_MAX
 * then). */
struct node *document_new_node(struct document *document, enum node_kind kind, unsigned line,
                               unsigned column);
int document_add_root(struct document *document, struct node *root);
/* Line and column (in characters, from 1) of a byte. */
void document_position(const char *text, size_t offset, unsigned *ret_line, unsigned *ret_column);
/* What a scalar without quotes is in the core schema of YAML 1.2; sets kind, boolean, integer. */
void document_resolve_scalar(struct node *node);

/* 0, -ENOMEM, or -BULKHEAD_EINVALID_INPUT with a diagnostic. Text is UTF-8 without NUL. */
int document_read_yaml(struct document *document, const struct check *check, const char *text,
                       size_t len);
int document_read_json(struct document *document, const struct check *check, const char *text,
                       size_t len);
