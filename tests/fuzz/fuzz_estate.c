/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_model */
/* An import envelope: YAML, or JSON when it starts with '{'. What is accepted must survive being
 * printed. */
#include "fuzz.h"
#include "model/model.h"

static struct estate *read_estate(const char *text, size_t size, enum document_format format)
{
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct estate *estate = NULL;
    int added, finished;

    FUZZ_CHECK(estate_builder_new("/fuzz", &builder) == 0);
    added = estate_builder_add(builder, "f", text, size, format, &diagnostics);
    finished = estate_builder_finish(builder, &diagnostics, &estate);
    FUZZ_CHECK((finished < 0) == (diagnostics.n_errors > 0));
    FUZZ_CHECK(added == 0 || finished < 0);
    FUZZ_CHECK((finished < 0) == !estate);
    for (size_t i = 0; i < diagnostics.n; i++) {
        char *line = diagnostic_format(&diagnostics.items[i]);

        FUZZ_CHECK(line && !strpbrk(line, "\n\r\x1b"));
        free(line);
    }
    return estate;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_estate_ struct estate *estate = NULL, *again = NULL;
    char *text = fuzz_text(data, size), *printed, *printed_again;

    estate = read_estate(text, size, *text == '{' ? DOCUMENT_JSON : DOCUMENT_YAML);
    free(text);
    if (!estate)
        return 0;
    printed = estate_format(estate);
    FUZZ_CHECK(printed);
    again = read_estate(printed, strlen(printed), DOCUMENT_YAML);
    FUZZ_CHECK(again);
    printed_again = estate_format(again);
    FUZZ_CHECK(strcmp(printed, printed_again) == 0);
    FUZZ_CHECK(estate->n_rulesets == again->n_rulesets && estate->n_networks == again->n_networks);
    for (size_t i = 0; i < estate->n_networks; i++)
        FUZZ_CHECK(tag_set_equal(&estate->networks[i].tags, &again->networks[i].tags));
    free(printed);
    free(printed_again);
    return 0;
}
