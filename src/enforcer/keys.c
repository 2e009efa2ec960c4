/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/macros.h"

#define BASE64_BYTES 44 /* of 32 bytes, with padding */
#define FILE_BYTES_MAX 64

void keys_wipe(uint8_t key[WIRE_KEY_BYTES])
{
    OPENSSL_cleanse(key, WIRE_KEY_BYTES);
}

/* Strict: exactly one block of base64 and at most one newline. */
static int decode(const char *text, size_t len, uint8_t ret[WIRE_KEY_BYTES])
{
    uint8_t decoded[BASE64_BYTES / 4 * 3];
    int r = -EINVAL;

    if (len == BASE64_BYTES + 1 && text[BASE64_BYTES] == '\n')
        len--;
    if (len == BASE64_BYTES && text[BASE64_BYTES - 1] == '=' && text[BASE64_BYTES - 2] != '=' &&
        EVP_DecodeBlock(decoded, (const unsigned char *)text, BASE64_BYTES) == sizeof(decoded)) {
        memcpy(ret, decoded, WIRE_KEY_BYTES);
        r = 0;
    }
    OPENSSL_cleanse(decoded, sizeof(decoded));
    return r;
}

static int check_file(int fd, const char *path, char message[KEYS_MESSAGE_MAX])
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode)) {
        snprintf(message, KEYS_MESSAGE_MAX, "%.300s: not a regular file, expected a key file",
                 path);
        return -EINVAL;
    }
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        snprintf(message, KEYS_MESSAGE_MAX,
                 "%.300s: owned by user %u, expected root; mend it with: chown root '%.100s'", path,
                 (unsigned)st.st_uid, path);
        return -EPERM;
    }
    if (st.st_mode & 077) {
        snprintf(message, KEYS_MESSAGE_MAX,
                 "%.300s: mode %04o lets others at the private key, expected 0600; make a new key, "
                 "or mend it with: chmod 600 '%.100s'",
                 path, (unsigned)st.st_mode & 07777, path);
        return -EPERM;
    }
    return 0;
}

int keys_load(const char *path, uint8_t ret[WIRE_KEY_BYTES], char message[KEYS_MESSAGE_MAX])
{
    _cleanup_close_
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char text[FILE_BYTES_MAX];
    ssize_t len;
    int r;

    if (fd < 0) {
        r = -errno;
        snprintf(message, KEYS_MESSAGE_MAX, "%.300s: %s", path, error_text(r));
        return r;
    }
    r = check_file(fd, path, message);
    if (r < 0)
        return r;
    len = read(fd, text, sizeof(text));
    r = len < 0 ? -errno : decode(text, (size_t)len, ret);
    OPENSSL_cleanse(text, sizeof(text));
    if (r < 0)
        snprintf(message, KEYS_MESSAGE_MAX,
                 "%.300s: not a key, expected 32 bytes in base64 on one line", path);
    return r;
}

static int make_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_
    char *directory = NULL;

    if (!slash || slash == path)
        return 0;
    directory = strndup(path, (size_t)(slash - path));
    return directory ? dir_make(directory, 0755) : -ENOMEM;
}

static int make(const char *path)
{
    uint8_t private_key[WIRE_KEY_BYTES], public_key[WIRE_KEY_BYTES];
    unsigned char text[BASE64_BYTES + 2];
    int r;

    r = make_directory(path);
    if (r < 0)
        return r;
    r = wire_keypair_new(private_key, public_key);
    if (r < 0)
        return r;
    EVP_EncodeBlock(text, private_key, WIRE_KEY_BYTES);
    text[BASE64_BYTES] = '\n';
    r = file_write_atomic(path, text, BASE64_BYTES + 1, 0600);
    OPENSSL_cleanse(private_key, sizeof(private_key));
    OPENSSL_cleanse(text, sizeof(text));
    return r;
}

int keys_load_or_make(const char *path, uint8_t ret[WIRE_KEY_BYTES], char message[KEYS_MESSAGE_MAX])
{
    int r;

    r = keys_load(path, ret, message);
    if (r != -ENOENT)
        return r;
    r = make(path);
    if (r < 0) {
        snprintf(message, KEYS_MESSAGE_MAX, "%.300s: cannot be made: %s", path, error_text(r));
        return r;
    }
    return keys_load(path, ret, message);
}
