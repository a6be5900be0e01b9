// The object codec: each object has a length of its own, so that a later version may append fields.
#include "replay/trace_format.h"

#include <algorithm>

namespace retake {

void EncodeObject(const TraceObject& object, ByteWriter& out) {
  ByteWriter body;
  body.U8(static_cast<uint8_t>(object.kind));
  body.Text(object.hash);
  body.Varint(object.size);
  body.Text(object.path);
  out.Blob(body.bytes());
}

TraceObject DecodeObject(ByteReader& in) {
  TraceObject object;
  ByteReader body(in.Blob());
  if (!in.ok()) return object;
  uint8_t kind = body.U8();
  object.kind = static_cast<TraceObject::Kind>(kind);
  object.hash = body.Text();
  object.size = body.Varint();
  object.path = body.Text();
  bool blob = kind == static_cast<uint8_t>(TraceObject::Kind::kBlob);
  bool shared = kind == static_cast<uint8_t>(TraceObject::Kind::kShared);
  bool named = IsBlobName(object.hash) || (shared && object.hash.empty());
  // off_t is signed: no file is larger.
  if (!body.ok() || (!blob && !shared) || !named || object.size > INT64_MAX) in.Fail();
  return object;
}

bool IsBlobName(std::string_view name) {
  return name.size() == 32 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace retake
