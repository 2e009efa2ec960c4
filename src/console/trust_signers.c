/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

#define MS_PER_DAY (24LL * 3600 * 1000)
#define SIGNING_PREFIX "signing-"
#define SIGNING_SUFFIX ".key"
#define CREATED "created: "

/* ---- Signing keys --------------------------------------------------------------------------- */

static void signer_free(struct signer **signer)
{
    if (!*signer)
        return;
    EVP_PKEY_free((*signer)->key);
    free((*signer)->public_pem);
    trust_secret_free(&(*signer)->private_pem);
    free(*signer);
    *signer = NULL;
}
#define _cleanup_signer_ _cleanup_(signer_free)

static struct signer **signer_find(struct trust *trust, const char *kid)
{
    for (size_t i = 0; i < trust->n_signers; i++)
        if (strcmp(trust->signers[i]->kid, kid) == 0)
            return &trust->signers[i];
    return NULL;
}

static int signer_new(EVP_PKEY *key, struct signer **ret)
{
    _cleanup_signer_ struct signer *signer = calloc(1, sizeof(*signer));
    char group[64];
    int r;

    if (!signer)
        return -ENOMEM;
    if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
        strcmp(group, "prime256v1") != 0)
        return -EINVAL;
    EVP_PKEY_up_ref(key);
    signer->key = key;
    r = trust_key_id(key, signer->kid);
    if (r == 0)
        r = trust_key_public_pem(key, &signer->public_pem);
    if (r == 0)
        *ret = TAKE_PTR(signer);
    return r;
}

static int signer_insert(struct trust *trust, struct signer **signer)
{
    if (trust->n_signers == TRUST_SIGNERS_MAX)
        return -BULKHEAD_ETOOMANY;
    trust->signers[trust->n_signers++] = TAKE_PTR(*signer);
    return 0;
}

static void signer_drop(struct trust *trust, struct signer **at)
{
    signer_free(at);
    *at = trust->signers[--trust->n_signers];
}

static int signer_write(const struct trust *trust, const struct signer *signer, struct buf *problem)
{
    _cleanup_secret_ char *text = NULL;
    char name[sizeof(SIGNING_PREFIX) + sizeof(SIGNING_SUFFIX) + TRUST_KID_LEN];

    snprintf(name, sizeof(name), SIGNING_PREFIX "%s" SIGNING_SUFFIX, signer->kid);
    /* Text in front of a PEM block is no part of it (RFC 7468 5.2). */
    if (asprintf(&text, CREATED "%" PRId64 "\n%s", signer->created_ms,
                 signer->private_pem ? signer->private_pem : signer->public_pem) < 0) {
        text = NULL;
        return -ENOMEM;
    }
    return trust_file_write(trust, name, text, problem);
}

static int signer_make(struct trust *trust, int64_t now_ms, struct buf *problem)
{
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    _cleanup_signer_ struct signer *signer = NULL;
    const struct signer *made;
    int r;

    r = trust_key_new(&key);
    if (r == 0)
        r = signer_new(key, &signer);
    if (r == 0)
        r = trust_key_private_pem(key, &signer->private_pem);
    if (r < 0)
        return r;
    assert(signer);
    signer->own = true;
    signer->created_ms = now_ms;
    r = signer_write(trust, signer, problem);
    made = signer;
    if (r == 0)
        r = signer_insert(trust, &signer);
    if (r == 0)
        trust->present = made;
    return r;
}

static EVP_PKEY *public_key_read(const char *pem)
{
    _cleanup_bio_ BIO *bio = BIO_new_mem_buf(pem, -1);

    return bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
}

static int signer_load(struct trust *trust, const char *name, struct buf *problem)
{
    _cleanup_secret_ char *text = NULL;
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    _cleanup_signer_ struct signer *signer = NULL;
    bool is_private;
    int r;

    r = trust_file_read(trust, name, true, problem, &text);
    if (r < 0)
        return r;
    is_private = trust_key_read(text, &key) == 0;
    if (!key)
        key = public_key_read(text);
    r = key ? signer_new(key, &signer) : -EINVAL;
    if (r < 0) {
        buf_printf(problem,
                   "%s/%s: found no P-256 key; without this file tokens signed with it "
                   "are refused, nothing else is lost",
                   trust->directory, name);
        return r;
    }
    assert(signer);
    signer->own = true;
    if (strncmp(text, CREATED, strlen(CREATED)) == 0)
        signer->created_ms = strtoll(text + strlen(CREATED), NULL, 10);
    if (is_private)
        r = trust_key_private_pem(key, &signer->private_pem);
    if (r == 0 && is_private &&
        (!trust->present || trust->present->created_ms < signer->created_ms))
        trust->present = signer;
    return r < 0 ? r : signer_insert(trust, &signer);
}

static int load_all(struct trust *trust, struct buf *problem)
{
    static const char *const suffixes[] = {SIGNING_SUFFIX, NULL};
    _cleanup_(strv_free) char **names = NULL;
    size_t n = 0;
    int r;

    r = dir_list(trust->directory, suffixes, &names, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (strncmp(names[i], SIGNING_PREFIX, strlen(SIGNING_PREFIX)) == 0)
            r = signer_load(trust, names[i], problem);
    return r;
}

/* What signs no more gives its private half away. */
static int signers_retire(struct trust *trust, struct buf *problem)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < trust->n_signers; i++) {
        struct signer *signer = trust->signers[i];

        if (signer == trust->present || !signer->private_pem)
            continue;
        trust_secret_free(&signer->private_pem);
        r = signer_write(trust, signer, problem);
    }
    return r;
}

/* One day more than twice the life of a key: the last token was signed up to a check late. */
static int signers_drop_old(struct trust *trust, int64_t now_ms, char **ret_dropped)
{
    for (size_t i = 0; i < trust->n_signers; i++) {
        struct signer *signer = trust->signers[i];
        _cleanup_free_
        char *path = NULL;

        if (!signer->own || signer == trust->present ||
            now_ms - signer->created_ms <= (2 * TRUST_SIGNING_KEY_DAYS + 1) * MS_PER_DAY)
            continue;
        if (asprintf(&path, "%s/" SIGNING_PREFIX "%s" SIGNING_SUFFIX, trust->directory,
                     signer->kid) < 0) {
            path = NULL;
            return -ENOMEM;
        }
        if (unlink(path) < 0 && errno != ENOENT)
            return -errno;
        *ret_dropped = strdup(signer->kid);
        signer_drop(trust, &trust->signers[i]);
        return *ret_dropped ? 0 : -ENOMEM;
    }
    return 0;
}

static int rotate(struct trust *trust, int64_t now_ms, struct buf *problem, bool *ret_new,
                  char **ret_dropped)
{
    int r = 0;

    *ret_new = false;
    *ret_dropped = NULL;
    if (!trust->present ||
        now_ms - trust->present->created_ms >= TRUST_SIGNING_KEY_DAYS * MS_PER_DAY) {
        r = signer_make(trust, now_ms, problem);
        *ret_new = r == 0;
    }
    if (r == 0)
        r = signers_retire(trust, problem);
    if (r == 0)
        r = signers_drop_old(trust, now_ms, ret_dropped);
    return r;
}

int trust_signer_rotate(struct trust *trust, int64_t now_ms, bool *ret_new, char **ret_dropped)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);

    assert(trust);
    assert(ret_new);
    assert(ret_dropped);

    return rotate(trust, now_ms, &problem, ret_new, ret_dropped);
}

int trust_signer_add(struct trust *trust, const char *kid, const char *public_pem)
{
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    _cleanup_signer_ struct signer *signer = NULL;
    int r;

    assert(trust);
    assert(kid);
    assert(public_pem);

    if (signer_find(trust, kid))
        return 0;
    key = public_key_read(public_pem);
    r = key ? signer_new(key, &signer) : -EINVAL;
    if (r < 0)
        return r;
    assert(signer);
    if (strcmp(signer->kid, kid) != 0)
        return -EINVAL;
    return signer_insert(trust, &signer);
}

void trust_signer_remove(struct trust *trust, const char *kid)
{
    struct signer **at;

    assert(trust);
    assert(kid);

    at = signer_find(trust, kid);
    if (at && !(*at)->own)
        signer_drop(trust, at);
}

bool trust_signer_at(const struct trust *trust, size_t i, const char **ret_kid,
                     const char **ret_public_pem)
{
    assert(trust);

    if (i >= trust->n_signers)
        return false;
    *ret_kid = trust->signers[i]->kid;
    *ret_public_pem = trust->signers[i]->public_pem;
    return true;
}

const char *trust_signer_kid(const struct trust *trust)
{
    return trust->present->kid;
}

const char *trust_signer_pem(const struct trust *trust)
{
    return trust->present->public_pem;
}

int trust_signers_load(struct trust *trust, int64_t now_ms, struct buf *problem)
{
    _cleanup_free_
    char *dropped = NULL;
    bool is_new;
    int r = load_all(trust, problem);

    return r < 0 ? r : rotate(trust, now_ms, problem, &is_new, &dropped);
}

void trust_signers_free(struct trust *trust)
{
    while (trust->n_signers > 0)
        signer_drop(trust, &trust->signers[0]);
}
