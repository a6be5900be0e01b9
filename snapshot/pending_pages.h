// PendingPages: which pages of an address space are still to come, and where in a checkpoint they
// are.
//
// There may be hundreds of thousands of ranges, and the program waits until they are known: so
// those of the checkpoint are looked at where they lie, and only what is cut or moved is kept
// apart.
#ifndef RETAKE_SNAPSHOT_PENDING_PAGES_H_
#define RETAKE_SNAPSHOT_PENDING_PAGES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "snapshot/checkpoint_image.h"

namespace retake {

class PendingPages {
 public:
  PendingPages() = default;
  // Ranges as a checkpoint's image has them, ascending and apart; views that outlive this and its
  // copies.
  explicit PendingPages(std::span<const std::span<const PageRange>> runs);

  bool empty() const { return left_ == 0 && pieces_.empty(); }
  // What is to come there, from the range's beginning to its end.
  std::optional<PageRange> At(uint64_t address) const;
  // The next in an order in which blocks of the checkpoint follow each other, as long as that
  // lasts. Not to be called of an empty one.
  PageRange Next();
  // Takes out what is between, and cuts ranges that reach beyond.
  std::vector<PageRange> Take(uint64_t start, uint64_t end);
  // Adds what was taken out, here or elsewhere. Nothing is to come there yet.
  void Put(const PageRange& range) { pieces_.emplace(range.start, range); }

 private:
  struct Ranges {
    std::vector<const PageRange*> by_address;
    std::vector<uint32_t> by_block;  // indices of these
  };

  // Of the first range that ends behind an address.
  size_t FirstBehind(uint64_t address) const;
  // Puts the part that is between into `taken`, the rest into pieces_.
  void Cut(const PageRange& range, uint64_t start, uint64_t end, std::vector<PageRange>& taken);

  std::shared_ptr<const Ranges> ranges_ = std::make_shared<Ranges>();
  std::vector<bool> gone_;                // which of them have been taken
  size_t left_ = 0;                       // how many haven't
  size_t next_ = 0;                       // of by_block
  std::map<uint64_t, PageRange> pieces_;  // by address
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_PENDING_PAGES_H_
