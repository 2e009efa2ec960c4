/* SPDX-License-Identifier: Apache-2.0 */
#include "console/password.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <argon2.h>
#include <openssl/rand.h>

#include "base/text.h"

#define SALT_BYTES 16
#define HASH_BYTES 32
#define ENCODED_BYTES_MAX 256

/* Of a password that nobody has, with the parameters that accounts have now. */
static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA"
                             "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const char *password_problem(const char *password, const char *account)
{
    assert(password);
    assert(account);

    if (strlen(password) > PASSWORD_BYTES_MAX)
        return "expected at most 1024 bytes";
    if (text_utf8_count(password, strlen(password)) < PASSWORD_CHARS_MIN)
        return "expected at least 12 characters";
    if (*account && strcasestr(password, account))
        return "expected something that does not contain the name of the account";
    if (strspn(password, (char[]){*password, '\0'}) == strlen(password))
        return "expected more than one character again and again";
    return NULL;
}

int password_hash(const char *password, char **ret_encoded)
{
    char encoded[ENCODED_BYTES_MAX];
    unsigned char salt[SALT_BYTES];
    size_t len;
    int r;

    assert(password);
    assert(ret_encoded);

    len = strlen(password);
    if (len > PASSWORD_BYTES_MAX)
        return -EINVAL;
    if (RAND_bytes(salt, sizeof(salt)) != 1)
        return -EIO;
    r = argon2id_hash_encoded(PASSWORD_PASSES, PASSWORD_MEMORY_KIB, PASSWORD_LANES, password, len,
                              salt, sizeof(salt), HASH_BYTES, encoded, sizeof(encoded));
    if (r != ARGON2_OK)
        return r == ARGON2_MEMORY_ALLOCATION_ERROR ? -ENOMEM : -EIO;
    *ret_encoded = strdup(encoded);
    return *ret_encoded ? 0 : -ENOMEM;
}

bool password_verify(const char *encoded, const char *password)
{
    bool there = encoded && *encoded;
    int r;

    assert(password);

    r = argon2id_verify(there ? encoded : nobody, password,
                        strnlen(password, PASSWORD_BYTES_MAX + 1));
    return there && strlen(password) <= PASSWORD_BYTES_MAX && r == ARGON2_OK;
}
