/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tags of all objects, each text once, with the objects that carry it. An object remembers its
 * place in the list of each of its tags, so that leaving is cheap however long the list is.
 */

#include <stddef.h>
#include <stdint.h>

struct object_entry;

struct tag_member {
    struct object_entry *entry;
    uint32_t which; /* of the entry's tags */
};

struct tag_record {
    struct tag_record *next; /* of the same hash */
    uint32_t hash;
    uint32_t n, size;
    struct tag_member *members;
    char text[];
};

struct tag_table {
    struct tag_record **heads;
    size_t n, n_heads; /* n_heads: a power of two */
};

uint32_t tag_table_hash(const char *text);
const struct tag_record *tag_table_find(const struct tag_table *table, const char *text);
/* Adds a member; the text that lasts as long as the membership. NULL on ENOMEM. */
char *tag_table_join(struct tag_table *table, const char *text, struct object_entry *entry,
                     uint32_t which, uint32_t *ret_place);
void tag_table_leave(struct tag_table *table, char *text, uint32_t place);
void tag_table_clear(struct tag_table *table);
