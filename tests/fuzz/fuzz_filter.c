/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_schema */
/* A filter, parsed and put to an object that has a value of every type. */
#include <errno.h>

#include "base/error.h"
#include "fuzz.h"
#include "schema/filter.h"

static const json_t *get(void *context, const char *key, json_t **ret_owned)
{
    /* One attribute is made anew at each look. */
    if (strcmp(key, "made") == 0)
        return *ret_owned = json_string("2026-01-01T00:00:00Z");
    return json_object_get(context, key);
}

static bool count(void *context, const char *key)
{
    FUZZ_CHECK(*key != '$');
    ++*(size_t *)context;
    return true;
}

/* Depth of the tree; checks what each node must have. */
static size_t check_node(const struct filter_node *node)
{
    if (node->op == FILTER_AND || node->op == FILTER_OR) {
        FUZZ_CHECK(node->left && node->right && !node->key);
        return 1 + check_node(node->left) + check_node(node->right);
    }
    FUZZ_CHECK(node->key && !node->left && !node->right);
    FUZZ_CHECK(!node->value == (node->op == FILTER_EXISTS || node->op == FILTER_NOT_EXISTS));
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *object;
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    _cleanup_filter_ struct filter *filter = NULL;
    char *text = fuzz_text(data, size);
    size_t n = 0;
    int r;

    if (!object)
        object = json_loads("{\"a\": 1, \"b\": \"x y\", \"c\": [\"a=b\", \"c=d\"], \"d\": 1.5,"
                            "\"e\": true, \"f\": null, \"t\": \"2026-01-01T00:00:00Z\", \"g\": {}}",
                            0, NULL);
    r = filter_parse(text, 1767225600000, &problem, &filter);
    FUZZ_CHECK(r == 0 || r == -EINVAL || r == -BULKHEAD_ETOOMANY);
    FUZZ_CHECK((r == 0) == (filter != NULL) && (r == 0 || problem.len > 0));
    if (filter) {
        FUZZ_CHECK(check_node(filter_root(filter)) <= FILTER_NODES_MAX);
        FUZZ_CHECK(filter_keys(filter, count, &n) && n > 0);
        filter_matches(filter, get, object);
    }
    free(text);
    return 0;
}
