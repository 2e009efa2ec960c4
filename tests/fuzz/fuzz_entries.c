/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_enforcer bh_link bh_model */
#include <stdlib.h>

#include "enforcer/view.h"
#include "fuzz.h"

/*
 * Lines "KEY SPACE BODY" as a set of entries; documents are believed, so that their claims are
 * read. What is taken keeps the promises of view.h, and removing all of it leaves nothing.
 */

static void put_line(struct entries *entries, char *line)
{
    char *space = strchr(line, ' ');
    struct link_entry entry = {.key = line, .version = strlen(line)};

    if (!space || space == line || space - line > LINK_KEY_MAX)
        return;
    *space = '\0';
    entry.body = space + 1;
    entry.body_len = strlen(entry.body);
    FUZZ_CHECK(entries_put(entries, &entry) == 0);
}

static void check(const struct view *view)
{
    FUZZ_CHECK(view->estate);
    for (size_t i = 0; i < view->n_identities; i++)
        FUZZ_CHECK(view->identities[i]->id && view->identities[i]->namespace &&
                   (i == 0 || view->identities[i - 1]->id <= view->identities[i]->id));
    for (size_t i = 0; i < view->n_hosts; i++)
        FUZZ_CHECK(view->hosts[i]->id && view->hosts[i]->n_keys <= DOCUMENT_KEYS_MAX);
    for (size_t i = 0; i < view->profile.ignore.n; i++)
        FUZZ_CHECK(view->profile.ignore.clauses[i].n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct link_digest nothing;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct entries entries = {0};
    struct view *view = NULL;
    char *text = fuzz_text(data, size);
    int r;

    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        put_line(&entries, line);
    }
    for (struct entry *entry = entries.table; entry; entry = entry->hh.next)
        entry->believed = true;
    r = view_new(&entries, "/", 1, &diagnostics, &view);
    FUZZ_CHECK((r == 0) == (view != NULL));
    FUZZ_CHECK(r == 0 || diagnostics.n_errors > 0 || r < 0);
    while (entries.table) {
        char key[LINK_KEY_MAX + 1];
        const struct link_entry gone = {.key = key};

        snprintf(key, sizeof(key), "%s", entries.table->key);
        FUZZ_CHECK(entries_put(&entries, &gone) == 0);
    }
    FUZZ_CHECK(entries.n == 0 && entries.bytes == 0);
    FUZZ_CHECK(memcmp(&entries.digest, &nothing, sizeof(nothing)) == 0);
    if (view)
        check(view);
    view_free(&view);
    free(text);
    return 0;
}
