/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "model/model.h"

#define NEAREST_WORD_MAX 64

static unsigned lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A' + 'a') : (unsigned char)c;
}

/* Edits between two words when case is ignored: insert, delete, replace, swap of neighbours. */
static unsigned distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    unsigned rows[3][NEAREST_WORD_MAX + 1];

    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n_b; j++) {
            unsigned same = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;

            row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + same);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = MIN(row[j], above2[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

const char *nearest_word(const char *word, const char *const *words, size_t n)
{
    size_t len = strnlen(word, NEAREST_WORD_MAX + 1);
    const char *best = NULL;
    unsigned best_distance = 0;

    if (len == 0 || len > NEAREST_WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strnlen(words[i], NEAREST_WORD_MAX + 1);
        unsigned d;

        if (other > NEAREST_WORD_MAX)
            continue;
        d = distance(word, len, words[i], other);
        /* A third of the word may be wrong, but never all of it. */
        if (d <= MAX(len, other) / 3 && d < len && (!best || d < best_distance)) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}
