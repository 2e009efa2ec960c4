/* SPDX-License-Identifier: Apache-2.0 */
/* How connections are made: trust, client certificate, proxy, time limits, progress. */
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "cli/client/client_internal.h"
#include "cli/interrupt.h"

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Progress ----------------------------------------------------------------------------- */

static void show_progress(const struct client *client, int64_t for_ms, curl_off_t down,
                          curl_off_t up)
{
    FILE *out = client->config.progress;
    const char *doing = client->work ? client->work : client->progress_doing;

    fprintf(out, "\r\033[K%s: %llds", doing ? doing : "waiting for the Console",
            (long long)for_ms / 1000);
    if (client->work_all)
        fprintf(out, ", %zu of %zu objects", client->work_done, client->work_all);
    else if (client->work)
        fprintf(out, ", %zu objects", client->work_done);
    else
        fprintf(out, ", %lld KiB sent, %lld KiB received", (long long)up >> 10,
                (long long)down >> 10);
    fflush(out);
}

static int progress(void *context, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                    curl_off_t up)
{
    struct client *client = context;
    int64_t now = now_ms(), since = client->work ? client->work_since_ms : client->started_ms;

    if (!client->config.progress || now - since < CLIENT_PROGRESS_AFTER_MS ||
        now - client->shown_ms < CLIENT_PROGRESS_EVERY_MS)
        return 0;
    client->shown_ms = now;
    interrupt_wipes(true);
    show_progress(client, now - since, down, up);
    return 0;
}

void client_progress_end(struct client *client)
{
    if (client->shown_ms) {
        fputs("\r\033[K", client->config.progress);
        fflush(client->config.progress);
    }
    client->shown_ms = 0;
    interrupt_wipes(false);
}

void client_work(struct client *client, const char *doing, size_t all)
{
    client_progress_end(client);
    client->work = doing;
    client->work_all = all;
    client->work_done = 0;
    client->work_since_ms = now_ms();
}

void client_work_done(struct client *client, size_t n)
{
    client->work_done = n;
}

void client_wait(struct client *client, long ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    if (client->config.progress && ms >= CLIENT_PROGRESS_AFTER_MS) {
        fprintf(client->config.progress, "\r\033[KConsole busy or away, trying again in %ld s",
                (ms + 999) / 1000);
        fflush(client->config.progress);
        interrupt_wipes(true);
    }
    nanosleep(&wait, NULL);
    if (client->config.progress)
        fputs("\r\033[K", client->config.progress);
    interrupt_wipes(false);
}

long client_jitter(long max_ms)
{
    uint32_t bits = 0;

    if (max_ms <= 0 || getrandom(&bits, sizeof(bits), 0) < 0)
        return 0;
    return (long)(bits % (uint32_t)max_ms);
}

/* ---- Options ------------------------------------------------------------------------------ */

static struct curl_blob blob(const char *text)
{
    return (struct curl_blob){.data = (void *)text, .len = strlen(text), .flags = CURL_BLOB_NOCOPY};
}

static void setup_trust(struct client *client, CURL *curl)
{
    const struct client_config *config = &client->config;
    const char *ca = config->only_ca_pem ? config->only_ca_pem : config->ca_pem;

    if (ca) {
        struct curl_blob pem = blob(ca);

        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &pem);
    }
    if (config->only_ca_pem)
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    if (config->skip_verify) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (config->certificate_pem && config->key_pem) {
        struct curl_blob certificate = blob(config->certificate_pem), key = blob(config->key_pem);

        curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &certificate);
        curl_easy_setopt(curl, CURLOPT_SSLCERTTYPE, "PEM");
        curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
        curl_easy_setopt(curl, CURLOPT_SSLKEYTYPE, "PEM");
    }
}

void client_setup(struct client *client, CURL *curl)
{
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->curl_message);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https"); /* tokens travel */
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CLIENT_CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, client->config.timeout_s);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "bulkhead/" BULKHEAD_VERSION);
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    setup_trust(client, curl);
    client->started_ms = now_ms();
}

/* ---- Errors ------------------------------------------------------------------------------- */

static const char *advice(const struct client *client, CURLcode code)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return "\nThe Console's certificate is not trusted. Give the authority that signed it with "
               "--api-cacert FILE; with a Console's own authority it is 'ca.crt' in the Console's "
               "data directory, and every credential file has it. Does the name in --api stand in "
               "the certificate?";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "\nIs the name in --api right?";
    case CURLE_COULDNT_CONNECT:
        return "\nIs the Console running, and is the port in --api right?";
    case CURLE_SSL_CACERT_BADFILE:
        return "\nThis host has no certificates of authorities: install ca-certificates, or name "
               "the "
               "Console's with --api-cacert FILE.";
    case CURLE_SSL_CERTPROBLEM:
        return "\nThe client certificate or its key cannot be used.";
    case CURLE_OPERATION_TIMEDOUT:
        return "\nWait longer with --timeout SECONDS.";
    default:
        return client->config.certificate_pem && code == CURLE_RECV_ERROR
                   ? "\nDid the Console refuse the client certificate?"
                   : "";
    }
}

void client_explain(struct client *client, const char *method, const char *url, CURLcode code)
{
    const char *why = client->curl_message[0] ? client->curl_message : curl_easy_strerror(code);

    snprintf(client->message, sizeof(client->message), "%s %.600s: %s%s", method, url, why,
             advice(client, code));
}

/* ---- For WebSockets ----------------------------------------------------------------------- */

void *client_connect(struct client *client)
{
    CURL *curl = curl_easy_init();
    CURLcode code;

    if (!curl) {
        snprintf(client->message, sizeof(client->message), "out of memory");
        return NULL;
    }
    client_setup(client, curl);
    curl_easy_setopt(curl, CURLOPT_URL, client->api);
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    client->curl_message[0] = '\0';
    code = curl_easy_perform(curl);
    client_progress_end(client);
    if (code == CURLE_OK)
        return curl;
    client_explain(client, "connect to", client->api, code);
    curl_easy_cleanup(curl);
    return NULL;
}
