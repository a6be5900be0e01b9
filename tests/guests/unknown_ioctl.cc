// R08: ioctls with outputs that few tables have, and one that nobody has: recorded by looking at
// what changed in memory.
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include "guest.h"

int main() {
  int main_side, other_side;
  CHECK(openpty(&main_side, &other_side, nullptr, nullptr, nullptr) == 0);
  unsigned number = 99;
  CHECK(ioctl(main_side, TIOCGPTN, &number) == 0);
  Vary("pty %u", number);
  int packet = 5, lock = 5, exclusive = 5;
  CHECK(ioctl(main_side, TIOCGPKT, &packet) == 0 && ioctl(main_side, TIOCGPTLCK, &lock) == 0);
  CHECK(ioctl(other_side, TIOCGEXCL, &exclusive) == 0);
  Say("packet %d lock %d exclusive %d", packet, lock, exclusive);
  int discipline = 77;
  CHECK(ioctl(other_side, TIOCGETD, &discipline) == 0);
  Say("line discipline %d", discipline);
  char serial[256];
  memset(serial, 0x5a, sizeof(serial));
  int asked = ioctl(other_side, 0x541e /* TIOCGSERIAL */, serial);
  Say("serial info %d errno %d", asked, errno);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  CHECK(ioctl(fd, SIOCGIFINDEX, &request) == 0);
  Say("loopback has index %d", request.ifr_ifindex);
  if (ioctl(fd, SIOCGIFMTU, &request) == 0) Say("mtu %d", request.ifr_mtu);
  ifreq interfaces[16];
  ifconf list = {};
  list.ifc_len = sizeof(interfaces);
  list.ifc_req = interfaces;
  CHECK(ioctl(fd, SIOCGIFCONF, &list) == 0);
  Say("lists %d bytes, all there %d", list.ifc_len > 0, list.ifc_len % sizeof(ifreq) == 0);
  Vary("%s", list.ifc_len > 0 ? interfaces[0].ifr_name : "-");
  WriteFile("data", Pattern(100'000));
  int file = open("data", O_RDWR);
  fsync(file);
  alignas(fiemap) char room[sizeof(fiemap) + 8 * sizeof(fiemap_extent)] = {};
  auto* map = reinterpret_cast<fiemap*>(room);
  map->fm_length = ~0ull;
  map->fm_extent_count = 8;
  int result = ioctl(file, FS_IOC_FIEMAP, map);
  Vary("extents %d %u %016lx", result, map->fm_mapped_extents, Digest(room, sizeof(room)));
  int flags = 0, block = 0;
  result = ioctl(file, FS_IOC_GETFLAGS, &flags);
  Vary("flags %d %x", result, flags);
  result = ioctl(file, FIGETBSZ, &block);
  Vary("block %d %d", result, block);
  char buffer[64] = "unchanged";
  result = ioctl(file, 0xdeadbeef, buffer);
  Say("nobody's: %d errno %d [%s]", result, errno, buffer);
}
