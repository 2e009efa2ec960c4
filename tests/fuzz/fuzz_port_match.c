/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_model */
#include "fuzz.h"
#include "model/model.h"
#include "model/print.h"

static void check_match(const struct port_match *match)
{
    _cleanup_buf_ struct buf text = BUF_INIT(PORT_TEXT_MAX);
    struct port_match again[PORT_TEXT_MATCHES_MAX];
    const char *problem;
    size_t n;

    FUZZ_CHECK(match->low <= match->high);
    print_port_match(&text, match);
    FUZZ_CHECK(!text.error);
    FUZZ_CHECK(port_match_parse(text.data, again, &n, &problem) == 0 && n == 1);
    FUZZ_CHECK(again[0].any_protocol == match->any_protocol && again[0].low == match->low &&
               again[0].protocol == match->protocol && again[0].high == match->high);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct port_match matches[PORT_TEXT_MATCHES_MAX];
    char *text = fuzz_text(data, size), printed[PORT_TEXT_MAX];
    const char *problem = NULL;
    uint8_t protocol, protocol_again;
    uint16_t port, port_again;
    size_t n = 0;

    if (port_match_parse(text, matches, &n, &problem) == 0)
        FUZZ_CHECK(n >= 1 && n <= PORT_TEXT_MATCHES_MAX);
    else
        FUZZ_CHECK(n == 0 && problem);
    for (size_t i = 0; i < n; i++)
        check_match(&matches[i]);
    if (port_parse(text, &protocol, &port, &problem) == 0) {
        port_format(protocol, port, printed);
        FUZZ_CHECK(port_parse(printed, &protocol_again, &port_again, &problem) == 0);
        FUZZ_CHECK(protocol == protocol_again && port == port_again);
    }
    free(text);
    return 0;
}
