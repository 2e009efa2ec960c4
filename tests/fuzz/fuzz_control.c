/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_enforcer */
#include "enforcer/control_request.h"
#include "enforcer/metrics.h"
#include "fuzz.h"

/* Both protocols that clients speak: a request on the control socket, and one for metrics. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char message[CONTROL_MESSAGE_MAX];
    struct control_request request = {.pu = "untouched"};
    enum control_code code = control_request_parse(text, size, &request, message);
    enum metrics_verdict verdict = metrics_judge(text, size);

    if (code == CONTROL_OK) {
        FUZZ_CHECK(*control_command_name(request.command));
        FUZZ_CHECK(request.command == CONTROL_NETSTAT || !*request.pu);
        FUZZ_CHECK(request.command == CONTROL_FLOWS || !request.follow);
        FUZZ_CHECK(verdict == METRICS_BAD || verdict == METRICS_MORE);
    } else {
        struct buf buf = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);

        FUZZ_CHECK(*message && strcmp(request.pu, "untouched") == 0);
        control_error_print(&buf, code, message);
        FUZZ_CHECK(buf.error == 0 && memchr(buf.data, '\n', buf.len) == buf.data + buf.len - 1);
        buf_free(&buf);
    }
    free(text);
    return 0;
}
