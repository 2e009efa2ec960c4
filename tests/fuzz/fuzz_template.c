/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_cli */
/* A template, run on a fixed tree; then what came out is read as an import file. Nothing may go
 * wrong but with a message that has file and line. */
#include <jansson.h>

#include <errno.h>

#include "base/error.h"
#include "cli/template/template.h"
#include "fuzz.h"
#include "model/model.h"

static const char values[] =
    "{\"Values\": {\"a\": \"x\", \"n\": 3, \"l\": [1, \"two\", [3]], \"m\": {\"k\": \"v\"}}}";

static void check_result(int r, const struct buf *problem)
{
    FUZZ_CHECK(r == 0 || r == -BULKHEAD_EINVALID_INPUT || r == -ENOMEM);
    if (r == -BULKHEAD_EINVALID_INPUT && !problem->error)
        FUZZ_CHECK(problem->data && strncmp(problem->data, "f:", 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_template_ struct template *template = NULL;
    _cleanup_template_output_ struct template_output out = TEMPLATE_OUTPUT_INIT;
    _cleanup_buf_ struct buf problem = BUF_INIT(8192);
    json_t *root = json_loads(values, 0, NULL);
    char *text = fuzz_text(data, size);
    int r = template_parse("f", text, size, &problem, &template);

    check_result(r, &problem);
    if (r == 0) {
        r = template_run(template, root, &problem, &out);
        check_result(r, &problem);
    }
    if (r == 0 && out.text.data) {
        _cleanup_document_ struct document *document = NULL;
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        unsigned lines = 1;

        for (size_t i = 0; i < out.text.len; i++)
            lines += out.text.data[i] == '\n';
        FUZZ_CHECK(out.n_lines == lines);
        FUZZ_CHECK(template_output_line(&out, lines) >= 1);
        document_parse("f", out.text.data, out.text.len, DOCUMENT_YAML, &diagnostics, &document);
    }
    json_decref(root);
    free(text);
    return 0;
}
