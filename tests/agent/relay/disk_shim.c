/* Stands between a process and its disk, for files whose name holds "outrider.db" and not "-shm".
 *
 * While the file $SHIM_FAIL exists, fsync and fdatasync fail with EIO. Everything that is written is also put down in
 * $SHIM_TAPE, in order: 'O' fd path, 'W' fd offset bytes, 'T' fd length, 'S' fd (synced), 'F' fd (a sync that failed),
 * 'U' path (removed). Each record: op, int fd, long offset, long length, then the bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char ours[4096];
static int tape = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

static void put(char op, int fd, long offset, const void *bytes, long length) {
    char head[21];
    pthread_mutex_lock(&lock);
    if (tape < 0 && getenv("SHIM_TAPE"))
        tape = REAL(int, "open", const char *, int, ...)(getenv("SHIM_TAPE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    head[0] = op;
    memcpy(head + 1, &fd, 4);
    memcpy(head + 5, &offset, 8);
    memcpy(head + 13, &length, 8);
    struct iovec parts[2] = {{head, 21}, {(void *)bytes, bytes ? (size_t)length : 0}};
    if (tape >= 0 && writev(tape, parts, 2) < 0) abort();
    pthread_mutex_unlock(&lock);
}

static int wanted(const char *path) { return strstr(path, "outrider.db") && !strstr(path, "-shm"); }
static int mine(int fd) { return fd >= 0 && fd < (int)sizeof ours && ours[fd]; }

static int opened(int fd, const char *path) {
    if (fd >= 0 && fd < (int)sizeof ours && (ours[fd] = wanted(path)))
        put('O', fd, 0, path, strlen(path));
    return fd;
}

static int opening(const char *name, const char *path, int flags, va_list rest) {
    int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
    return opened(REAL(int, name, const char *, int, ...)(path, flags, mode), path);
}

int open(const char *path, int flags, ...) { va_list r; va_start(r, flags); int f = opening("open", path, flags, r); va_end(r); return f; }
int open64(const char *path, int flags, ...) { va_list r; va_start(r, flags); int f = opening("open64", path, flags, r); va_end(r); return f; }

static ssize_t wrote(ssize_t done, int fd, const void *bytes, off_t at) {
    if (done > 0 && mine(fd)) put('W', fd, at, bytes, done);
    return done;
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { return wrote(REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)(fd, b, n, at), fd, b, at); }
ssize_t pwrite64(int fd, const void *b, size_t n, off_t at) { return wrote(REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t)(fd, b, n, at), fd, b, at); }

int ftruncate64(int fd, off_t length) {
    int done = REAL(int, "ftruncate64", int, off_t)(fd, length);
    if (!done && mine(fd)) put('T', fd, length, 0, 0);
    return done;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int unlink(const char *path) {
    int done = REAL(int, "unlink", const char *)(path);
    if (!done && wanted(path)) put('U', -1, 0, path, strlen(path));
    return done;
}

static int syncing(const char *name, int fd) {
    if (!mine(fd)) return REAL(int, name, int)(fd);
    const char *fail = getenv("SHIM_FAIL");
    if (fail && !access(fail, F_OK)) {
        put('F', fd, 0, 0, 0);
        errno = EIO;
        return -1;
    }
    int done = REAL(int, name, int)(fd);
    put(done ? 'F' : 'S', fd, 0, 0, 0);
    return done;
}
int fsync(int fd) { return syncing("fsync", fd); }
int fdatasync(int fd) { return syncing("fdatasync", fd); }
