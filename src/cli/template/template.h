/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Templates: a bounded subset of what Go templates with Sprig are, for import files and for
 * `-o template`. What is not in docs/formats/templates.md is refused, with file and line. Pure:
 * opens no file, reads no clock, no environment.
 */

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"

#define TEMPLATE_BYTES_MAX ((size_t)64 << 20)  /* of the text, and of what it gives */
#define TEMPLATE_STRING_MAX ((size_t)16 << 20) /* of one value */
#define TEMPLATE_DEPTH_MAX 64                  /* of blocks, parentheses, fields */
#define TEMPLATE_STEPS_MAX 10000000            /* evaluations; a KiB of text counts as one */
#define TEMPLATE_VARIABLES_MAX 128
#define TEMPLATE_ARGUMENTS_MAX 64 /* of one call */

struct template;

/* What came out, and from which line of the template each of its lines is. */
struct template_output {
    struct buf text;
    unsigned *lines; /* of line i + 1 */
    size_t n_lines, room;
};

/* 0; -BULKHEAD_EINVALID_INPUT with `problem` "file:line: …"; -ENOMEM. `text` may be freed after. */
int template_parse(const char *file, const char *text, size_t len, struct buf *problem,
                   struct template **ret);
void template_free(struct template **template);
#define _cleanup_template_ _cleanup_(template_free)
/* Appends to `ret`, which is to be cleared in any case. Errors as above. */
int template_run(const struct template *template, const json_t *root, struct buf *problem,
                 struct template_output *ret);
#define TEMPLATE_OUTPUT_INIT ((struct template_output){.text = BUF_INIT(TEMPLATE_BYTES_MAX)})
void template_output_clear(struct template_output *output);
#define _cleanup_template_output_ _cleanup_(template_output_clear)
/* Source line of an output line (both from 1); 0 for 0. */
unsigned template_output_line(const struct template_output *output, unsigned line);
/* The i-th function's name, NULL past the end; for completion of documents. */
const char *template_function_name(size_t i);
