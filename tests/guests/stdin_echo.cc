// R01: standard input is passed on; a replay needs none.
//! stdin: first line and a second one
#include "guest.h"

int main() {
  char byte;
  std::string all;
  while (read(0, &byte, 1) == 1) all += byte;
  Say("got %zu bytes: [%s]", all.size(), all.c_str());
}
