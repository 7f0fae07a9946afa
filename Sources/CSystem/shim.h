// What Swift's Glibc module lacks, and every system call of the I/O room, as static inline C.
// Calls return a result >= 0, or -errno: no caller reads errno. EINTR is handled here.
#ifndef STEELYARD_CSYSTEM_H
#define STEELYARD_CSYSTEM_H
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

// _GNU_SOURCE would give these, but also definitions that contradict Swift's Glibc module.
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern long syscall(long, ...);
extern int pthread_setname_np(pthread_t, const char *);

#define SY_RETRY(expression)                      \
  long result;                                    \
  do result = (long)(expression);                 \
  while (result < 0 && errno == EINTR);           \
  return result < 0 ? -(long)errno : result

// Neither core dumps nor other processes of the user show the memory.
static inline long sy_hide_memory(void) { SY_RETRY(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)); }

static inline long sy_read(int fd, void *bytes, size_t count) { SY_RETRY(read(fd, bytes, count)); }
static inline long sy_write(int fd, const void *bytes, size_t count) {
  SY_RETRY(write(fd, bytes, count));
}
// The calls of the request path go to the kernel directly: in libc they are cancellation points,
// with two function calls and an atomic operation each. A result below 0 is -errno already.
static inline long sy_direct(
    long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
#else
  long result = syscall(number, a, b, c, d, e, f);
  return result < 0 ? -(long)errno : result;
#endif
}
static inline long sy_recv(int fd, void *bytes, size_t count) {
  long result;
  do result = sy_direct(SYS_recvfrom, fd, (long)bytes, (long)count, 0, 0, 0);
  while (result == -EINTR);
  return result;
}
// Whether something can be received: 1 for a byte, which stays, 0 at the end, else -errno.
static inline long sy_peek(int fd) {
  char byte;
  long result;
  do result = sy_direct(SYS_recvfrom, fd, (long)&byte, 1, MSG_PEEK | MSG_DONTWAIT, 0, 0);
  while (result == -EINTR);
  return result;
}
static inline long sy_send(int fd, const void *bytes, size_t count) {
  long result;
  do result = sy_direct(SYS_sendto, fd, (long)bytes, (long)count, MSG_NOSIGNAL, 0, 0);
  while (result == -EINTR);
  return result;
}
static inline long sy_open(const char *path, int flags) {
  SY_RETRY(open(path, flags | O_CLOEXEC));
}
// For writing, empty; made where it does not exist.
static inline long sy_create(const char *path) {
  SY_RETRY(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
}
// A file that must not be there yet, not even as a symbolic link.
static inline long sy_create_new(const char *path, unsigned mode) {
  SY_RETRY(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
}
static inline long sy_unlink(const char *path) { SY_RETRY(unlink(path)); }
static inline long sy_make_directory(const char *path) { SY_RETRY(mkdir(path, 0777)); }
// Whether there is something at the path, a broken symbolic link too.
static inline int sy_exists(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}
// The absolute path without symbolic links, to be freed; null: there is nothing at the path.
static inline char *sy_real_path(const char *path) { return realpath(path, 0); }
// For appending, never blocking (a FIFO without a reader is ENXIO); made where it does not exist.
static inline long sy_open_log(const char *path) {
  SY_RETRY(open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640));
}
// Whether the descriptor can be read (or written) without blocking within so many milliseconds.
static inline int sy_poll(int fd, int is_write, int milliseconds) {
  struct pollfd entry = {.fd = fd, .events = is_write ? POLLOUT : POLLIN};
  return poll(&entry, 1, milliseconds) > 0;
}
// Waits until one of two descriptors can be read: bit 0 for the first, bit 1 for the second.
static inline int sy_poll_two(int first, int second, int milliseconds) {
  struct pollfd entries[2] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
  if (poll(entries, 2, milliseconds) <= 0) return 0;
  return (entries[0].revents != 0) | (entries[1].revents != 0) << 1;
}
// Hours, minutes and seconds of the machine's own time, for people: hh * 10000 + mm * 100 + ss.
static inline int sy_time_of_day(long long seconds) {
  time_t time = (time_t)seconds;
  struct tm parts;
  if (!localtime_r(&time, &parts)) return 0;
  return parts.tm_hour * 10000 + parts.tm_min * 100 + parts.tm_sec;
}
// The permissions of what a path names, and whether it is a regular file.
static inline long sy_mode(const char *path, int *is_regular) {
  struct stat status;
  if (stat(path, &status) < 0) return -(long)errno;
  *is_regular = S_ISREG(status.st_mode);
  return (long)(status.st_mode & 07777);
}
// What tells one content of a file from another: device, inode, size, and the times of the last
// change of the content and of the inode, nanoseconds since 1970. Links are followed.
static inline void sy_fill_stamp(const struct stat *status, int64_t *stamp) {
  stamp[0] = (int64_t)status->st_dev;
  stamp[1] = (int64_t)status->st_ino;
  stamp[2] = (int64_t)status->st_size;
  stamp[3] = (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
  stamp[4] = (int64_t)status->st_ctim.tv_sec * 1000000000 + status->st_ctim.tv_nsec;
}
// The permissions; -ESPIPE for what is no regular file.
static inline long sy_stamp(const char *path, int64_t *stamp) {
  struct stat status;
  if (stat(path, &status) < 0) return -(long)errno;
  if (!S_ISREG(status.st_mode)) return -(long)ESPIPE;
  sy_fill_stamp(&status, stamp);
  return (long)(status.st_mode & 07777);
}
static inline long sy_fstamp(int fd, int64_t *stamp) {
  struct stat status;
  if (fstat(fd, &status) < 0) return -(long)errno;
  if (!S_ISREG(status.st_mode)) return -(long)ESPIPE;
  sy_fill_stamp(&status, stamp);
  return (long)(status.st_mode & 07777);
}
// Zeros that the compiler does not leave out.
static inline void sy_wipe(void *bytes, size_t count) {
  memset(bytes, 0, count);
  __asm__ volatile("" : : "r"(bytes) : "memory");
}
// Whether a path names a regular file that may be executed.
static inline int sy_is_program(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}
static inline long sy_fstat_size(int fd, int *is_regular) {
  struct stat status;
  if (fstat(fd, &status) < 0) return -(long)errno;
  *is_regular = S_ISREG(status.st_mode);
  return (long)status.st_size;
}
// A pipe whose ends do not block, as large as wished or as the kernel allows: {read, write}.
static inline long sy_pipe(int *ends, int size) {
  if (syscall(SYS_pipe2, ends, O_NONBLOCK | O_CLOEXEC) < 0) return -(long)errno;
  (void)fcntl(ends[1], 1031 /* F_SETPIPE_SZ */, size);
  return 0;
}
// close(2) must not be retried on EINTR: Linux has released the descriptor.
static inline void sy_close(int fd) { (void)close(fd); }
static inline void sy_shutdown_write(int fd) { (void)shutdown(fd, SHUT_WR); }

static inline long sy_socket(int family) {
  SY_RETRY(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}
static inline long sy_set_option(int fd, int level, int name, int value) {
  SY_RETRY(setsockopt(fd, level, name, &value, sizeof value));
}
static inline void sy_reset_on_close(int fd) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}
// Bytes in the kernel that the peer has not acknowledged (tcp(7), SIOCOUTQ).
static inline int sy_unacknowledged(int fd) {
  int value = 0;
  return ioctl(fd, SIOCOUTQ, &value) < 0 ? 0 : value;
}
static inline int sy_socket_error(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size) < 0 ? errno : value;
}
static inline long sy_accept(int fd, struct sockaddr_storage *address) {
  socklen_t size = sizeof *address;
  SY_RETRY(accept4(fd, (struct sockaddr *)address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
}
static inline socklen_t sy_address_size(const struct sockaddr_storage *address) {
  return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}
static inline long sy_bind(int fd, const struct sockaddr_storage *address) {
  SY_RETRY(bind(fd, (const struct sockaddr *)address, sy_address_size(address)));
}
static inline void sy_set_blocking(int fd) { (void)fcntl(fd, F_SETFL, 0); }
static inline long sy_listen(int fd, int backlog) { SY_RETRY(listen(fd, backlog)); }
// connect(2) interrupted goes on in the background: EINTR means the same as EINPROGRESS.
static inline long sy_connect(int fd, const struct sockaddr_storage *address) {
  if (connect(fd, (const struct sockaddr *)address, sy_address_size(address)) == 0) return 0;
  return errno == EINTR ? -(long)EINPROGRESS : -(long)errno;
}
static inline uint16_t sy_local_port(int fd) {
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                             : ((struct sockaddr_in *)&address)->sin_port);
}
static inline void sy_address_v4(struct sockaddr_storage *out, const uint8_t *bytes, uint16_t port) {
  memset(out, 0, sizeof *out);
  struct sockaddr_in *address = (struct sockaddr_in *)out;
  address->sin_family = AF_INET;
  address->sin_port = htons(port);
  memcpy(&address->sin_addr, bytes, 4);
}
static inline void sy_address_v6(struct sockaddr_storage *out, const uint8_t *bytes, uint16_t port) {
  memset(out, 0, sizeof *out);
  struct sockaddr_in6 *address = (struct sockaddr_in6 *)out;
  address->sin6_family = AF_INET6;
  address->sin6_port = htons(port);
  memcpy(&address->sin6_addr, bytes, 16);
}
// The IP address in network order, the port in the host's; returns how many bytes the address has.
static inline int sy_address_parts(const struct sockaddr_storage *address, uint8_t *bytes, uint16_t *port) {
  if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    memcpy(bytes, &six->sin6_addr, 16);
    *port = ntohs(six->sin6_port);
    return 16;
  }
  const struct sockaddr_in *four = (const struct sockaddr_in *)address;
  memcpy(bytes, &four->sin_addr, 4);
  *port = ntohs(four->sin_port);
  return 4;
}
static inline int sy_local_address(int fd, struct sockaddr_storage *address) {
  socklen_t size = sizeof *address;
  memset(address, 0, sizeof *address);
  return getsockname(fd, (struct sockaddr *)address, &size) == 0;
}
static inline long sy_epoll_create(void) { SY_RETRY(epoll_create1(EPOLL_CLOEXEC)); }
static inline long sy_epoll_add(int epoll, int fd, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data = {.u64 = data}};
  SY_RETRY(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}
static inline long sy_epoll_remove(int epoll, int fd) {
  SY_RETRY(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL));
}
// Moves bytes between a socket and a pipe without copying them (splice(2)).
static inline long sy_splice(int from, int to, size_t count) {
  long result;
  // SPLICE_F_MOVE | SPLICE_F_NONBLOCK
  do result = sy_direct(SYS_splice, from, 0, to, 0, (long)count, 3);
  while (result == -EINTR);
  return result;
}
// An interrupted wait is an empty one: the caller's deadline has to be computed anew.
static inline long sy_epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds) {
  // epoll_wait(2) is not a call of every architecture.
  long result = sy_direct(SYS_epoll_pwait, epoll, (long)events, count, milliseconds, 0, 8);
  return result == -EINTR ? 0 : result;
}
static inline uint64_t sy_event_data(const struct epoll_event *event) { return event->data.u64; }
static inline uint32_t sy_event_bits(const struct epoll_event *event) { return event->events; }

static inline long sy_eventfd(void) { SY_RETRY(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }
static inline int64_t sy_monotonic(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
static inline int64_t sy_wall(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
// Blocks the signals in this thread and in every thread that it creates later. Returns an errno.
static inline int sy_block_signals(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int index = 0; index < count; index++) sigaddset(&set, signals[index]);
  return pthread_sigmask(SIG_BLOCK, &set, NULL);
}
// Waits for one of the (blocked) signals. Returns its number, or -1.
static inline int sy_wait_signal(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int index = 0; index < count; index++) sigaddset(&set, signals[index]);
  int number = 0;
  return sigwait(&set, &number) == 0 ? number : -1;
}
// RFC 9110 5.6.7 IMF-fixdate, 29 bytes and a NUL, without regard to the locale.
static inline void sy_http_date(int64_t seconds, char *out) {
  static const char days[] = "SunMonTueWedThuFriSat";
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  struct tm time;
  time_t value = (time_t)seconds;
  gmtime_r(&value, &time);
  memcpy(out, "Sun, 06 Nov 1994 08:49:37 GMT", 30);
  memcpy(out, days + 3 * time.tm_wday, 3);
  out[5] = (char)('0' + time.tm_mday / 10), out[6] = (char)('0' + time.tm_mday % 10);
  memcpy(out + 8, months + 3 * time.tm_mon, 3);
  int year = time.tm_year + 1900;
  for (int i = 15; i >= 12; i--, year /= 10) out[i] = (char)('0' + year % 10);
  out[17] = (char)('0' + time.tm_hour / 10), out[18] = (char)('0' + time.tm_hour % 10);
  out[20] = (char)('0' + time.tm_min / 10), out[21] = (char)('0' + time.tm_min % 10);
  out[23] = (char)('0' + time.tm_sec / 10), out[24] = (char)('0' + time.tm_sec % 10);
}
// 2026-01-31T12:00:00.123Z, 24 bytes and a NUL.
static inline void sy_timestamp(int64_t seconds, int milliseconds, char *out) {
  struct tm time;
  time_t value = (time_t)seconds;
  gmtime_r(&value, &time);
  size_t count = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &time);
  out[count++] = '.';
  out[count++] = (char)('0' + milliseconds / 100);
  out[count++] = (char)('0' + milliseconds / 10 % 10);
  out[count++] = (char)('0' + milliseconds % 10);
  out[count++] = 'Z';
  out[count] = 0;
}
static inline void sy_ignore_sigpipe(void) { signal(SIGPIPE, SIG_IGN); }
static inline void sy_ignore_sigusr1(void) { signal(SIGUSR1, SIG_IGN); }
// Starts a program in a process group of its own: no input, output and errors into one pipe whose
// reading end (*output, it does not block) is ours, no other descriptor, no signal blocked or
// ignored. The thread waits until the program has replaced its copy of us. Gives the process's id.
static inline long sy_spawn(char *const *words, char *const *environment, int *output) {
  int ends[2];
  if (syscall(SYS_pipe2, ends, O_CLOEXEC) < 0) return -(long)errno;
  (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t all, none;
  sigfillset(&all), sigemptyset(&none);
  pid_t pid = 0;
  posix_spawn_file_actions_init(&actions), posix_spawnattr_init(&attributes);
  int code = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, 1, 2);
  if (code == 0) code = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (code == 0) {
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    code = posix_spawn(&pid, words[0], &actions, &attributes, words, environment);
  }
  posix_spawn_file_actions_destroy(&actions), posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  if (code != 0) {
    close(ends[0]);
    return -(long)code;
  }
  *output = ends[0];
  return pid;
}
// Whether the child has ended: its id stays taken until sy_reap.
static inline int sy_has_ended(int pid) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  long result;
  do result = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
  while (result < 0 && errno == EINTR);
  return result < 0 || info.si_pid != 0;
}
// Waits for the child's end: its exit code, or 256 + the signal that ended it, or -errno.
static inline long sy_reap(int pid) {
  int status = 0;
  long result;
  do result = waitpid(pid, &status, 0);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -(long)errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}
// To every process of a group.
static inline void sy_kill_group(int group, int number) { (void)kill(-group, number); }
// The line of this number of the environment, or nothing.
static inline const char *sy_environment(int index) {
  extern char **environ;
  for (int i = 0; environ != 0 && environ[i] != 0; i++)
    if (i == index) return environ[i];
  return 0;
}
// Ended children wait to be reaped, whoever started us had them ignored.
static inline void sy_keep_children(void) { signal(SIGCHLD, SIG_DFL); }
static inline void sy_thread_name(const char *name) { (void)pthread_setname_np(pthread_self(), name); }
// The TCP addresses of a host name: at most `room` of them, 16 bytes each into `bytes` (IPv4 in the
// first 4), 4 or 16 into `counts`. Gives how many, or what getaddrinfo(3) says, below 0.
static inline int sy_resolve(
    const char *host, unsigned char *bytes, unsigned char *counts, int room) {
  struct addrinfo hints, *list = 0;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  int code = getaddrinfo(host, 0, &hints, &list);
  if (code != 0) return code < 0 ? code : -code;
  int count = 0;
  for (struct addrinfo *each = list; each != 0 && count < room; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      memcpy(bytes + 16 * count, &((struct sockaddr_in *)each->ai_addr)->sin_addr, 4);
      counts[count++] = 4;
    } else if (each->ai_family == AF_INET6) {
      memcpy(bytes + 16 * count, &((struct sockaddr_in6 *)each->ai_addr)->sin6_addr, 16);
      counts[count++] = 16;
    }
  }
  freeaddrinfo(list);
  return count;
}
static inline const char *sy_resolve_error(int code) { return gai_strerror(code); }
static inline int sy_error_text(int code, char *out, size_t room) {
  return strerror_r(code, out, room);
}
static inline int sy_terminal_columns(int fd) {
  struct winsize size;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
static inline int sy_terminal_rows(int fd) {
  struct winsize size;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}
// Zeroed memory whose pages are resident only once touched; NULL when there is none.
static inline void *sy_map(size_t count) {
  void *memory = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}
static inline void sy_unmap(void *memory, size_t count) { (void)munmap(memory, count); }
// Raises the soft limit of open files to the hard one; returns the limit then in force.
static inline long sy_raise_open_files(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -(long)errno;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -(long)errno;
  return (long)limit.rlim_cur;
}
static inline long sy_open_files_limit(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? -(long)errno : (long)limit.rlim_cur;
}
static inline long sy_processor_count(void) {
  // A container's or taskset's mask counts, not the machine's processors.
  unsigned long mask[128] = {0};
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  long count = 0;
  for (long word = 0; word < bytes / (long)sizeof *mask; word++)
    count += __builtin_popcountl(mask[word]);
  return count > 0 ? count : 1;
}
// The number of entries of a directory, without "." and "..".
static inline long sy_count_entries(const char *path) {
  DIR *directory = opendir(path);
  if (!directory) return -(long)errno;
  long count = 0;
  while (readdir(directory)) count++;
  closedir(directory);
  return count - 2;
}
// Calls `take` with the name of each entry of a directory, without "." and "..", until it gives 0.
static inline long sy_each_entry(
    const char *path, void *owner, int (*take)(void *owner, const char *name)) {
  DIR *directory = opendir(path);
  if (!directory) return -(long)errno;
  struct dirent *entry;
  while ((entry = readdir(directory))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (!take(owner, entry->d_name)) break;
  }
  closedir(directory);
  return 0;
}
// One datagram to a unix socket by its name, of which an abstract one begins with a NUL; never
// blocks. `count` may be as large as sun_path.
static inline long sy_send_unix(
    int fd, const void *name, size_t count, const void *bytes, size_t byteCount) {
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  if (count > sizeof address.sun_path) return -(long)ENAMETOOLONG;
  memcpy(address.sun_path, name, count);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + count);
  SY_RETRY(sendto(fd, bytes, byteCount, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, size));
}
static inline long sy_socket_unix_datagram(void) {
  SY_RETRY(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}
static inline const void *sy_memchr(const void *bytes, int byte, size_t count) {
  return memchr(bytes, byte, count);
}
// Two connected stream sockets that do not block. Children inherit neither.
static inline long sy_socket_pair(int *ends) {
  SY_RETRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
}
#define SY_DESCRIPTORS_MAX 64
// Sends bytes, and with the first of them descriptors (unix(7), SCM_RIGHTS): at most
// SY_DESCRIPTORS_MAX.
static inline long sy_send_descriptors(
    int fd, const void *bytes, size_t byteCount, const int *descriptors, int count) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(SY_DESCRIPTORS_MAX * sizeof(int))];
  } room;
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = byteCount};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > SY_DESCRIPTORS_MAX) return -(long)EINVAL;
  if (count > 0) {
    memset(&room, 0, sizeof room);
    message.msg_control = room.bytes;
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(head), descriptors, (size_t)count * sizeof(int));
  }
  SY_RETRY(sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}
// Receives bytes and the descriptors that came with them, at most SY_DESCRIPTORS_MAX.
static inline long sy_receive_descriptors(
    int fd, void *bytes, size_t byteCount, int *descriptors, int *count) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(SY_DESCRIPTORS_MAX * sizeof(int))];
  } room;
  struct iovec part = {.iov_base = bytes, .iov_len = byteCount};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  message.msg_control = room.bytes;
  message.msg_controllen = sizeof room.bytes;
  *count = 0;
  long result;
  do result = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -(long)errno;
  for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head != 0;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    int found = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors + *count, CMSG_DATA(head), (size_t)found * sizeof(int));
    *count += found;
  }
  return result;
}
// Makes an inherited descriptor one of this process alone that does not block. Fails if it is no
// socket that listens for TCP.
static inline long sy_adopt_listener(int fd) {
  int is_listening = 0, protocol = 0;
  socklen_t size = sizeof is_listening;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) < 0) return -(long)errno;
  size = sizeof protocol;
  if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0) return -(long)errno;
  if (!is_listening || protocol != IPPROTO_TCP) return -(long)EINVAL;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -(long)errno;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -(long)errno;
  return 0;
}
// Makes an inherited unix stream socket one of this process alone.
static inline long sy_adopt_stream(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0) return -(long)errno;
  if (domain != AF_UNIX) return -(long)EINVAL;
  return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -(long)errno : 0;
}
static inline long sy_duplicate(int fd) { SY_RETRY(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }
// Starts a program that takes this one's place: with the same standard streams and process group,
// and with `channel` as descriptor 3. The process id, or -errno.
static inline long sy_start_successor(char *const *words, char *const *environment, int channel) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t all, none;
  sigfillset(&all), sigemptyset(&none);
  pid_t pid = 0;
  posix_spawn_file_actions_init(&actions), posix_spawnattr_init(&attributes);
  int code = posix_spawn_file_actions_adddup2(&actions, channel, 3);
  if (code == 0) code = posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  if (code == 0) {
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    code = posix_spawn(&pid, words[0], &actions, &attributes, words, environment);
  }
  posix_spawn_file_actions_destroy(&actions), posix_spawnattr_destroy(&attributes);
  return code != 0 ? -(long)code : (long)pid;
}
static inline void sy_kill_process(int pid) { (void)kill(pid, SIGKILL); }
static inline long sy_rename(const char *from, const char *to) { SY_RETRY(rename(from, to)); }

// The content of the file is on the disk afterwards.
static inline long sy_sync_file(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -(long)errno;
  long result = fsync(fd) < 0 ? -(long)errno : 0;
  close(fd);
  return result;
}

// An SRV record (RFC 2782).
struct sy_srv {
  uint32_t ttl;
  uint16_t priority, weight, port;
  char target[256];
};

// The SRV records of a name, at most `max`. Returns their number, or the negative of h_errno's
// codes; -5: the answer is malformed. Blocks.
static inline int sy_lookup_srv(const char *name, struct sy_srv *records, int max) {
  struct __res_state state;
  memset(&state, 0, sizeof state);
  if (res_ninit(&state) != 0) return -2;
  const int size = 65536;
  unsigned char *answer = (unsigned char *)malloc(size);
  if (!answer) {
    res_nclose(&state);
    return -2;
  }
  int length = res_nquery(&state, name, C_IN, T_SRV, answer, size);
  int result = length < 0 ? -(state.res_h_errno > 0 ? state.res_h_errno : 2) : 0;
  ns_msg message;
  if (length >= 0 && ns_initparse(answer, length < size ? length : size, &message) < 0) result = -5;
  for (int i = 0; result >= 0 && i < ns_msg_count(message, ns_s_an) && result < max; i++) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) < 0) {
      result = -5;
      break;
    }
    if (ns_rr_type(record) != T_SRV || ns_rr_class(record) != C_IN) continue;
    const unsigned char *data = ns_rr_rdata(record);
    struct sy_srv *found = &records[result];
    if (ns_rr_rdlen(record) < 7 ||
        ns_name_uncompress(
            ns_msg_base(message), ns_msg_end(message), data + 6, found->target,
            sizeof found->target) < 0) {
      result = -5;
      break;
    }
    found->ttl = ns_rr_ttl(record);
    found->priority = (uint16_t)(data[0] << 8 | data[1]);
    found->weight = (uint16_t)(data[2] << 8 | data[3]);
    found->port = (uint16_t)(data[4] << 8 | data[5]);
    result++;
  }
  free(answer);
  res_nclose(&state);
  return result;
}

#endif
