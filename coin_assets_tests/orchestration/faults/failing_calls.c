/* Loaded by LD_PRELOAD: system calls on paths below a prefix fail with an errno of choice.
 *
 * What a bad disk (EIO), a full one (ENOSPC), one that was remounted read-only (EROFS), a table of
 * files without room (EMFILE) and lost permissions (EACCES) return is in the manual pages open(2),
 * write(2), fsync(2) and rename(2). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char prefix[PATH_MAX];
static int fault;
static int is_read;
static long count;

/* Begin to fail; an empty prefix ends it. `read` also fails opening for reading. */
void fault_set(const char *path, int error, int read) {
    strncpy(prefix, path, sizeof prefix - 1);
    fault = error;
    is_read = read;
    count = 0;
}

long fault_count(void) { return count; }

static int hits(const char *path) {
    if (!prefix[0] || !path || strncmp(path, prefix, strlen(prefix))) return 0;
    count++;
    errno = fault;
    return 1;
}

static int hits_file(int file) {
    char link[64], path[PATH_MAX];
    if (!prefix[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return hits(path);
}

static int is_write(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT); }

/* A failing disk lets files be opened; the others fail there. */
static int open_hits(const char *path, int flags) {
    if (fault == EIO && !is_read) return 0;
    if (fault == ENOSPC && !(flags & O_CREAT)) return 0;
    return (is_write(flags) || is_read || fault == EMFILE) && hits(path);
}

#define OPEN(name)                                                              \
    int name(const char *path, int flags, ...) {                                \
        static int (*real)(const char *, int, ...);                             \
        mode_t mode = 0;                                                        \
        if (flags & O_CREAT) {                                                  \
            va_list rest;                                                       \
            va_start(rest, flags);                                              \
            mode = va_arg(rest, mode_t);                                        \
            va_end(rest);                                                       \
        }                                                                       \
        if (!real) real = dlsym(RTLD_NEXT, #name);                              \
        return open_hits(path, flags) ? -1 : real(path, flags, mode);           \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                            \
    int name(int folder, const char *path, int flags, ...) {                    \
        static int (*real)(int, const char *, int, ...);                        \
        mode_t mode = 0;                                                        \
        if (flags & O_CREAT) {                                                  \
            va_list rest;                                                       \
            va_start(rest, flags);                                              \
            mode = va_arg(rest, mode_t);                                        \
            va_end(rest);                                                       \
        }                                                                       \
        if (!real) real = dlsym(RTLD_NEXT, #name);                              \
        return open_hits(path, flags) ? -1 : real(folder, path, flags, mode);   \
    }
OPENAT(openat)
OPENAT(openat64)

#define ON_FILE(type, name, parameters, arguments)                              \
    type name parameters {                                                      \
        static type(*real) parameters;                                          \
        if (!real) real = dlsym(RTLD_NEXT, #name);                              \
        int fails = (fault == EIO || fault == ENOSPC || fault == EROFS);        \
        return fails && hits_file(file) ? -1 : real arguments;                  \
    }
ON_FILE(ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
ON_FILE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
ON_FILE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
ON_FILE(int, fsync, (int file), (file))
ON_FILE(int, fdatasync, (int file), (file))

/* mkdir(2) of what exists changes nothing, and says EEXIST. */
static int can_change(const char *name, const char *path) {
    return strcmp(name, "mkdir") || access(path, F_OK);
}

#define ON_PATH(name, parameters, arguments)                                    \
    int name parameters {                                                       \
        static int(*real) parameters;                                           \
        if (!real) real = dlsym(RTLD_NEXT, #name);                              \
        int fails = fault != EMFILE && can_change(#name, path);                 \
        return fails && hits(path) ? -1 : real arguments;                       \
    }
ON_PATH(rename, (const char *path, const char *to), (path, to))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(unlink, (const char *path), (path))
