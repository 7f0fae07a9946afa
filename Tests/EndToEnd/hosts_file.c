// getaddrinfo(3) as a test wants it, preloaded: reads the file HOSTS_FILE at each call, with lines
// `ADDRESS NAME` and `slow SECONDS NAME`. A missing file is a resolver that does not work.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct answer {
  struct addrinfo info;
  struct sockaddr_storage address;
};

static struct addrinfo *made(const char *text) {
  struct answer *answer = calloc(1, sizeof *answer);
  if (!answer) abort();
  struct sockaddr_in *four = (struct sockaddr_in *)&answer->address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&answer->address;
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
  } else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
  } else {
    free(answer);
    return NULL;
  }
  answer->info.ai_family = answer->address.ss_family;
  answer->info.ai_socktype = SOCK_STREAM;
  answer->info.ai_addr = (struct sockaddr *)&answer->address;
  answer->info.ai_addrlen = sizeof answer->address;
  return &answer->info;
}

int getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
  (void)service, (void)hints;
  const char *path = getenv("HOSTS_FILE");
  FILE *file = path ? fopen(path, "re") : NULL;
  if (!file) return EAI_AGAIN;
  struct addrinfo *first = NULL, **last = &first;
  char line[512], word[256], name[256];
  double seconds = 0, slow;
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "slow %lf %255s", &slow, name) == 2) {
      if (!strcasecmp(name, node)) seconds = slow;
    } else if (sscanf(line, "%255s %255s", word, name) == 2 && !strcasecmp(name, node)) {
      *last = made(word);
      if (*last) last = &(*last)->ai_next;
    }
  }
  fclose(file);
  if (seconds > 0) usleep((useconds_t)(seconds * 1e6));
  *result = first;
  return first ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list) {
  while (list) {
    struct addrinfo *next = list->ai_next;
    free(list);
    list = next;
  }
}
