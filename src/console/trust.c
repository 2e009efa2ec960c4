/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/crypto.h>

#include "base/error.h"
#include "base/file.h"

/*
 * Life of the files:
 *
 *   ca.key, ca.crt          made together at the first start (key first), never changed
 *   server.key, server.crt  made when missing; the certificate again when it is due or the hosts
 *                           are others, with the same key, so that one rename changes it
 *   signing-KID.key         signs for TRUST_SIGNING_KEY_DAYS; then only the public half stays in
 *                           the file, for as long again; then the file goes
 */

#define MS_PER_DAY (24LL * 3600 * 1000)

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static char *path_of(const struct trust *trust, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", trust->directory, name) < 0 ? NULL : path;
}

int trust_file_read(const struct trust *trust, const char *name, bool is_secret,
                    struct buf *problem, char **ret)
{
    _cleanup_free_
    char *path = path_of(trust, name);
    struct stat st;
    size_t len;
    int r;

    if (!path)
        return -ENOMEM;
    if (is_secret && stat(path, &st) == 0 && (st.st_mode & 077)) {
        buf_printf(problem,
                   "%s: others may read it (mode %04o); chmod 600 %s, and think about "
                   "whether somebody has",
                   path, (unsigned)(st.st_mode & 07777), path);
        return -EPERM;
    }
    r = file_read(path, TRUST_PEM_BYTES_MAX, ret, &len);
    if (r < 0 && r != -ENOENT)
        buf_printf(problem, "%s: %s", path, error_text(r));
    if (r == 0 && strlen(*ret) != len) {
        trust_secret_free(ret);
        buf_printf(problem, "%s: found a NUL byte, expected PEM", path);
        return -EINVAL;
    }
    return r;
}

int trust_file_write(const struct trust *trust, const char *name, const char *text,
                     struct buf *problem)
{
    _cleanup_free_
    char *path = path_of(trust, name);
    int r;

    if (!path)
        return -ENOMEM;
    r = file_write_atomic(path, text, strlen(text), 0600);
    if (r < 0)
        buf_printf(problem, "%s: cannot be written: %s", path, error_text(r));
    return r;
}

/* The key in a file, made when there is none. */
static int key_load(const struct trust *trust, const char *name, struct buf *problem,
                    EVP_PKEY **ret)
{
    _cleanup_secret_ char *pem = NULL;
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    int r;

    r = trust_file_read(trust, name, true, problem, &pem);
    if (r == 0) {
        r = trust_key_read(pem, ret);
        if (r < 0)
            buf_printf(problem, "%s/%s: found no private key without password in PEM",
                       trust->directory, name);
        return r;
    }
    if (r != -ENOENT)
        return r;
    r = trust_key_new(&key);
    if (r == 0)
        r = trust_key_private_pem(key, &pem);
    if (r == 0)
        r = trust_file_write(trust, name, pem, problem);
    if (r == 0)
        *ret = TAKE_PTR(key);
    return r;
}

/* ---- CA ------------------------------------------------------------------------------------- */

static int ca_make(struct trust *trust, struct buf *problem)
{
    int r;

    r = key_load(trust, "ca.key", problem, &trust->ca_key);
    if (r == 0)
        r = trust_ca_make(trust->ca_key, clock_ms(), &trust->ca);
    if (r == 0)
        r = trust_x509_pem(trust->ca, &trust->ca_pem);
    if (r == 0)
        r = trust_file_write(trust, "ca.crt", trust->ca_pem, problem);
    return r;
}

static int ca_read(struct trust *trust, char **text, struct buf *problem)
{
    _cleanup_secret_ char *pem = NULL;
    int r;

    r = trust_x509_read(*text, &trust->ca);
    if (r < 0 || X509_check_ca(trust->ca) != 1) {
        buf_printf(problem, "%s/ca.crt: found no certificate of a CA", trust->directory);
        return -EINVAL;
    }
    r = trust_file_read(trust, "ca.key", true, problem, &pem);
    if (r == -ENOENT)
        buf_printf(problem,
                   "%s/ca.key is missing, but ca.crt is there; put it back from the "
                   "backup or copy both from another Console",
                   trust->directory);
    if (r < 0)
        return r == -ENOENT ? -EINVAL : r;
    r = trust_key_read(pem, &trust->ca_key);
    if (r < 0 || X509_check_private_key(trust->ca, trust->ca_key) != 1) {
        buf_printf(problem, "%s/ca.key is not the key of ca.crt; copy both from the same Console",
                   trust->directory);
        return -EINVAL;
    }
    trust->ca_pem = TAKE_PTR(*text);
    return 0;
}

static int ca_load(struct trust *trust, struct buf *problem)
{
    _cleanup_free_
    char *pem = NULL;
    const ASN1_INTEGER *serial;
    uint8_t digest[32] = {0};
    int r;

    r = trust_file_read(trust, "ca.crt", false, problem, &pem);
    if (r == -ENOENT)
        r = ca_make(trust, problem);
    else if (r == 0)
        r = ca_read(trust, &pem, problem);
    if (r == 0)
        r = trust_x509_sha256(trust->ca, digest);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(trust->ca_fingerprint + 2 * i, 3, "%02x", digest[i]);
    serial = X509_get0_serialNumber(trust->ca);
    for (int i = 0; i < MIN(ASN1_STRING_length(serial), 20); i++)
        snprintf(trust->ca_serial + 2 * i, 3, "%02x", ASN1_STRING_get0_data(serial)[i]);
    snprintf(trust->issuer, sizeof(trust->issuer), "bulkhead:%.32s", trust->ca_fingerprint);
    return 0;
}

/* ---- Server certificate --------------------------------------------------------------------- */

static int server_load(struct trust *trust, int64_t now_ms, struct buf *problem, bool *ret_new)
{
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    _cleanup_x509_ X509 *certificate = NULL;
    _cleanup_free_
    char *pem = NULL;
    int r;

    *ret_new = false;
    if (!trust->hosts)
        return 0;
    r = key_load(trust, "server.key", problem, &key);
    if (r < 0)
        return r;
    r = trust_file_read(trust, "server.crt", false, problem, &pem);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && trust_x509_read(pem, &certificate) == 0 &&
        trust_server_good(trust, certificate, key, now_ms))
        return 0;
    trust_secret_free(&pem);
    trust_x509_free(&certificate);
    r = trust_server_make(trust, key, now_ms, &certificate);
    if (r == 0)
        r = trust_x509_pem(certificate, &pem);
    if (r == 0)
        r = trust_file_write(trust, "server.crt", pem, problem);
    *ret_new = r == 0;
    return r;
}

int trust_server_renew(struct trust *trust, int64_t now_ms, bool *ret_new)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);

    assert(trust);
    assert(ret_new);

    return server_load(trust, now_ms, &problem, ret_new);
}

/* ---- All together --------------------------------------------------------------------------- */

static int hosts_copy(const char *const *hosts, char ***ret)
{
    _cleanup_(strv_free) char **copy = NULL;
    size_t n = 0;

    while (hosts[n])
        n++;
    copy = calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = strdup(hosts[i]);
        if (!copy[i])
            return -ENOMEM;
    }
    if (!copy)
        return -ENOMEM;
    *ret = TAKE_PTR(copy);
    return 0;
}

int trust_open(const char *data_directory, const char *const *hosts, struct buf *problem,
               struct trust **ret)
{
    _cleanup_trust_ struct trust *trust = NULL;
    bool is_new;
    int r;

    assert(data_directory);
    assert(problem);
    assert(ret);

    trust = calloc(1, sizeof(*trust));
    if (trust)
        trust->directory = strdup(data_directory);
    if (!trust || !trust->directory)
        return -ENOMEM;
    trust->server_certificate = path_of(trust, "server.crt");
    trust->server_key = path_of(trust, "server.key");
    if (!trust->server_certificate || !trust->server_key)
        return -ENOMEM;
    r = dir_make(data_directory, 0700);
    if (r < 0)
        buf_printf(problem, "%s: %s", data_directory, error_text(r));
    if (r == 0)
        r = ca_load(trust, problem);
    if (r == 0 && hosts)
        r = hosts_copy(hosts, &trust->hosts);
    if (r == 0)
        r = server_load(trust, clock_ms(), problem, &is_new);
    if (r == 0)
        r = trust_signers_load(trust, clock_ms(), problem);
    if (r == 0)
        *ret = TAKE_PTR(trust);
    return r;
}

void trust_free(struct trust **trust)
{
    if (!trust || !*trust)
        return;
    trust_signers_free(*trust);
    strv_free(&(*trust)->hosts);
    X509_free((*trust)->ca);
    EVP_PKEY_free((*trust)->ca_key);
    free((*trust)->server_certificate);
    free((*trust)->server_key);
    free((*trust)->ca_pem);
    free((*trust)->directory);
    free(*trust);
    *trust = NULL;
}

const char *trust_ca_pem(const struct trust *trust)
{
    return trust->ca_pem;
}

const char *trust_ca_fingerprint(const struct trust *trust)
{
    return trust->ca_fingerprint;
}

const char *trust_ca_serial(const struct trust *trust)
{
    return trust->ca_serial;
}

const char *trust_server_certificate_file(const struct trust *trust)
{
    return trust->server_certificate;
}

const char *trust_server_key_file(const struct trust *trust)
{
    return trust->server_key;
}
