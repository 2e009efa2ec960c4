/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "console/http_head.h"

/*
 * Split and decode a request target in place (it shrinks): origin form, absolute form, and "*".
 * Percent-encoding must be complete, and what it encodes valid UTF-8 without control characters in
 * the path, without NUL in the query.
 * @return 0; -EINVAL with `refusal`
 */
int http_uri_parse(char *target, struct http_request *request, struct http_refusal *refusal);
