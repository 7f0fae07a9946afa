// OpenSSL 3 for Swift: what its headers have as macros, as static inline functions; and loops over
// OpenSSL's stacks, whose types are macros too.
#ifndef STEELYARD_COPENSSL_H
#define STEELYARD_COPENSSL_H
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

extern time_t timegm(struct tm *);

static inline int sy_error_library(unsigned long code) { return ERR_GET_LIB(code); }

// Contexts.
static inline void sy_ssl_ctx_set_versions(SSL_CTX *context, int min) {
  SSL_CTX_set_min_proto_version(context, min);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
}
static inline void sy_ssl_ctx_set_mode(SSL_CTX *context, long mode) {
  SSL_CTX_set_mode(context, mode);
}
static inline void sy_ssl_ctx_set_read_ahead(SSL_CTX *context) { SSL_CTX_set_read_ahead(context, 1); }
static inline void sy_ssl_ctx_set_cache(SSL_CTX *context, long mode) {
  SSL_CTX_set_session_cache_mode(context, mode);
}
static inline long sy_ssl_ctx_set_groups(SSL_CTX *context, const char *list) {
  return SSL_CTX_set1_groups_list(context, list);
}
static inline int sy_accept_name(SSL *ssl, int *alert, void *unused) {
  (void)ssl;
  (void)alert;
  (void)unused;
  return SSL_TLSEXT_ERR_OK;
}
/// Acknowledges every server name; the certificate callback chooses.
static inline void sy_ssl_ctx_accept_names(SSL_CTX *context) {
  SSL_CTX_set_tlsext_servername_callback(context, sy_accept_name);
}
static inline long sy_ssl_ctx_add_chain(SSL_CTX *context, X509 *certificate) {
  return SSL_CTX_add1_chain_cert(context, certificate);
}

// Connections.
static inline long sy_ssl_set_name(SSL *ssl, const char *name) {
  return SSL_set_tlsext_host_name(ssl, (void *)name);
}
static inline void sy_ssl_set_message_argument(SSL *ssl, void *argument) {
  SSL_set_msg_callback_arg(ssl, argument);
}
static inline void sy_bio_retry_read(BIO *bio) {
  BIO_clear_retry_flags(bio);
  BIO_set_retry_read(bio);
}
static inline void sy_bio_no_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

// Certificates.
static inline STACK_OF(X509) *sy_chain_new(void) { return sk_X509_new_null(); }
static inline int sy_chain_push(STACK_OF(X509) *chain, X509 *certificate) {
  return X509_up_ref(certificate) && sk_X509_push(chain, certificate);
}
static inline void sy_chain_free(STACK_OF(X509) *chain) { sk_X509_pop_free(chain, X509_free); }
static inline long long sy_seconds(const ASN1_TIME *time) {
  struct tm parts;
  return ASN1_TIME_to_tm(time, &parts) ? (long long)timegm(&parts) : 0;
}
static inline int sy_print_name(BIO *bio, const X509_NAME *name) {
  return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
}
static inline long sy_memory_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

/// Calls `take` for each subject alternative name: type (GEN_DNS, GEN_IPADD, GEN_URI, GEN_EMAIL) and
/// bytes.
static inline void sy_alternative_names(
    X509 *certificate, void *owner, void (*take)(void *, int, const unsigned char *, int)) {
  GENERAL_NAMES *names =
      (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int index = 0; index < sk_GENERAL_NAME_num(names); index++) {
    int type = 0;
    ASN1_STRING *value =
        (ASN1_STRING *)GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, index), &type);
    if (type == GEN_DNS || type == GEN_URI || type == GEN_EMAIL || type == GEN_IPADD)
      take(owner, type, ASN1_STRING_get0_data(value), ASN1_STRING_length(value));
  }
  GENERAL_NAMES_free(names);
}

/// Adds the authorities of a PEM text to the store, and, if `context` is given, their names to what
/// clients are told. Returns how many there were, or -1.
static inline int sy_add_authorities(
    X509_STORE *store, SSL_CTX *context, BIO *text, OSSL_LIB_CTX *library) {
  int count = 0;
  for (;;) {
    X509 *certificate = X509_new_ex(library, NULL);
    if (!certificate) return -1;
    if (!PEM_read_bio_X509(text, &certificate, NULL, NULL)) {
      X509_free(certificate);
      unsigned long code = ERR_peek_last_error();
      int isEnd = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
      if (isEnd) ERR_clear_error();
      return isEnd ? count : -1;
    }
    int isAdded = X509_STORE_add_cert(store, certificate) == 1;
    if (isAdded && context) isAdded = SSL_CTX_add_client_CA(context, certificate) == 1;
    X509_free(certificate);
    if (!isAdded) return -1;
    count++;
  }
}

/// The same for revocation lists. With one, every certificate of a chain needs one.
static inline int sy_add_revocations(X509_STORE *store, BIO *text) {
  int count = 0;
  for (;;) {
    X509_CRL *list = PEM_read_bio_X509_CRL(text, NULL, NULL, NULL);
    if (!list) {
      unsigned long code = ERR_peek_last_error();
      int isEnd = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
      if (isEnd) ERR_clear_error();
      if (!isEnd) return -1;
      break;
    }
    int isAdded = X509_STORE_add_crl(store, list) == 1;
    X509_CRL_free(list);
    if (!isAdded) return -1;
    count++;
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return count;
}

/// Prepares the MAC of a session ticket: HMAC with SHA-256.
static inline int sy_ticket_mac(EVP_MAC_CTX *mac, const unsigned char *key, size_t count) {
  OSSL_PARAM parameters[3];
  parameters[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key, count);
  parameters[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
  parameters[2] = OSSL_PARAM_construct_end();
  return EVP_MAC_CTX_set_params(mac, parameters);
}

// Making certificates.
static inline EVP_PKEY *sy_make_p256_key(void) { return EVP_EC_gen("P-256"); }
/// `value` as in openssl's configuration files (x509v3_config(5)). `issuer` signs.
static inline int sy_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  if (!extension) return 0;
  int isAdded = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return isAdded;
}
#endif
