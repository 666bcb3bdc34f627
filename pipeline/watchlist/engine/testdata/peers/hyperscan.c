// Counts with Hyperscan how often the phrases of one file stand in the documents
// of another, and how long that takes: hyperscan DOCUMENTS PHRASES
//
// DOCUMENTS is a sequence of documents, each after its length as four bytes,
// little-endian. PHRASES holds one phrase a line. Phrases are literals, found
// without regard to case anywhere in a word, which is what Hyperscan is fastest
// at: to ask for whole words makes it several times slower.
//
// Prints one line: bytes, the best CPU seconds of three passes, matches, the
// CPU seconds to compile and the bytes of the compiled database.
#include <hs/hs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static char *read_file(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) { perror(path); exit(1); }
  fseek(f, 0, SEEK_END);
  *size = ftell(f);
  rewind(f);
  char *data = malloc(*size + 1);
  if (fread(data, 1, *size, f) != *size) { perror(path); exit(1); }
  data[*size] = 0;
  fclose(f);
  return data;
}

static unsigned long long matches;

static int found(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx) {
  (void)id, (void)from, (void)to, (void)flags, (void)ctx;
  matches++;
  return 0;
}

static hs_database_t *compile(char *text) {
  unsigned n = 0, room = 1024;
  const char **phrases = malloc(room * sizeof *phrases);
  size_t *lengths = malloc(room * sizeof *lengths);
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    if (n == room) {
      room *= 2;
      phrases = realloc(phrases, room * sizeof *phrases);
      lengths = realloc(lengths, room * sizeof *lengths);
    }
    phrases[n] = line;
    lengths[n++] = strlen(line);
  }
  unsigned *flags = malloc(n * sizeof *flags), *ids = malloc(n * sizeof *ids);
  for (unsigned i = 0; i < n; i++) flags[i] = HS_FLAG_CASELESS, ids[i] = i;
  hs_database_t *db;
  hs_compile_error_t *err;
  if (hs_compile_lit_multi(phrases, flags, ids, lengths, n, HS_MODE_BLOCK, NULL, &db, &err) != HS_SUCCESS) {
    fprintf(stderr, "hyperscan: %s\n", err->message);
    exit(1);
  }
  return db;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: hyperscan DOCUMENTS PHRASES\n");
    return 2;
  }
  size_t size, unused, database = 0;
  char *docs = read_file(argv[1], &size), *text = read_file(argv[2], &unused);
  double start = cpu();
  hs_database_t *db = compile(text);
  double compiling = cpu() - start;
  hs_database_size(db, &database);
  hs_scratch_t *scratch = NULL;
  if (hs_alloc_scratch(db, &scratch) != HS_SUCCESS) return 1;

  double best = 1e9;
  unsigned long long bytes = 0;
  for (int pass = 0; pass < 3; pass++) {
    bytes = matches = 0;
    start = cpu();
    for (size_t at = 0; at + 4 <= size;) {
      uint32_t len;
      memcpy(&len, docs + at, 4);
      at += 4;
      if (hs_scan(db, docs + at, len, 0, scratch, found, NULL) != HS_SUCCESS) return 1;
      at += len;
      bytes += len;
    }
    double took = cpu() - start;
    if (took < best) best = took;
  }
  printf("%llu %.6f %llu %.3f %zu\n", bytes, best, matches, compiling, database);
  return 0;
}
