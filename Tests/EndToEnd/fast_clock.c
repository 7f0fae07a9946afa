// The clocks as a test wants them, preloaded. The monotonic clock runs CLOCK_FACTOR times as fast; the
// kernel's own waits stay as they are, so something has to happen all the time. The wall clock is
// CLOCK_WALL_JUMP seconds ahead in every other stretch of CLOCK_WALL_PERIOD seconds.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static int (*real)(clockid_t, struct timespec *);
static long long factor = 1, start, jump, period = 1;

static long long number(const char *name, long long usual) {
  const char *said = getenv(name);
  return said ? atoll(said) : usual;
}

__attribute__((constructor)) static void begin(void) {
  struct timespec now;
  *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
  if (!real || real(CLOCK_MONOTONIC, &now)) abort();
  start = now.tv_sec * 1000000000LL + now.tv_nsec;
  factor = number("CLOCK_FACTOR", 1);
  jump = number("CLOCK_WALL_JUMP", 0);
  period = number("CLOCK_WALL_PERIOD", 1);
}

static long long ahead(void) {
  struct timespec now;
  if (!jump || real(CLOCK_MONOTONIC, &now)) return 0;
  return now.tv_sec / period % 2 ? jump : 0;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
  if (!real) begin();
  int result = real(clock, out);
  if (result) return result;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) out->tv_sec += ahead();
  if (clock != CLOCK_MONOTONIC) return 0;
  long long now = start + (out->tv_sec * 1000000000LL + out->tv_nsec - start) * factor;
  out->tv_sec = now / 1000000000LL;
  out->tv_nsec = now % 1000000000LL;
  return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  struct timespec now;
  (void)zone;
  int result = clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return result;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
