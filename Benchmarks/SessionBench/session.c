/* What libnghttp2's whole session costs, compared with its HPACK alone and frames of our own:
 * docs/decisions/0019. Ten streams at a time, a request without content, an answer of 256 bytes.
 *
 *   cc -O2 -o session session.c -lnghttp2
 *   valgrind --tool=callgrind --toggle-collect=KIND_SIDE ./session KIND STREAMS
 *
 * KIND is `session` or `frames`, SIDE `server` or `client`. The difference of the counts of N and
 * 2N streams, divided by N, is what a stream costs. Prints calls of the allocator and memory. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 10
#define CONTENT 256
#define ROOM 262144
#define WINDOW 65535

/* Bytes on their way from one side to the other. */
typedef struct {
  uint8_t bytes[ROOM];
  size_t count;
} wire;

/* ---- The allocator, which counts. */

typedef struct {
  size_t calls, live;
} tally;

static void *tally_take(size_t size, void *user) {
  tally *t = user;
  size_t *block = malloc(size + 16);
  t->calls++;
  t->live += size;
  block[0] = size;
  return (uint8_t *)block + 16;
}

static void tally_give(void *block, void *user) {
  if (!block) return;
  size_t *head = (size_t *)((uint8_t *)block - 16);
  ((tally *)user)->live -= head[0];
  free(head);
}

static void *tally_zeroed(size_t count, size_t size, void *user) {
  return memset(tally_take(count * size, user), 0, count * size);
}

static void *tally_resize(void *block, size_t size, void *user) {
  void *larger = tally_take(size, user);
  if (block) {
    size_t had = *(size_t *)((uint8_t *)block - 16);
    memcpy(larger, block, had < size ? had : size);
    tally_give(block, user);
  }
  return larger;
}

static nghttp2_mem counted(tally *t) {
  return (nghttp2_mem){t, tally_take, tally_give, tally_zeroed, tally_resize};
}

/* ---- Heads. */

#define NV(name, value) \
  {(uint8_t *)name, (uint8_t *)value, sizeof(name) - 1, sizeof(value) - 1, NGHTTP2_NV_FLAG_NONE}

static const nghttp2_nv request[] = {
  NV(":method", "GET"), NV(":scheme", "http"), NV(":authority", "api.example.com"),
  NV(":path", "/v1/models"), NV("user-agent", "h2load nghttp2/1.52.0")};
static const nghttp2_nv response[] = {
  NV(":status", "200"), NV("content-type", "application/json"), NV("content-length", "256"),
  NV("server", "uvicorn")};
#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static uint8_t content[CONTENT];
static uint64_t head_bytes, content_bytes, streams_done;

/* What every receiver does with a field: a copy into a room of its own. */
static uint8_t head_room[16384];
static size_t head_count;

static void take_field(
    const uint8_t *name, size_t name_count, const uint8_t *value, size_t value_count) {
  if (head_count + name_count + value_count > sizeof(head_room)) head_count = 0;
  memcpy(head_room + head_count, name, name_count);
  memcpy(head_room + head_count + name_count, value, value_count);
  head_count += name_count + value_count;
  head_bytes += name_count + value_count;
}

/* ---- libnghttp2's session. */

static ssize_t read_content(
    nghttp2_session *session, int32_t stream, uint8_t *room, size_t size, uint32_t *flags,
    nghttp2_data_source *source, void *user) {
  (void)session, (void)stream, (void)size, (void)source, (void)user;
  memcpy(room, content, CONTENT);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  return CONTENT;
}

static int on_header(
    nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_count,
    const uint8_t *value, size_t value_count, uint8_t flags, void *user) {
  (void)session, (void)frame, (void)flags, (void)user;
  take_field(name, name_count, value, value_count);
  return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  (void)user;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  nghttp2_data_provider provider = {{0}, read_content};
  return nghttp2_submit_response(
      session, frame->hd.stream_id, response, COUNT(response), &provider);
}

static int on_content(
    nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t count,
    void *user) {
  (void)session, (void)flags, (void)stream, (void)user;
  memcpy(head_room, bytes, count);
  content_bytes += count;
  return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user) {
  (void)session, (void)stream, (void)code;
  if (user) ++*(uint64_t *)user;
  return 0;
}

static void drain(nghttp2_session *session, wire *out) {
  const uint8_t *bytes;
  ssize_t count;
  while ((count = nghttp2_session_mem_send(session, &bytes)) > 0) {
    memcpy(out->bytes + out->count, bytes, (size_t)count);
    out->count += (size_t)count;
  }
}

__attribute__((noinline)) void session_server(nghttp2_session *session, wire *in, wire *out) {
  nghttp2_session_mem_recv(session, in->bytes, in->count);
  in->count = 0;
  drain(session, out);
}

__attribute__((noinline)) void session_client(nghttp2_session *session, wire *in, wire *out) {
  nghttp2_session_mem_recv(session, in->bytes, in->count);
  in->count = 0;
  for (int i = 0; i < BATCH; i++)
    nghttp2_submit_request(session, NULL, request, COUNT(request), NULL, NULL);
  drain(session, out);
}

static void run_session(long count) {
  static wire up, down;
  tally server_tally = {0}, client_tally = {0};
  nghttp2_mem server_memory = counted(&server_tally), client_memory = counted(&client_tally);
  nghttp2_session_callbacks *callbacks;
  nghttp2_session *server, *client;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_content);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_option *option;
  nghttp2_option_new(&option);
  /* As few bytes as it can: no streams are kept for priorities. */
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_session_server_new3(&server, callbacks, NULL, option, &server_memory);
  nghttp2_session_client_new3(&client, callbacks, &streams_done, option, &client_memory);
  nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100};
  nghttp2_submit_settings(server, NGHTTP2_FLAG_NONE, &entry, 1);
  nghttp2_submit_settings(client, NGHTTP2_FLAG_NONE, NULL, 0);
  for (int i = 0; i < 3; i++) {
    drain(client, &up);
    session_server(server, &up, &down);
    nghttp2_session_mem_recv(client, down.bytes, down.count);
    down.count = 0;
  }
  printf("idle server %zu bytes, client %zu bytes\n", server_tally.live, client_tally.live);
  size_t server_calls = 0, client_calls = 0;
  for (long done = -100 * BATCH; done < count; done += BATCH) {
    if (done == 0) server_calls = server_tally.calls, client_calls = client_tally.calls;
    session_client(client, &down, &up);
    session_server(server, &up, &down);
  }
  nghttp2_session_mem_recv(client, down.bytes, down.count);
  printf(
      "allocator calls a stream: server %.2f, client %.2f\n",
      (double)(server_tally.calls - server_calls) / (double)count,
      (double)(client_tally.calls - client_calls) / (double)count);
  printf("after it: server %zu bytes, client %zu bytes\n", server_tally.live, client_tally.live);
  nghttp2_session_del(server);
  nghttp2_session_del(client);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
}

/* ---- Our own frames around HPACK. */

typedef struct {
  nghttp2_hd_inflater *inflater;
  nghttp2_hd_deflater *deflater;
  /* The window that the peer gives the connection, and what of ours was used up. */
  int64_t window, used;
  uint32_t next_stream;
  struct {
    uint32_t number;
    int32_t window;
    uint8_t state;
  } streams[128];
} peer;

enum { FRAME_DATA, FRAME_HEADERS, FRAME_WINDOW_UPDATE = 8, END_STREAM = 1, END_HEADERS = 4 };

static uint8_t *put_frame(
    uint8_t *at, size_t length, uint8_t type, uint8_t flags, uint32_t stream) {
  uint8_t head[9] = {
    (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, type, flags,
    (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
  memcpy(at, head, 9);
  return at + 9;
}

static uint32_t number(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_head(
    peer *p, wire *out, const nghttp2_nv *fields, size_t count, uint8_t flags, uint32_t stream) {
  uint8_t *at = out->bytes + out->count;
  ssize_t length =
      nghttp2_hd_deflate_hd(p->deflater, at + 9, ROOM - out->count - 9, fields, count);
  put_frame(at, (size_t)length, FRAME_HEADERS, flags | END_HEADERS, stream);
  out->count += 9 + (size_t)length;
}

static void take_head(peer *p, const uint8_t *block, size_t rest) {
  while (rest > 0) {
    nghttp2_nv field;
    int flags = 0;
    ssize_t taken = nghttp2_hd_inflate_hd2(p->inflater, &field, &flags, block, rest, 1);
    if (taken < 0) abort();
    block += taken;
    rest -= (size_t)taken;
    if (flags & NGHTTP2_HD_INFLATE_EMIT)
      take_field(field.name, field.namelen, field.value, field.valuelen);
  }
  nghttp2_hd_inflate_end_headers(p->inflater);
}

static void put_answer(peer *p, wire *out, uint32_t stream) {
  put_head(p, out, response, COUNT(response), 0, stream);
  if (p->window < CONTENT) abort();
  p->window -= CONTENT;
  uint8_t *at = out->bytes + out->count;
  at = put_frame(at, CONTENT, FRAME_DATA, END_STREAM, stream);
  memcpy(at, content, CONTENT);
  out->count += 9 + CONTENT;
}

static void take_frames(peer *p, wire *in, wire *out, int is_server) {
  const uint8_t *at = in->bytes, *end = at + in->count;
  while (end - at >= 9) {
    size_t length = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
    uint8_t type = at[3], flags = at[4];
    uint32_t stream = number(at + 5) & 0x7fffffff;
    at += 9;
    if (length > 16384 || (size_t)(end - at) < length) abort();
    unsigned slot = stream >> 1 & 127;
    switch (type) {
    case FRAME_HEADERS:
      take_head(p, at, length);
      if (is_server) {
        p->streams[slot].number = stream;
        p->streams[slot].window = WINDOW;
        put_answer(p, out, stream);
      }
      break;
    case FRAME_DATA:
      if (p->streams[slot].number != stream) abort();
      p->used += (int64_t)length;
      memcpy(head_room, at, length);
      content_bytes += length;
      if (flags & END_STREAM) streams_done++;
      break;
    case FRAME_WINDOW_UPDATE: p->window += number(at) & 0x7fffffff; break;
    default: break;
    }
    at += length;
  }
  in->count = 0;
  if (p->used > WINDOW / 2) {
    uint8_t *room = put_frame(out->bytes + out->count, 4, FRAME_WINDOW_UPDATE, 0, 0);
    uint8_t count[4] = {
      (uint8_t)(p->used >> 24), (uint8_t)(p->used >> 16), (uint8_t)(p->used >> 8),
      (uint8_t)p->used};
    memcpy(room, count, 4);
    out->count += 13;
    p->used = 0;
  }
}

__attribute__((noinline)) void frames_server(peer *p, wire *in, wire *out) {
  take_frames(p, in, out, 1);
}

__attribute__((noinline)) void frames_client(peer *p, wire *in, wire *out) {
  take_frames(p, in, out, 0);
  for (int i = 0; i < BATCH; i++) {
    uint32_t stream = p->next_stream;
    p->next_stream += 2;
    p->streams[stream >> 1 & 127].number = stream;
    p->streams[stream >> 1 & 127].window = WINDOW;
    put_head(p, out, request, COUNT(request), END_STREAM, stream);
  }
}

static void open_peer(peer *p, nghttp2_mem *memory) {
  memset(p, 0, sizeof(*p));
  p->window = WINDOW;
  p->next_stream = 1;
  nghttp2_hd_inflate_new2(&p->inflater, memory);
  nghttp2_hd_deflate_new2(&p->deflater, 4096, memory);
}

static void run_frames(long count) {
  static wire up, down;
  static peer server, client;
  tally server_tally = {0}, client_tally = {0};
  nghttp2_mem server_memory = counted(&server_tally), client_memory = counted(&client_tally);
  open_peer(&server, &server_memory);
  open_peer(&client, &client_memory);
  printf("idle server %zu bytes, client %zu bytes\n", server_tally.live, client_tally.live);
  size_t server_calls = 0, client_calls = 0;
  for (long done = -100 * BATCH; done < count; done += BATCH) {
    if (done == 0) server_calls = server_tally.calls, client_calls = client_tally.calls;
    frames_client(&client, &down, &up);
    frames_server(&server, &up, &down);
  }
  take_frames(&client, &down, &up, 0);
  printf(
      "allocator calls a stream: server %.2f, client %.2f\n",
      (double)(server_tally.calls - server_calls) / (double)count,
      (double)(client_tally.calls - client_calls) / (double)count);
  printf("after it: server %zu bytes, client %zu bytes\n", server_tally.live, client_tally.live);
  nghttp2_hd_inflate_del(server.inflater);
  nghttp2_hd_deflate_del(server.deflater);
  nghttp2_hd_inflate_del(client.inflater);
  nghttp2_hd_deflate_del(client.deflater);
}

int main(int count, char **words) {
  long streams = count == 3 ? atol(words[2]) : 0;
  if (streams < BATCH) return 64;
  if (!strcmp(words[1], "session"))
    run_session(streams);
  else if (!strcmp(words[1], "frames"))
    run_frames(streams);
  else
    return 64;
  printf(
      "%llu streams, %llu bytes of fields, %llu of content\n", (unsigned long long)streams_done,
      (unsigned long long)head_bytes, (unsigned long long)content_bytes);
  return streams_done == (unsigned long)streams + 100 * BATCH ? 0 : 1;
}
