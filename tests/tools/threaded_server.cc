// A server of 16 threads and a client of its own, over TCP. The server adds up what each connection
// sends and answers with the sum so far; the client has 16 connections in turn, checks each answer,
// and says what it has done now and then. Ends with "done" and the sums.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kThreads = 16;
constexpr int kRounds = 400;

void Fail(const char* what) {
  perror(what);
  exit(1);
}

bool ReadAll(int fd, void* to, size_t size) {
  return recv(fd, to, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

void Serve(int listening) {
  int fd = accept(listening, nullptr, nullptr);
  if (fd < 0) Fail("accept");
  uint64_t sum = 0, number = 0;
  while (ReadAll(fd, &number, sizeof number)) {
    sum += number;
    if (send(fd, &sum, sizeof sum, 0) != sizeof sum) Fail("send");
  }
  close(fd);
}

}  // namespace

int main() {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  int listening = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listening, reinterpret_cast<sockaddr*>(&address), size) != 0) Fail("bind");
  if (listen(listening, kThreads) != 0) Fail("listen");
  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(Serve, listening);

  int connections[kThreads];
  uint64_t sums[kThreads] = {};
  for (int& fd : connections) {
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) Fail("connect");
  }
  for (uint64_t round = 1; round <= kRounds; ++round) {
    for (int i = 0; i < kThreads; ++i) {
      uint64_t number = round * kThreads + static_cast<uint64_t>(i), answer = 0;
      sums[i] += number;
      if (send(connections[i], &number, sizeof number, 0) != sizeof number) Fail("send");
      if (!ReadAll(connections[i], &answer, sizeof answer)) Fail("recv");
      if (answer != sums[i]) {
        printf("connection %d: %ju instead of %ju\n", i, static_cast<uintmax_t>(answer),
               static_cast<uintmax_t>(sums[i]));
        return 1;
      }
    }
    if (round % 20 == 0) printf("round %ju\n", static_cast<uintmax_t>(round));
    usleep(1'000);
  }
  for (int fd : connections) close(fd);
  for (std::thread& thread : threads) thread.join();
  printf("done");
  for (uint64_t sum : sums) printf(" %ju", static_cast<uintmax_t>(sum));
  printf("\n");
}
