/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the parts of the client share. */

#include <curl/curl.h>
#include <stdint.h>

#include "cli/client/client.h"

#define CLIENT_PROGRESS_AFTER_MS 1000
#define CLIENT_PROGRESS_EVERY_MS 200

struct client {
    CURL *curl;
    char *api;
    struct client_config config;
    char *ca, *only_ca, *certificate, *key, *tracking_id;
    char message[CLIENT_MESSAGE_MAX];
    char curl_message[CURL_ERROR_SIZE];
    const char *progress_doing, *work; /* of a request; of many */
    size_t work_done, work_all;
    int64_t started_ms, work_since_ms, shown_ms;
};

/* All options that every connection has; resets the handle, keeps its connection. */
void client_setup(struct client *client, CURL *curl);
/* Fill in the message after curl failed. */
void client_explain(struct client *client, const char *method, const char *url, CURLcode code);
void client_progress_end(struct client *client);
void client_wait(struct client *client, long ms);
long client_jitter(long max_ms);
