// R01: a megabyte and a bit of standard input through a pipe.
//! stdin-bytes: 1234567
#include "guest.h"

int main() {
  std::string all = ReadAll(0);
  Say("%zu bytes, digest %016lx", all.size(), Digest(all.data(), all.size()));
}
