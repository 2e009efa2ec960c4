/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "load.h"

/* Registered Enforcers, one JSON object a line in DIRECTORY/enforcers: index, id, key, certificate.
 */

static char *registry_path(const struct load *load)
{
    char *path = NULL;

    return asprintf(&path, "%s/enforcers", load->options.directory) < 0 ? NULL : path;
}

static char *bio_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    return len > 0 ? strndup(data, (size_t)len) : NULL;
}

static X509 *read_certificate(const char *pem)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    return key;
}

static int sim_fill(struct load *load, unsigned index, const char *id, X509 *certificate,
                    EVP_PKEY *key)
{
    struct sim *sim = &load->sims[index];

    if (!certificate || !key)
        return -EINVAL;
    sim->certificate = certificate;
    sim->key = key;
    snprintf(sim->id, sizeof(sim->id), "%s", id);
    load->n_sims = MAX(load->n_sims, index + 1);
    return 0;
}

static int take_line(struct load *load, const char *line)
{
    json_t *object = json_loads(line, 0, NULL);
    const char *id, *key, *certificate;
    int index, r = -EINVAL;

    if (object &&
        json_unpack(object, "{s:i, s:s, s:s, s:s}", "index", &index, "id", &id, "key", &key,
                    "certificate", &certificate) == 0 &&
        index >= 0 && index < LOAD_ENFORCERS_MAX)
        r = sim_fill(load, (unsigned)index, id, read_certificate(certificate), read_key(key));
    json_decref(object);
    return r;
}

int registry_read(struct load *load)
{
    _cleanup_free_
    char *path = registry_path(load), *line = NULL;
    FILE *file = path ? fopen(path, "re") : NULL;
    size_t size = 0;
    int r = 0;

    if (!file)
        return path && errno == ENOENT ? 0 : -EIO;
    while (r == 0 && getline(&line, &size, file) > 0)
        r = take_line(load, line);
    fclose(file);
    return r;
}

int registry_request(struct load *load, unsigned index, char **ret_csr)
{
    struct sim *sim = &load->sims[index];
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());

    sim->key = EVP_EC_gen("P-256");
    *ret_csr = NULL;
    if (sim->key && request && bio && X509_REQ_set_pubkey(request, sim->key) == 1 &&
        X509_REQ_sign(request, sim->key, EVP_sha256()) > 0 &&
        PEM_write_bio_X509_REQ(bio, request) == 1)
        *ret_csr = bio_text(bio);
    X509_REQ_free(request);
    BIO_free(bio);
    return *ret_csr ? 0 : -ENOMEM;
}

static int write_line(struct load *load, unsigned index, const char *id, const char *certificate,
                      const char *key)
{
    _cleanup_free_
    char *path = registry_path(load);
    json_t *object = json_pack("{s:i, s:s, s:s, s:s}", "index", (int)index, "id", id, "key", key,
                               "certificate", certificate);
    FILE *file = path ? fopen(path, "ae") : NULL;
    int r = -EIO;

    if (object && file && json_dumpf(object, file, JSON_COMPACT) == 0 && fputc('\n', file) == '\n')
        r = 0;
    if (file && fclose(file) != 0)
        r = -EIO;
    json_decref(object);
    return r;
}

int registry_add(struct load *load, unsigned index, const char *id, const char *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    _cleanup_free_
    char *key = NULL;

    if (bio && PEM_write_bio_PrivateKey(bio, load->sims[index].key, NULL, NULL, 0, NULL, NULL) == 1)
        key = bio_text(bio);
    BIO_free(bio);
    if (!key || write_line(load, index, id, certificate, key) < 0)
        return -EIO;
    return sim_fill(load, index, id, read_certificate(certificate), load->sims[index].key);
}
