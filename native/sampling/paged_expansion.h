// One step of a block where the edge type is on disk.
#pragma once

#include "sampling/connect.h"
#include "sampling/paged.h"

namespace relhop {

// Expands the nodes [first, last) along lists or keys. Compiled apart from the steps in memory, whose speed depends on
// what is inlined into them.
template <class Table>
void follow_paged(const Expansion& expansion, uint32_t first, uint32_t last, PagedScratch& scratch, Chooser& chooser,
                  Connector<Table>& connector, bool edge_ids);

extern template void follow_paged(const Expansion&, uint32_t, uint32_t, PagedScratch&, Chooser&, Connector<RowTable>&,
                                  bool);
extern template void follow_paged(const Expansion&, uint32_t, uint32_t, PagedScratch&, Chooser&,
                                  Connector<HashTable<uint32_t>>&, bool);
extern template void follow_paged(const Expansion&, uint32_t, uint32_t, PagedScratch&, Chooser&,
                                  Connector<HashTable<uint64_t>>&, bool);

}  // namespace relhop
