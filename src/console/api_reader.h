/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Requests that look at many objects. They see them as of one revision, in slices (slices.h), and
 * are given up when the client goes away.
 */

#include "console/api.h"

struct api_reader {
    /* Adds the queries; what they point to belongs to `context` or to the call. */
    int (*begin)(void *context, struct objects_read *read);
    struct objects_visitor visitor;
    /* After all objects; until `until_ns`. @return 1: done; 0: there is more. May be NULL. */
    int (*finish)(void *context, uint64_t until_ns);
    /* Ends the call with an answer, or with the error when result < 0. */
    void (*answer)(void *context, int result);
    /* Bytes that it has gathered so far; NULL: nothing to speak of. */
    size_t (*held)(const void *context);
    void (*free)(void *context); /* the call is over */
};
/* Consumes the context. The call ends now or later. */
void api_read(struct api_call *call, const struct api_reader *reader, void *context);
