// R01: a program that allocates and frees a lot, by brk and by mappings, and trims.
#include <malloc.h>

#include <vector>

#include "guest.h"

int main() {
  std::vector<std::string> kept;
  unsigned random = 7;
  uint64_t digest = 0;
  for (int i = 0; i < 3000; ++i) {
    random = random * 1664525u + 1013904223u;
    size_t size = i % 50 == 0 ? 300'000 + random % 300'000 : random % 5000;
    if (kept.size() > 200)
      kept[random % kept.size()] = std::string(size, static_cast<char>(i));
    else
      kept.push_back(std::string(size, static_cast<char>(i)));
  }
  for (auto& text : kept) digest = Digest(text.data(), text.size(), digest);
  kept.clear();
  malloc_trim(0);
  Say("digest %016lx", digest);
}
