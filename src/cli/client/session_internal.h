/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/client/session.h"

/* Send; what is wrong with the connection is said. The token is the request's: "" is none. */
int session_exchange(struct session *session, const struct client_request *request,
                     struct client_answer *ret);
/* Say what the Console answered. */
int session_refused(struct session *session, const char *what, const struct client_answer *answer);
/* Have a token; `again`: the one at hand is not good any more. */
int session_authenticate(struct session *session, bool again);

char *token_cache_path(const char *api, const struct credential *credential);
char *token_cache_read(const char *path);
void token_cache_write(const char *path, const char *token);
