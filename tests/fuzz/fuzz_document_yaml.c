/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_model */
#include "fuzz_document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return check_document(data, size, DOCUMENT_YAML);
}
