// Loaded before a program (LD_PRELOAD): calls of the kinds that a rule names fail on the files it names. The rule is one line of the file
// SALLYPORT_DISK_FAULTS, read anew by each call: "<write|sync> <part of the path> <errno>". Each failure adds a byte to that file's name
// plus ".count".
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int fails(const char *kind, int fd) {
  const char *file = getenv("SALLYPORT_DISK_FAULTS");
  char rule[512], link[64], path[4096], wanted[16], part[256], counter[4096];
  int number = 0;
  if (file == NULL) return 0;
  int in = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
  if (in < 0) return 0;
  long length = syscall(SYS_read, in, rule, sizeof rule - 1);
  syscall(SYS_close, in);
  if (length <= 0) return 0;
  rule[length] = 0;
  if (sscanf(rule, "%15s %255s %d", wanted, part, &number) != 3 || strcmp(wanted, kind) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long size = readlink(link, path, sizeof path - 1);
  if (size <= 0) return 0;
  path[size] = 0;
  if (strstr(path, part) == NULL) return 0;
  snprintf(counter, sizeof counter, "%s.count", file);
  int out = syscall(SYS_openat, AT_FDCWD, counter, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  syscall(SYS_write, out, "x", 1);
  syscall(SYS_close, out);
  errno = number;
  return 1;
}

#define REPLACED(kind, type, name, parameters, arguments)            \
  type name parameters {                                             \
    static type(*next) parameters;                                   \
    if (next == NULL) *(void **)&next = dlsym(RTLD_NEXT, #name);     \
    return fails(kind, fd) ? -1 : next arguments;                    \
  }

REPLACED("write", ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
REPLACED("write", ssize_t, pwrite, (int fd, const void *bytes, size_t size, off_t at), (fd, bytes, size, at))
REPLACED("write", ssize_t, pwrite64, (int fd, const void *bytes, size_t size, off64_t at), (fd, bytes, size, at))
REPLACED("write", ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
REPLACED("write", ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
REPLACED("write", ssize_t, pwritev64, (int fd, const struct iovec *parts, int count, off64_t at), (fd, parts, count, at))
REPLACED("sync", int, fdatasync, (int fd), (fd))
REPLACED("sync", int, fsync, (int fd), (fd))
