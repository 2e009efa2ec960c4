/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define CHAIN_DEPTH_MAX 4
#define CHAIN_BYTES_MAX 32768

static void bio_free(BIO **bio)
{
    BIO_free(*bio);
}

static void tls_free(SSL_CTX **tls)
{
    SSL_CTX_free(*tls);
}
#define _cleanup_bio_ _cleanup_(bio_free)
#define _cleanup_tls_ _cleanup_(tls_free)

static int fail(struct buf *problem, const char *what, const char *name)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    buf_printf(problem, "%s%s: %s", what, name, reason ? reason : "not accepted");
    ERR_clear_error();
    return -EINVAL;
}

/*
 * A chain that is not good does not end the handshake: the client shall be told in words what is
 * wrong. The first problem sticks, and a certificate with one counts as none.
 */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct http_connection *connection = SSL_get_app_data(ssl);

    if (!ok && !connection->certificate_problem)
        connection->certificate_problem =
            X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
    return 1;
}

/* Who speaks ALPN must be able to speak HTTP/1.1. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                   const unsigned char *in, unsigned int inlen, void *context)
{
    static const unsigned char known[] = "\x08http/1.1";
    unsigned char *chosen;

    if (SSL_select_next_proto(&chosen, outlen, known, sizeof(known) - 1, in, inlen) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/*
 * No resumption at all: a ticket would carry the client's certificate past the check of its chain
 * and its dates, and memory for sessions past their connections. A full handshake costs less than a
 * millisecond.
 */
static int set_up(SSL_CTX *tls)
{
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Or else one SSL_read() would go on as long as a client sends key updates. */
    SSL_CTX_clear_mode(tls, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(tls, CHAIN_BYTES_MAX);
    SSL_CTX_set_alpn_select_cb(tls, on_alpn, NULL);
    if (!SSL_CTX_set_num_tickets(tls, 0) || !SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(tls, "ECDHE+AESGCM:ECDHE+CHACHA20") ||
        !SSL_CTX_set1_groups_list(tls, "X25519:P-256:P-384"))
        return -EINVAL;
    return 0;
}

static int trust_clients(SSL_CTX *tls, const char *pem, struct buf *problem)
{
    _cleanup_bio_ BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *ca;
    unsigned n = 0;

    if (!bio)
        return -ENOMEM;
    while ((ca = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        bool ok =
            X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), ca) && SSL_CTX_add_client_CA(tls, ca);

        X509_free(ca);
        if (!ok)
            return -ENOMEM;
        n++;
    }
    if (n == 0)
        return fail(problem, "CA of client certificates", "");
    ERR_clear_error();
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_verify_depth(tls, CHAIN_DEPTH_MAX);
    return 0;
}

int http_tls_new(const char *certificate_file, const char *key_file, const char *client_ca_pem,
                 struct buf *problem, SSL_CTX **ret)
{
    _cleanup_tls_ SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    int r;

    assert(certificate_file);
    assert(key_file);
    assert(problem);
    assert(ret);

    if (!tls)
        return -ENOMEM;
    if (set_up(tls) < 0)
        return fail(problem, "TLS", "");
    if (SSL_CTX_use_certificate_chain_file(tls, certificate_file) != 1)
        return fail(problem, "certificate ", certificate_file);
    if (SSL_CTX_use_PrivateKey_file(tls, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(tls) != 1)
        return fail(problem, "key ", key_file);
    if (client_ca_pem) {
        r = trust_clients(tls, client_ca_pem, problem);
        if (r < 0)
            return r;
    }
    *ret = TAKE_PTR(tls);
    return 0;
}

SSL *http_tls_accept(SSL_CTX *tls, struct http_connection *connection)
{
    SSL *ssl = SSL_new(tls);

    if (!ssl)
        return NULL;
    if (!SSL_set_fd(ssl, connection->fd)) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_app_data(ssl, connection);
    SSL_set_accept_state(ssl);
    return ssl;
}

int http_tls_certificate(struct http_connection *connection)
{
    X509 *peer = SSL_get0_peer_certificate(connection->ssl);
    struct http_certificate certificate = {.problem = ""};
    long result = SSL_get_verify_result(connection->ssl);

    if (connection->certificate_known)
        return 0;
    if (peer && (connection->certificate_problem || result != X509_V_OK)) {
        certificate.problem = connection->certificate_problem
                                  ? connection->certificate_problem
                                  : X509_verify_cert_error_string(result);
    } else if (peer) {
        if (!X509_digest(peer, EVP_sha256(), certificate.sha256, NULL) || !X509_up_ref(peer))
            return -ENOMEM;
        certificate.x509 = peer;
        certificate.present = true;
    }
    connection->certificate = certificate;
    connection->certificate_known = true;
    return 0;
}
