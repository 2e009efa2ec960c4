/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_schema */
/*
 * A request body, after a line with the name of the kind: accepted, completed, and accepted again
 * as PUT and PATCH over itself. A line that names no kind stands for one as well.
 */
#include "base/error.h"
#include "fuzz.h"
#include "schema/schema.h"

/* What is computed or answered only has no place in what is stored. */
static void check_sparse(const struct schema_kind *kind, const json_t *sparse)
{
    const struct schema_attribute *attribute;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)sparse, name, value)
    {
        attribute = schema_attribute_find(kind, name);
        FUZZ_CHECK(attribute && !(attribute->flags & SCHEMA_COMPUTED) && !json_is_null(value));
    }
}

static void check_again(const struct schema_kind *kind, const json_t *sparse)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *complete = schema_complete(kind, sparse, NULL, NULL), *again = NULL;
    const struct schema_attribute *attribute;

    FUZZ_CHECK(complete);
    for (size_t i = 0; (attribute = schema_attribute_at(kind, i)); i++)
        FUZZ_CHECK(!json_object_get(complete, attribute->name) ==
                   !!(attribute->flags & SCHEMA_SECRET));
    /* A PUT of what was read changes nothing. */
    FUZZ_CHECK(
        schema_accept(kind, SCHEMA_WRITER_USER, complete, sparse, false, &problems, &again) == 0);
    check_sparse(kind, again);
    FUZZ_CHECK(json_equal(sparse, again));
    json_decref(again);
    FUZZ_CHECK(schema_accept(kind, SCHEMA_WRITER_USER, sparse, sparse, true, &problems, &again) ==
               0);
    FUZZ_CHECK(json_equal(sparse, again));
    json_decref(again);
    json_decref(complete);
}

static void check_kind(const struct schema_kind *kind, const json_t *body)
{
    static const enum schema_writer writers[] = {SCHEMA_WRITER_USER, SCHEMA_WRITER_ENFORCER,
                                                 SCHEMA_WRITER_CONSOLE};

    for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
        _cleanup_schema_problems_ struct schema_problems problems = {0};
        json_t *sparse = NULL;
        int r = schema_accept(kind, writers[i], body, NULL, false, &problems, &sparse);

        FUZZ_CHECK(r == 0 ? problems.n == 0 : r == -BULKHEAD_EINVALID_INPUT && problems.n > 0);
        FUZZ_CHECK((r == 0) == (sparse != NULL));
        for (size_t j = 0; j < problems.n; j++)
            FUZZ_CHECK(*problems.items[j].message);
        if (!sparse)
            continue;
        check_sparse(kind, sparse);
        if (writers[i] == SCHEMA_WRITER_USER)
            check_again(kind, sparse);
        json_decref(sparse);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *body_text = strchr(text, '\n');
    const struct schema_kind *const *kinds, *kind = NULL;
    json_t *body = NULL;
    size_t n;

    if (body_text) {
        *body_text++ = '\0';
        kind = schema_kind_find(text);
        schema_kind_nearest(text);
        body = json_loadb(body_text, size - (size_t)(body_text - text),
                          JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    }
    kinds = schema_kinds(&n);
    if (body)
        check_kind(kind ? kind : kinds[strlen(text) % n], body);
    json_decref(body);
    free(text);
    return 0;
}
