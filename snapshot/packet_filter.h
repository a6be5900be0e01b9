// Holds back the packets of TCP connections, both ways, by a table of nftables(8): between the end
// of a checkpointed tree and its restore the kernel would answer the other ends' with resets.
//
// It takes nft(8) and CAP_NET_ADMIN. A table stays until it is taken away, or the machine ends.
#ifndef RETAKE_SNAPSHOT_PACKET_FILTER_H_
#define RETAKE_SNAPSHOT_PACKET_FILTER_H_

#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "snapshot/internet_address.h"

namespace retake {

// Ours and the other's.
using EndpointPair = std::pair<Endpoint, Endpoint>;

// Whether that is possible here and for this user.
Status MayHoldPackets();

// Makes the table. After a failure it isn't there.
Status HoldPackets(const std::string& table, std::span<const EndpointPair> connections);
// Takes the table away, if it is there.
void LetPacketsPass(const std::string& table);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_PACKET_FILTER_H_
