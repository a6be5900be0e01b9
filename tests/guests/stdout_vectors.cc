// R01: writev, pwritev2, partial and empty pieces, and a bad pointer, to stdout.
#include <sys/uio.h>

#include "guest.h"

int main() {
  char a[] = "one ", b[] = "two ", c[] = "three\n";
  iovec pieces[] = {{a, 4}, {nullptr, 0}, {b, 4}, {c, 6}};
  CHECK(writev(1, pieces, 4) == 14);
  CHECK(pwritev2(1, pieces, 4, -1, 0) == 14);
  CHECK(writev(1, pieces, 0) == 0);
  CHECK(write(1, BadPointer(), 5) == -1);
  Say("bad pointer: errno %d", errno);
  iovec bad[] = {{a, 4}, {BadPointer(), 4}};
  ssize_t wrote = writev(1, bad, 2);
  Say("|");
  Say("half bad vector: %zd", wrote);
  std::string large = Pattern(300'000);
  for (char& letter : large) letter = static_cast<char>('a' + (letter & 15));
  size_t done = 0;
  while (done < large.size()) {
    ssize_t piece = write(1, large.data() + done, large.size() - done);
    CHECK(piece > 0);
    done += piece;
  }
  Say("|");
}
