#include <zlib.h>

/* deflateInit2 is a macro; 16 more window bits ask for a gzip header and trailer. */
static inline int sy_gzip_begin(z_stream *stream, int level) {
  return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

static inline int sy_gunzip_begin(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
