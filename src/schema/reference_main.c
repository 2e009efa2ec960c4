/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "schema/schema.h"

/* Prints docs/formats/objects.md; the target `reference` puts it in its place. */
int main(void)
{
    _cleanup_free_
    char *text = schema_reference();

    if (!text || fputs(text, stdout) < 0 || fflush(stdout) != 0) {
        perror("schema-reference");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
