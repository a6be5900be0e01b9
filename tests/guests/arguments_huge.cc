// R01: nearly two megabytes of arguments and environment: an image with a large initial stack.
#include "guest.h"

int main(int argc, char** argv) {
  if (argc > 2) {
    uint64_t digest = Digest("", 0);
    for (int i = 1; i < argc; ++i) digest = Digest(argv[i], strlen(argv[i]), digest);
    int variables = 0;
    for (char** e = environ; *e; ++e, ++variables) digest = Digest(*e, strlen(*e), digest);
    Say("%d arguments, %d variables, digest %016lx", argc, variables, digest);
    return 0;
  }
  std::string big = std::string(100'000, 'x');
  std::string many[400];
  char* args[414] = {argv[0]};
  for (int i = 0; i < 400; ++i) {
    many[i] = "argument number " + std::to_string(i) + std::string(i, '.');
    args[i + 1] = many[i].data();
  }
  for (int i = 0; i < 8; ++i) args[401 + i] = big.data();
  std::string variable = "BIG=" + std::string(100'000, 'y');
  char* variables[] = {variable.data(), variable.data(), variable.data(), nullptr};
  execve(argv[0], args, variables);
  GuestFailed(__FILE__, __LINE__, "execve");
}
