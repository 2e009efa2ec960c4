/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_console */
/*
 * The first byte says what the rest is: 't' a token, 'h' header, newline, claims of a token that is
 * put together here, 's' claims that are signed and read back, 'r' a signing request, 'c' a
 * certificate, 'k' the public key of another Console.
 */
#include <errno.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "console/trust.h"
#include "fuzz.h"

#define NOW_MS 1900000000000LL

static struct trust *trust_once(void)
{
    static struct trust *trust;
    char directory[] = "/tmp/bulkhead-fuzz-XXXXXX", command[64];
    struct buf problem = BUF_INIT(4096);

    if (trust)
        return trust;
    FUZZ_CHECK(mkdtemp(directory));
    FUZZ_CHECK(trust_open(directory, NULL, &problem, &trust) == 0);
    buf_free(&problem);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    FUZZ_CHECK(system(command) == 0);
    return trust;
}

static void check_token(struct trust *trust, const char *token)
{
    struct buf problem = BUF_INIT(4096);
    json_t *claims = NULL;
    int r = trust_token_verify(trust, token, NOW_MS, &problem, &claims);

    FUZZ_CHECK(r == 0 || r == -EACCES);
    FUZZ_CHECK((r == 0) == (claims != NULL) && (r < 0) == (problem.len > 0));
    json_decref(claims);
    buf_free(&problem);
}

static void base64url(const char *text, char *out)
{
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)strlen(text));
    for (; *out && *out != '='; out++)
        *out = (char)(*out == '+' ? '-' : *out == '/' ? '_' : *out);
    *out = '\0';
}

static void check_header(struct trust *trust, char *text)
{
    char *claims = strchr(text, '\n');
    size_t size = strlen(text) * 2 + 64;
    char *token = malloc(size);

    FUZZ_CHECK(token);
    if (claims)
        *claims++ = '\0';
    base64url(text, token);
    memcpy(token + strlen(token), ".", sizeof("."));
    if (claims)
        base64url(claims, token + strlen(token));
    memcpy(token + strlen(token), ".AAAA", sizeof(".AAAA"));
    check_token(trust, token);
    free(token);
}

static void check_claims(struct trust *trust, const char *text)
{
    json_t *claims = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *back = NULL;
    struct buf problem = BUF_INIT(4096);
    char *token = NULL;

    if (json_is_object(claims) &&
        json_object_set_new(claims, "exp", json_integer(NOW_MS / 1000 + 60)) == 0 &&
        !json_object_get(claims, "nbf") && trust_token_sign(trust, claims, NOW_MS, &token) == 0) {
        FUZZ_CHECK(trust_token_verify(trust, token, NOW_MS, &problem, &back) == 0);
        FUZZ_CHECK(!json_object_get(claims, "sub") ||
                   json_equal(json_object_get(claims, "sub"), json_object_get(back, "sub")));
    }
    json_decref(claims);
    json_decref(back);
    free(token);
    buf_free(&problem);
}

static void check_request(struct trust *trust, const char *csr)
{
    struct trust_certificate_request request = {
        .csr = csr, .common_name = "a", .organization = "/", .now_ms = NOW_MS, .days = 1};
    struct trust_certificate read = {0};
    struct buf problem = BUF_INIT(4096);
    char *pem = NULL;
    uint8_t sha256[32];
    int r = trust_certificate_sign(trust, &request, &problem, &pem, sha256);

    FUZZ_CHECK(r != -EINVAL || problem.len > 0);
    if (r == 0)
        FUZZ_CHECK(trust_certificate_read(trust, pem, NOW_MS, &read) == 0);
    trust_certificate_clear(&read);
    free(pem);
    buf_free(&problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trust *trust = trust_once();
    struct trust_certificate read = {0};
    char *text;

    if (size == 0)
        return 0;
    text = fuzz_text(data + 1, size - 1);
    if (*data == 't')
        check_token(trust, text);
    else if (*data == 'h')
        check_header(trust, text);
    else if (*data == 's')
        check_claims(trust, text);
    else if (*data == 'r')
        check_request(trust, text);
    else if (*data == 'k')
        trust_signer_add(trust, "0", text);
    else if (trust_certificate_read(trust, text, NOW_MS, &read) == 0)
        trust_certificate_clear(&read);
    free(text);
    return 0;
}
