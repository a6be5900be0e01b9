// R05: reads that block while another thread looks at their buffers: read, readv, preadv2, short
// and whole, of a pipe.
//! link: threads
#include <sys/uio.h>

#include "thread_guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  auto put = [&](size_t size) {
    std::string bytes = Pattern(size);
    CHECK(write(ends[1], bytes.data(), size) == static_cast<ssize_t>(size));
  };
  Room whole(40), large(9000), first(3), second(5), third(7);
  Blocked(
      "read of all", {{&whole}, {}}, [&] { return read(ends[0], whole.at(), 40); },
      [&] { put(40); });
  Blocked(
      "read of less", {{&large}, {}}, [&] { return read(ends[0], large.at(), 9000); },
      [&] { put(4500); });
  first.Reset();
  iovec pieces[4] = {{first.at(), 3}, {nullptr, 0}, {second.at(), 5}, {third.at(), 7}};
  Blocked(
      "readv", {{&first, &second, &third}, {}}, [&] { return readv(ends[0], pieces, 4); },
      [&] { put(10); });
  for (Room* room : {&first, &second, &third}) room->Reset();
  Blocked(
      "preadv2", {{&first, &second, &third}, {}},
      [&] { return preadv2(ends[0], pieces, 4, -1, 0); }, [&] { put(4); });
  whole.Reset();
  Blocked(
      "read of nothing", {{&whole}, {}}, [&] { return read(ends[0], whole.at(), 40); },
      [&] { close(ends[1]); });
}
