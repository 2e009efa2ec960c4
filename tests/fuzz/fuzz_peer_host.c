/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_model */
#include "fuzz.h"
#include "model/model.h"

static struct peer_host *read_host(const char *text, size_t size, enum document_format format)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct peer_host *host = NULL;
    int r = peer_host_parse("f", text, size, format, &diagnostics, &host);

    FUZZ_CHECK((r < 0) == (diagnostics.n_errors > 0));
    FUZZ_CHECK((r < 0) == !host);
    return host;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *printed, *printed_again;
    struct peer_host *host, *again;

    host = read_host(text, size, *text == '{' ? DOCUMENT_JSON : DOCUMENT_YAML);
    free(text);
    if (!host)
        return 0;
    FUZZ_CHECK(host->enforcer_id != 0);
    printed = peer_host_format(host);
    again = read_host(printed, strlen(printed), DOCUMENT_YAML);
    FUZZ_CHECK(again && again->n_pus == host->n_pus);
    printed_again = peer_host_format(again);
    FUZZ_CHECK(strcmp(printed, printed_again) == 0);
    free(printed);
    free(printed_again);
    peer_host_free(&host);
    peer_host_free(&again);
    return 0;
}
