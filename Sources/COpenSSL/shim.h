// OpenSSL 3 for Swift: what are macros in its headers, as static inline functions.
#ifndef STEELYARD_COPENSSL_H
#define STEELYARD_COPENSSL_H
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static inline int sy_error_library(unsigned long code) { return ERR_GET_LIB(code); }
#endif
