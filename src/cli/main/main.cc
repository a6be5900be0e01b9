// retake's main: everything is in cli/verbs.cc.
#include "cli/verb.h"

int main(int argc, char** argv) {
  return retake::Main(std::span<char* const>(argv, static_cast<size_t>(argc)));
}
