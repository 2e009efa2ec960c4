/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Writing YAML that the reader reads back. Private to model. */

#include "base/buf.h"
#include "model/model.h"

/* Plain when nothing could take it for something else, in double quotes otherwise. */
void print_string(struct buf *buf, const char *text);
/* ["a=b", "c=d"] */
void print_tags(struct buf *buf, const struct tag_set *tags);
void print_expr(struct buf *buf, const struct tag_expr *expr);
void print_port_match(struct buf *buf, const struct port_match *match);
