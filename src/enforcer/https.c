/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/https.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 2048
#define TOKEN_LINE_MAX 20000

int https_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

/* Our own schemes are https to libcurl. */
static int full_url(const char *url, const char *path, char ret[URL_MAX])
{
    size_t len = strlen(url);

    if (strncasecmp(url, "wss://", 6) == 0)
        url += 6, len -= 6;
    else if (strncasecmp(url, "https://", 8) == 0)
        url += 8, len -= 8;
    while (len && url[len - 1] == '/')
        len--;
    return snprintf(ret, URL_MAX, "https://%.*s%s", (int)len, url, path) < URL_MAX ? 0 : -EINVAL;
}

int https_host(const char *url, char ret[300])
{
    char full[URL_MAX];
    const char *at;
    size_t len;

    if (full_url(url, "", full) < 0)
        return -EINVAL;
    at = full + strlen("https://");
    len = strcspn(at, "/?#");
    if (len == 0 || len >= 300)
        return -EINVAL;
    snprintf(ret, 300, "%.*s", (int)len, at);
    return 0;
}

static struct curl_blob blob(const char *text)
{
    return (struct curl_blob){.data = (void *)text, .len = strlen(text), .flags = CURL_BLOB_COPY};
}

static CURLcode set_trust(CURL *curl, const struct channel_target *target)
{
    struct curl_blob ca, certificate, key;
    CURLcode code = CURLE_OK;

    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (target->ca) {
        ca = blob(target->ca);
        code = curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    if (code == CURLE_OK && target->certificate) {
        certificate = blob(target->certificate);
        key = blob(target->key);
        code = curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &certificate);
        if (code == CURLE_OK)
            code = curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
        curl_easy_setopt(curl, CURLOPT_SSLCERTTYPE, "PEM");
        curl_easy_setopt(curl, CURLOPT_SSLKEYTYPE, "PEM");
    }
    return code;
}

CURL *https_handle(const struct channel_target *target, const char *path,
                   char error[CURL_ERROR_SIZE])
{
    char url[URL_MAX];
    CURL *curl = curl_easy_init();

    error[0] = '\0';
    if (!curl)
        return NULL;
    if (full_url(target->url, path, url) < 0 || set_trust(curl, target) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK) {
        curl_easy_cleanup(curl);
        return NULL;
    }
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CHANNEL_CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, 10L);
    if (target->proxy)
        curl_easy_setopt(curl, CURLOPT_PROXY, target->proxy);
    return curl;
}

void https_explain(CURL *curl, CURLcode code, const char *error, const char *url,
                   struct buf *problem)
{
    long proxy = 0;

    curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &proxy);
    buf_printf(problem, "%s: ", url);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        buf_puts(problem, "the Console's certificate is not trusted (see `ca` in the "
                          "configuration, and the clock of this host): ");
    else if (code == CURLE_SSL_CACERT_BADFILE)
        buf_puts(problem, "this host has no certificates of authorities that can be read (see `ca` "
                          "in the configuration, or install ca-certificates): ");
    else if (code == CURLE_SSL_CERTPROBLEM)
        buf_puts(problem, "our own certificate cannot be used: ");
    else if (proxy != 0 && proxy != 200)
        buf_printf(problem, "the proxy refuses with status %ld: ", proxy);
    buf_puts(problem, error[0] ? error : curl_easy_strerror(code));
}

static size_t take_answer(char *data, size_t size, size_t n, void *context)
{
    struct buf *answer = context;

    buf_append(answer, data, size * n);
    return answer->error ? 0 : size * n;
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
    char line[TOKEN_LINE_MAX];
    struct curl_slist *longer;

    if (!value)
        return 0;
    if (snprintf(line, sizeof(line), "%s: %s", name, value) >= (int)sizeof(line))
        return -EINVAL;
    longer = curl_slist_append(*list, line);
    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

static uint32_t retry_after_s(CURL *curl)
{
    curl_off_t seconds = 0;

    if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK || seconds < 0)
        return 0;
    return (uint32_t)MIN(seconds, (curl_off_t)UINT32_MAX);
}

int https_run(const struct https_request *request, struct buf *answer, struct buf *problem)
{
    char error[CURL_ERROR_SIZE], bearer[TOKEN_LINE_MAX];
    CURL *curl = https_handle(request->target, request->path, error);
    struct curl_slist *headers = NULL;
    long status = 0;
    CURLcode code;
    int r;

    if (!curl)
        return -ENOMEM;
    snprintf(bearer, sizeof(bearer), "Bearer %s", request->token ? request->token : "");
    r = add_header(&headers, "Authorization", request->token ? bearer : NULL);
    if (r == 0)
        r = add_header(&headers, "X-Namespace", request->namespace);
    if (r == 0)
        r = add_header(&headers, "Accept", "application/json");
    if (r == 0 && request->body)
        r = add_header(&headers, "Content-Type", "application/json");
    if (r == 0) {
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        if (request->body)
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)HTTPS_REQUEST_MS);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (request->retry_after_s)
            *request->retry_after_s = retry_after_s(curl);
        if (code != CURLE_OK)
            https_explain(curl, code, error, request->target->url, problem);
        r = code != CURLE_OK ? -EIO : (int)status;
    }
    explicit_bzero(bearer, sizeof(bearer));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return r;
}
