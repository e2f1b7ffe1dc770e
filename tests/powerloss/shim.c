/* Logs what a process does to the files of one folder, so that power cuts can be replayed.
 *
 * LD_PRELOAD this with SHIM_FOLDER (the folder) and SHIM_LOG (the log, outside of it). Each record
 * is four 64-bit integers (operation, length of the path, offset or size, length of the data),
 * the path, and the data:
 *
 *   O open or create   T truncate to nothing   W write   L set the length   S fsync
 *   U unlink           M rename (data: the new path)     D mkdir            R rmdir
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define DESCRIPTORS 4096
#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *paths[DESCRIPTORS]; /* of the open files that are logged */
static const char *folder;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("SHIM_LOG");
    folder = getenv("SHIM_FOLDER");
    if (folder && log)
        log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int logged(const char *path) {
    size_t length = folder ? strlen(folder) : 0;
    return log_fd >= 0 && path && strncmp(path, folder, length) == 0 &&
           (path[length] == '/' || path[length] == 0);
}

static const char *path_of(int fd) {
    return fd >= 0 && fd < DESCRIPTORS ? paths[fd] : NULL;
}

static void put(const void *data, size_t length) {
    const char *at = data;
    while (length > 0) {
        ssize_t written = REAL(write)(log_fd, at, length);
        if (written <= 0) abort();
        at += written;
        length -= (size_t)written;
    }
}

static void record(char operation, const char *path, int64_t where, int64_t length,
                   const void *data) {
    int64_t head[4] = {operation, (int64_t)strlen(path), where, length};
    put(head, sizeof head);
    put(path, strlen(path));
    if (length > 0) put(data, (size_t)length);
}

/* Record under the lock, so that the log has the order in which things were done. */
#define DONE(fd, call, operation, where, length, data)                        \
    do {                                                                      \
        pthread_mutex_lock(&lock);                                            \
        typeof(call) answer = call;                                           \
        if (answer >= 0 && path_of(fd))                                       \
            record(operation, path_of(fd), where, length, data);              \
        pthread_mutex_unlock(&lock);                                          \
        return answer;                                                        \
    } while (0)

static int opened(int fd, const char *path, int flags) {
    if (fd < 0 || fd >= DESCRIPTORS) return fd;
    pthread_mutex_lock(&lock);
    free(paths[fd]);
    paths[fd] = logged(path) ? strdup(path) : NULL;
    if (paths[fd] && (flags & O_CREAT)) record('O', path, 0, 0, NULL);
    if (paths[fd] && (flags & O_TRUNC)) record('T', path, 0, 0, NULL);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags)                                                           \
    mode_t mode = 0;                                                          \
    if (flags & (O_CREAT | O_TMPFILE)) {                                      \
        va_list rest;                                                         \
        va_start(rest, flags);                                                \
        mode = va_arg(rest, mode_t);                                          \
        va_end(rest);                                                         \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return opened(REAL(open)(path, flags, mode), path, flags);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return opened(REAL(open64)(path, flags, mode), path, flags);
}

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (path_of(fd)) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    pthread_mutex_unlock(&lock);
    return REAL(close)(fd);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t where) {
    DONE(fd, REAL(pwrite)(fd, data, length, where), 'W', where, answer, data);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t where) {
    DONE(fd, REAL(pwrite64)(fd, data, length, where), 'W', where, answer, data);
}

static off_t end_or_position(int fd) {
    struct stat status;
    if (!path_of(fd)) return 0;
    if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &status) == 0) return status.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *data, size_t length) {
    off_t where = end_or_position(fd);
    DONE(fd, REAL(write)(fd, data, length), 'W', where, answer, data);
}

/* Python copies files with sendfile: what arrived is read back for the log. */
static void record_copied(int fd, off_t where, ssize_t length) {
    char *data = malloc((size_t)length);
    int copy = REAL(open)(path_of(fd), O_RDONLY);
    if (!data || copy < 0 || pread(copy, data, (size_t)length, where) != length) abort();
    record('W', path_of(fd), where, length, data);
    REAL(close)(copy);
    free(data);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t length) {
    off_t where = end_or_position(out);
    pthread_mutex_lock(&lock);
    ssize_t answer = REAL(sendfile)(out, in, offset, length);
    if (answer > 0 && path_of(out)) record_copied(out, where, answer);
    pthread_mutex_unlock(&lock);
    return answer;
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t length) {
    return sendfile(out, in, offset, length);
}

int fsync(int fd) { DONE(fd, REAL(fsync)(fd), 'S', 0, 0, NULL); }
int fdatasync(int fd) { DONE(fd, REAL(fdatasync)(fd), 'S', 0, 0, NULL); }
int ftruncate(int fd, off_t size) { DONE(fd, REAL(ftruncate)(fd, size), 'L', size, 0, NULL); }
int ftruncate64(int fd, off64_t size) { DONE(fd, REAL(ftruncate64)(fd, size), 'L', size, 0, NULL); }

static int named(int answer, char operation, const char *path) {
    if (answer == 0 && logged(path)) {
        pthread_mutex_lock(&lock);
        record(operation, path, 0, 0, NULL);
        pthread_mutex_unlock(&lock);
    }
    return answer;
}

int unlink(const char *path) { return named(REAL(unlink)(path), 'U', path); }
int remove(const char *path) { return named(REAL(remove)(path), 'U', path); }
int mkdir(const char *path, mode_t mode) { return named(REAL(mkdir)(path, mode), 'D', path); }
int rmdir(const char *path) { return named(REAL(rmdir)(path), 'R', path); }

/* Python removes trees by the descriptor of the folder they are in. */
int unlinkat(int fd, const char *name, int flags) {
    char path[8192], link[64];
    ssize_t length = 0;
    if (name[0] != '/') {
        snprintf(link, sizeof link, fd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", fd);
        length = readlink(link, path, sizeof path / 2);
        if (length < 0) abort();
        path[length++] = '/';
    }
    snprintf(path + length, sizeof path - (size_t)length, "%s", name);
    return named(REAL(unlinkat)(fd, name, flags), flags & AT_REMOVEDIR ? 'R' : 'U', path);
}

int rename(const char *from, const char *to) {
    int answer = REAL(rename)(from, to);
    if (answer == 0 && logged(from)) {
        pthread_mutex_lock(&lock);
        record('M', from, 0, (int64_t)strlen(to), to);
        for (int fd = 0; fd < DESCRIPTORS; fd++) {
            if (!paths[fd] || strcmp(paths[fd], from) != 0) continue;
            free(paths[fd]);
            paths[fd] = strdup(to);
        }
        pthread_mutex_unlock(&lock);
    }
    return answer;
}
