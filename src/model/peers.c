/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/error.h"
#include "model/estate_internal.h"
#include "model/print.h"

#define PEER_ADDRESSES_MAX 4096
#define PEER_PUS_MAX 65536
#define KEY_BYTES 32
#define KEY_TEXT_LEN 44 /* base64 of 32 bytes, with one '=' */
#define PEER_TEXT_MAX (256ul << 20)

struct peer_reader {
    struct check check;
    struct peer_host *host;
};

static const struct node_field peer_fields[] = {
    {"enforcerId", KIND_INTEGER, true},
    {"publicKey", KIND_STRING, true},
    {"addresses", KIND_LIST, true},
    {"processingUnits", KIND_LIST, true},
};

static const struct node_field pu_fields[] = {
    {"namespace", KIND_STRING, true},
    {"tags", KIND_LIST, true},
};

void peer_host_free(struct peer_host **host)
{
    if (!host || !*host)
        return;
    for (size_t i = 0; i < (*host)->n_pus; i++) {
        free((*host)->pus[i].namespace);
        tag_set_clear(&(*host)->pus[i].tags);
    }
    free((*host)->pus);
    free((*host)->addresses);
    free(*host);
    *host = NULL;
}

static int decode_key(const char *text, size_t len, uint8_t ret[KEY_BYTES])
{
    unsigned char bytes[KEY_BYTES + 2], again[KEY_TEXT_LEN + 1];

    if (len != KEY_TEXT_LEN)
        return -EINVAL;
    /* 33: OpenSSL counts the byte that '=' stands for. Encoding it again refuses every other
     * spelling. */
    if (EVP_DecodeBlock(bytes, (const unsigned char *)text, KEY_TEXT_LEN) != KEY_BYTES + 1)
        return -EINVAL;
    if (EVP_EncodeBlock(again, bytes, KEY_BYTES) != KEY_TEXT_LEN ||
        memcmp(again, text, KEY_TEXT_LEN) != 0)
        return -EINVAL;
    memcpy(ret, bytes, KEY_BYTES);
    return 0;
}

static void read_key(struct peer_reader *reader, const struct node *node, const struct path *path)
{
    static const uint8_t zero[KEY_BYTES];

    if (decode_key(node->text, node->text_len, reader->host->public_key) < 0)
        check_error(&reader->check, node, path, "found %s, expected 32 bytes in base64",
                    described(node).text);
    else if (memcmp(reader->host->public_key, zero, sizeof(zero)) == 0)
        check_error(&reader->check, node, path, "found a key of zeros, expected a public key");
}

static int read_addresses(struct peer_reader *reader, const struct node *list,
                          const struct path *path)
{
    struct peer_host *host = reader->host;

    if (list->n_children > PEER_ADDRESSES_MAX) {
        check_error(&reader->check, list, path, "found %zu addresses, expected at most %d",
                    list->n_children, PEER_ADDRESSES_MAX);
        return 0;
    }
    host->addresses = calloc(MAX(list->n_children, (size_t)1), sizeof(*host->addresses));
    if (!host->addresses)
        return -ENOMEM;
    for (size_t i = 0; i < list->n_children; i++) {
        const struct node *node = list->children[i];
        struct path here = PATH_INDEX(path, i);
        int r = node->kind == NODE_STRING
                    ? ip_prefix_parse(node->text, &host->addresses[host->n_addresses])
                    : -EINVAL;

        if (r == 0)
            host->n_addresses++;
        else
            check_error(&reader->check, node, &here, "found %s, expected an IP address or CIDR%s",
                        described(node).text,
                        r == -EDOM ? " without address bits past its length" : "");
    }
    return 0;
}

/*
 * Tags as `describe` prints them, so $name and $type may be there: the identity id is made of them.
 * What says who the PU is must agree with the file.
 */
static const char *pu_tag_problem(const char *tag, const char *namespace)
{
    const char *problem = tag_problem(tag);

    if (problem)
        return problem;
    if (*tag == '+' || strncmp(tag, "@auth:", 6) == 0)
        return "a tag that does not start with '+' or '@auth:'";
    if (strncmp(tag, "$identity=", 10) == 0 && strcmp(tag + 10, "processingunit") != 0)
        return "$identity=processingunit";
    if (strncmp(tag, "$namespace=", 11) == 0 && strcmp(tag + 11, namespace) != 0)
        return "$namespace= with the namespace of this processing unit";
    return NULL;
}

static int read_pu_tags(struct peer_reader *reader, const struct node *list,
                        const struct path *path, const char *namespace, struct tag_set *tags)
{
    for (size_t i = 0; i < list->n_children; i++) {
        const struct node *node = list->children[i];
        struct path here = PATH_INDEX(path, i);
        const char *problem = "a string";
        int r;

        if (node->kind == NODE_STRING)
            problem = pu_tag_problem(node->text, namespace);
        if (problem) {
            check_error(&reader->check, node, &here, "found %s, expected %s", described(node).text,
                        problem);
            continue;
        }
        r = tag_set_add(tags, node->text);
        if (r == -BULKHEAD_ETOOMANY) {
            check_error(&reader->check, node, &here,
                        "found more than %d tags, expected at most that many",
                        MODEL_TAGS_PER_SET_MAX);
            return 0;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_pu(struct peer_reader *reader, const struct node *map, const struct path *path)
{
    struct peer_pu *pu = &reader->host->pus[reader->host->n_pus];
    _cleanup_tag_set_ struct tag_set tags = {0};
    struct path here = PATH_KEY(path, "namespace");
    const struct node *namespace;
    const char *problem;
    int r;

    if (!check_map(&reader->check, map, path, pu_fields, ARRAY_SIZE(pu_fields)))
        return 0;
    namespace = node_get(map, "namespace");
    problem = namespace_problem(namespace->text);
    if (problem) {
        check_error(&reader->check, namespace, &here, "found %s, expected %s",
                    described(namespace).text, problem);
        return 0;
    }
    here = PATH_KEY(path, "tags");
    r = read_pu_tags(reader, node_get(map, "tags"), &here, namespace->text, &tags);
    if (r < 0)
        return r;
    r = pu_tags_complete(&tags, namespace->text, NULL, NULL, &pu->tags);
    if (r == -BULKHEAD_ETOOMANY || r == -EINVAL) {
        check_error(
            &reader->check, map, path,
            "found too many or too long tags with those of the namespace, expected at most %d",
            MODEL_TAGS_PER_SET_MAX);
        return 0;
    }
    if (r < 0)
        return r;
    reader->host->n_pus++; /* from here on peer_host_free() frees it */
    pu->namespace = strdup(namespace->text);
    return pu->namespace ? 0 : -ENOMEM;
}

static int read_pus(struct peer_reader *reader, const struct node *list, const struct path *path)
{
    int r = 0;

    if (list->n_children > PEER_PUS_MAX) {
        check_error(&reader->check, list, path, "found %zu processing units, expected at most %d",
                    list->n_children, PEER_PUS_MAX);
        return 0;
    }
    reader->host->pus = calloc(MAX(list->n_children, (size_t)1), sizeof(*reader->host->pus));
    if (!reader->host->pus)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < list->n_children; i++) {
        struct path here = PATH_INDEX(path, i);

        r = read_pu(reader, list->children[i], &here);
    }
    return r;
}

static int read_host(struct peer_reader *reader, const struct node *root)
{
    const struct path top = PATH_ROOT;
    struct path here = PATH_KEY(&top, "enforcerId");
    const struct node *id;
    int r;

    if (!check_map(&reader->check, root, &top, peer_fields, ARRAY_SIZE(peer_fields)))
        return 0;
    id = node_get(root, "enforcerId");
    if (id->integer < 1 || id->integer > UINT32_MAX)
        check_error(&reader->check, id, &here, "found %s, expected 1 to %u", described(id).text,
                    UINT32_MAX);
    else
        reader->host->enforcer_id = (uint32_t)id->integer;
    here = PATH_KEY(&top, "publicKey");
    read_key(reader, node_get(root, "publicKey"), &here);
    here = PATH_KEY(&top, "addresses");
    r = read_addresses(reader, node_get(root, "addresses"), &here);
    if (r < 0)
        return r;
    here = PATH_KEY(&top, "processingUnits");
    return read_pus(reader, node_get(root, "processingUnits"), &here);
}

int peer_host_parse(const char *file, const char *text, size_t len, enum document_format format,
                    struct diagnostics *diagnostics, struct peer_host **ret)
{
    _cleanup_document_ struct document *document = NULL;
    _cleanup_(peer_host_free) struct peer_host *host = NULL;
    struct peer_reader reader = {.check = {.file = file, .diagnostics = diagnostics}};
    size_t errors;
    int r;

    assert(diagnostics);
    assert(ret);

    errors = diagnostics->n_errors;
    r = document_parse(file, text, len, format, diagnostics, &document);
    if (r < 0)
        return r;
    host = calloc(1, sizeof(*host));
    if (!host)
        return -ENOMEM;
    reader.host = host;
    if (document_count(document) != 1 || !document_root(document, 0)) {
        check_report(&reader.check, DIAGNOSTIC_ERROR, 0, 0, NULL,
                     "found %zu documents, expected one with enforcerId, publicKey, addresses and "
                     "processingUnits",
                     document_count(document));
        return -BULKHEAD_EINVALID_INPUT;
    }
    r = read_host(&reader, document_root(document, 0));
    if (r < 0)
        return r;
    if (diagnostics->n_errors > errors)
        return -BULKHEAD_EINVALID_INPUT;
    *ret = TAKE_PTR(host);
    return 0;
}

char *peer_host_format(const struct peer_host *host)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(PEER_TEXT_MAX);
    unsigned char key[KEY_TEXT_LEN + 1];
    char text[IP_TEXT_MAX];

    assert(host);

    EVP_EncodeBlock(key, host->public_key, KEY_BYTES);
    buf_printf(&buf, "enforcerId: %u\npublicKey: \"%s\"\naddresses: [", host->enforcer_id,
               (const char *)key);
    for (size_t i = 0; i < host->n_addresses; i++)
        buf_printf(&buf, "%s'%s'", i ? ", " : "", ip_prefix_format(&host->addresses[i], text));
    buf_puts(&buf, host->n_pus ? "]\nprocessingUnits:\n" : "]\nprocessingUnits: []\n");
    for (size_t i = 0; i < host->n_pus; i++) {
        buf_puts(&buf, "  - namespace: ");
        print_string(&buf, host->pus[i].namespace);
        buf_puts(&buf, "\n    tags: ");
        print_tags(&buf, &host->pus[i].tags);
        buf_puts(&buf, "\n");
    }
    return buf_steal(&buf);
}
