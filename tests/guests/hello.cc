// R01: the least program that says something.
#include <stdio.h>

int main() {
  puts("hello");
  return 0;
}
