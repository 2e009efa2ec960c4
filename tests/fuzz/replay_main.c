/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over files and directories of files, without the fuzzer. */
#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/macros.h"
#include "fuzz.h"

#define INPUT_BYTES_MAX (16u << 20)

static bool replay_file(const char *path)
{
    _cleanup_free_
    char *data = NULL;
    size_t len;
    int r = file_read(path, INPUT_BYTES_MAX, &data, &len);

    if (r < 0) {
        fprintf(stderr, "%s: %s\n", path, error_text(r));
        return false;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)data, len);
    return true;
}

static bool replay_directory(const char *path, size_t *n)
{
    _cleanup_(strv_free) char **names = NULL;
    size_t n_names;
    int r = dir_list(path, NULL, &names, &n_names);

    if (r < 0) {
        fprintf(stderr, "%s: %s\n", path, error_text(r));
        return false;
    }
    for (size_t i = 0; i < n_names; i++) {
        char file[4096];

        snprintf(file, sizeof(file), "%s/%s", path, names[i]);
        if (!replay_file(file))
            return false;
        ++*n;
    }
    return true;
}

int main(int argc, char **argv)
{
    size_t n = 0;

    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool is_directory = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);

        if (is_directory ? !replay_directory(argv[i], &n) : !replay_file(argv[i]))
            return 1;
        n += !is_directory;
    }
    printf("%zu inputs\n", n);
    return n == 0; /* a corpus that is not there tests nothing */
}
