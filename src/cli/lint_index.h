/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "model/model.h"

/*
 * Finds among many clauses those that can meet a given one, without trying each. Two clauses can
 * meet when they share a tag or when no key of one is a key of the other; the rest cannot, so that
 * it is enough to look the clause's tags up, and at each distinct set of keys (there are few).
 */
struct lint_index;

int lint_index_new(struct lint_index **ret);
void lint_index_free(struct lint_index **index);
#define _cleanup_lint_index_ _cleanup_(lint_index_free)

/* `clause` must outlive the index; several clauses may have the same item. 0 or -ENOMEM. */
int lint_index_add(struct lint_index *index, const struct tag_set *clause, size_t item);

/* Try one item; true ends the search. */
typedef bool lint_try_fn(void *arg, size_t item);
/* Every item that may meet `clause`, some perhaps twice. True when one try was. */
bool lint_index_meets(const struct lint_index *index, const struct tag_set *clause,
                      lint_try_fn *try, void *arg);
/* Every item with this tag. */
bool lint_index_has(const struct lint_index *index, const char *tag, lint_try_fn *try, void *arg);

/* Length of "key=" in a tag. */
size_t lint_key_len(const char *tag);
